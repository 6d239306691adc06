"""One try at one deployment, and the answer that comes of it. Its one rule: every try is a signal, whatever comes next."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from triskel.errors import Unavailable, UpstreamError, UpstreamFault, UpstreamRejected, UpstreamThrottled, UpstreamTimeout
from triskel.inference.patience import Patience
from triskel.model.call import Call
from triskel.model.frame import Frame
from triskel.model.route import Attempt, AttemptOutcome, Deployment, HealthSignal
from triskel.model.units import MicroUsd
from triskel.model.usage import Usage
from triskel.ports.clock import Clock
from triskel.ports.credentials import Credential
from triskel.ports.telemetry import Meter
from triskel.ports.transport import Transport, UpstreamResponse
from triskel.providers.codec import Codec, ContentFrame, ErrorReply, StreamDecoder
from triskel.routing.catalog import Catalog

_log = logging.getLogger("triskel.inference")

MAX_ERROR_BYTES = 64 * 1024
"""How much of a provider's error is read."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""The longest whole reply that is accepted."""

MAX_FRAMES_WITHOUT_CONTENT = 1_000
"""Frames before the first content that are held. A provider that sends more never comes to the point."""

A_DAY_MS = 86_400_000

DRAIN_S = 1.0
"""How long a provider that has said its last word may take to end the body, before the connection is closed on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Milliseconds. `first_frame_ms` and `stall_ms` hold for streams, `whole_ms` for one try at a whole reply."""

    first_frame_ms: int
    stall_ms: int
    whole_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """Who can be spoken to, and how: deployments, wire schemas by name, credentials by name."""

    catalog: Catalog
    codecs: Mapping[str, Codec]
    credentials: Mapping[str, Credential]
    transport: Transport


OUTCOMES: Mapping[type[UpstreamError], AttemptOutcome] = {
    UpstreamThrottled: AttemptOutcome.THROTTLED,
    UpstreamTimeout: AttemptOutcome.TIMEOUT,
    UpstreamRejected: AttemptOutcome.REJECTED,
}
"""Every other error of a provider is a fault."""


class Owner(Protocol):
    """What a try needs of the performer."""

    providers: Providers
    timeouts: Timeouts
    clock: Clock
    meter: Meter
    instance: str

    def observe(self, signal: HealthSignal) -> None:
        """Learn from a try."""


class Try:
    """One try at one deployment, up to its first frame of content."""

    def __init__(self, owner: Owner, call: Call, deployment: Deployment) -> None:
        self.call = call
        self.deployment = deployment
        self.timeouts = owner.timeouts
        self._owner = owner
        self._providers = owner.providers
        self._clock = owner.clock
        self._codec = owner.providers.codecs[deployment.schema]
        self._began_ns = owner.clock.monotonic_ns()
        self._status = 0

    async def begin(self) -> "ModelPerformance":
        """Send, and wait for content. Raises UpstreamError."""
        limit_ms = self.timeouts.first_frame_ms if self.call.stream else self.timeouts.whole_ms
        response: UpstreamResponse | None = None
        try:
            async with asyncio.timeout(self.left_s(limit_ms)):
                response = await self._send()
                if self.call.stream:
                    decoder = self._codec.decoder(self.call.payload)
                    chunks = response.chunks()
                    return ModelPerformance(self, response, await _until_content(decoder, chunks), decoder, chunks)
                frame = self._codec.decode(await response.read(MAX_REPLY_BYTES))
                await response.aclose()
                return ModelPerformance(self, response, [frame])
        except TimeoutError:
            await _closed(response)
            raise UpstreamTimeout(f"{self.deployment.route} did not answer in time") from None
        except BaseException:
            await _closed(response)
            raise

    async def _send(self) -> UpstreamResponse:
        request = self._codec.encode(self.call.payload, self.deployment, stream=self.call.stream)
        credential = self._providers.credentials.get(self.deployment.credential)
        if credential is not None:
            try:
                allowed = await credential.headers(request.method, request.url, request.body)
            except Unavailable as error:
                # Another deployment has another credential. The reason is the operator's alone to know.
                _log.error("a credential cannot be had", extra={"route": self.deployment.route, "reason": error.message})
                raise UpstreamFault(f"{self.deployment.route} cannot be authorized at the moment") from error
            request = replace(request, headers={**request.headers, **allowed})
        response = await self._providers.transport.send(request)
        self._status = response.status
        if response.status == 200:
            return response
        try:
            body = await response.read(MAX_ERROR_BYTES)
        except UpstreamFault:
            body = b""
        finally:
            await response.aclose()
        raise self._codec.error(ErrorReply(status=self._status, body=body, retry_after=response.header("retry-after")))

    def left_s(self, limit_ms: int) -> float:
        """Seconds that this step may take: its own limit, or what is left until the call's deadline."""
        return max(0, min(limit_ms, self.call.deadline_ms - self._clock.now_ms())) / 1000

    def ended(self, outcome: AttemptOutcome, error: UpstreamError | None = None) -> Attempt:
        """The record of this try, of which health learns too."""
        latency_ms = (self._clock.monotonic_ns() - self._began_ns) // 1_000_000
        self.observe(outcome, latency_ms, error)
        return Attempt(route=self.deployment.route, outcome=outcome, status=self._status, latency_ms=latency_ms)

    def observe(self, outcome: AttemptOutcome, latency_ms: int, error: UpstreamError | None = None) -> None:
        """Let health and the meter know."""
        signal = HealthSignal(
            deployment=self.deployment.name,
            outcome=outcome,
            latency_ms=latency_ms,
            at_ms=self._clock.now_ms(),
            retry_after_ms=(error.retry_after_ms if error is not None else None) or 0,
            instance=self._owner.instance,
        )
        self._owner.observe(signal)
        self._owner.meter.upstream_attempt(route=self.deployment.route, outcome=outcome)


async def _until_content(decoder: StreamDecoder, chunks: AsyncIterator[bytes]) -> list[ContentFrame]:
    """The frames up to the first that bears content: until then nothing is promised to the caller."""
    held: list[ContentFrame] = []
    async for chunk in chunks:
        held.extend(decoder.feed(chunk))
        if any(frame.is_content for frame in held):
            return held
        if len(held) > MAX_FRAMES_WITHOUT_CONTENT:
            raise UpstreamFault("the provider streams without saying anything")
    held.extend(decoder.close())
    raise UpstreamFault("the provider's stream ended before it said anything")


async def _closed(response: UpstreamResponse | None) -> None:
    if response is not None:
        await response.aclose()


class ModelPerformance:
    """A model answering."""

    attempts: tuple[Attempt, ...] = ()

    def __init__(
        self,
        attempt: Try,
        response: UpstreamResponse,
        held: Sequence[Frame],
        decoder: StreamDecoder | None = None,
        chunks: AsyncIterator[bytes] | None = None,
    ) -> None:
        self._attempt = attempt
        self._response = response
        self._held = held
        self._decoder = decoder
        self._chunks = chunks
        self._patience: Patience | None = None
        self.route = attempt.deployment.route
        self.content_type = "application/json" if decoder is None else "text/event-stream"

    def cost(self, usage: Usage) -> MicroUsd:
        """The deployment's price."""
        return self._attempt.deployment.price.cost(usage)

    async def frames(self) -> AsyncIterator[Frame]:
        """What was held, and what still comes. A stream that stalls or breaks is a fault of its deployment."""
        if self._decoder is None or self._chunks is None:
            for frame in self._held:
                yield frame
            return
        for frame in self._held:
            if "" in frame.ends:
                await self._drain()
            yield frame
        if "" in self._held[-1].ends:
            return
        patience = self._patience = Patience(self.route, self._attempt.timeouts.stall_ms / 1000, self._attempt.left_s(A_DAY_MS))
        try:
            while (chunk := await patience.next(self._chunks)) is not None:
                frames = self._decoder.feed(chunk)
                for frame in frames:
                    if "" in frame.ends:
                        await self._drain()
                    yield frame
                if frames and "" in frames[-1].ends:
                    return
            for frame in self._decoder.close():
                yield frame
        except UpstreamError as error:
            self._attempt.observe(OUTCOMES.get(type(error), AttemptOutcome.FAULT), 0, error)
            raise

    async def _drain(self) -> None:
        """Read to the end of the body, which is due now, so that the connection can be used again.

        The provider has said its last word: how the connection ends is no fault of the answer.
        """
        with suppress(TimeoutError, UpstreamError):
            async with asyncio.timeout(DRAIN_S):
                while self._chunks is not None and await anext(self._chunks, None) is not None:
                    pass

    async def aclose(self) -> None:
        """Let go of the connection; where the reply was not read to its end, that tells the provider to stop."""
        if self._patience is not None:
            self._patience.end()
        await self._response.aclose()

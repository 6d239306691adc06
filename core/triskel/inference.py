"""The performer of model calls: rank, encode, authorize, send, decode.

Its one rule: until the first frame of content has come, the next candidate may be tried; after it, never.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from triskel.errors import NoCapacity, Retry, UpstreamError, UpstreamFault, UpstreamRejected, UpstreamThrottled, UpstreamTimeout
from triskel.model.call import Call
from triskel.model.frame import Frame
from triskel.model.route import Attempt, AttemptOutcome, Deployment, HealthSignal
from triskel.model.units import MicroUsd, Tokens
from triskel.model.usage import Usage
from triskel.ports.clock import Clock
from triskel.ports.credentials import Credential
from triskel.ports.hot import HealthBoard
from triskel.ports.performer import Quote
from triskel.ports.telemetry import Meter
from triskel.ports.transport import Transport, UpstreamResponse
from triskel.providers.chat import max_output_tokens, needed_capabilities
from triskel.providers.codec import Codec, ContentFrame, ErrorReply, StreamDecoder
from triskel.routing.candidates import Need, available, feasible
from triskel.routing.catalog import Catalog
from triskel.routing.health import Health
from triskel.routing.ranking import rank
from triskel.routing.tokens import estimated_tokens, upper_bound_tokens

MAX_ERROR_BYTES = 64 * 1024
"""How much of a provider's error is read."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""The longest whole reply that is accepted."""

MAX_FRAMES_WITHOUT_CONTENT = 1_000
"""Frames before the first content that are held. A provider that sends more never comes to the point."""

MAX_UNSHARED_SIGNALS = 1_000

DRAIN_S = 1.0
"""How long a provider that has said its last word may take to end the body, before the connection is closed on it."""

DEFAULT_OUTPUT_TOKENS = 1024
"""What an answer is taken to need, for ranking, where the caller sets no bound."""


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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a quote found out, so that performing need not find it out again."""

    candidates: tuple[Deployment, ...]
    input_tokens: int
    output_tokens: int


class Inference:
    """Performs chats. Stateless but for what `health` has learnt."""

    def __init__(
        self,
        providers: Providers,
        *,
        health: Health,
        timeouts: Timeouts,
        clock: Clock,
        meter: Meter,
        instance: str,
    ) -> None:
        """`instance` names this life of this process among the others."""
        self._instance = instance
        self._providers = providers
        self._health = health
        self._timeouts = timeouts
        self._clock = clock
        self._meter = meter
        self._unshared: deque[HealthSignal] = deque(maxlen=MAX_UNSHARED_SIGNALS)
        self._read_until_ms: int = clock.now_ms()

    def quote(self, call: Call) -> Quote:
        """The dearest candidate's price for the most that the call can use. Raises ModelNotFound or InvalidRequest."""
        input_tokens = estimated_tokens(call.parts)
        input_bound = upper_bound_tokens(call.parts)
        asked = max_output_tokens(call.payload)
        need = Need(
            model=call.target.name,
            capabilities=needed_capabilities(call.payload),
            input_tokens=input_tokens,
            max_output=asked,
        )
        candidates = feasible(self._providers.catalog, need)
        replies = call.payload.get("n") or 1
        cost_bound = sunk_cost = most_output = 0
        for deployment in candidates:
            output = (asked or deployment.max_output) * replies
            most_output = max(most_output, output)
            cost_bound = max(cost_bound, deployment.price.bound(input_bound, output))
            sunk_cost = max(sunk_cost, deployment.price.bound(input_tokens, 0))
        plan = _Plan(candidates, input_tokens, min(asked or DEFAULT_OUTPUT_TOKENS, DEFAULT_OUTPUT_TOKENS))
        return Quote(
            cost_bound=MicroUsd(cost_bound),
            tokens_bound=Tokens(input_bound + most_output),
            input_tokens=input_tokens,
            sunk_cost=MicroUsd(sunk_cost),
            clouds=frozenset([deployment.cloud.value for deployment in candidates]),
            plan=plan,
        )

    async def perform(self, call: Call, quote: Quote) -> "ModelPerformance":
        """Try the candidates in order until one answers.

        Raises UpstreamError with every attempt: the last one's own where one was left, NoCapacity where all are full.
        """
        plan: _Plan = quote.plan
        attempts: list[Attempt] = []
        errors: list[UpstreamError] = []
        now_ms = self._clock.now_ms()
        ready = available(plan.candidates, self._health, now_ms)
        if len(ready) > 1:
            ranked = rank(ready, self._health, now_ms, input_tokens=plan.input_tokens, output_tokens=plan.output_tokens)
            ready = [row[4] for row in ranked]
        for deployment in ready:
            if not self._health.try_probe(deployment.name, self._clock.now_ms()):
                continue
            attempt = _Attempt(self, call, deployment)
            try:
                performance = await attempt.begin()
            except UpstreamError as error:
                attempts.append(attempt.ended(_OUTCOMES.get(type(error), AttemptOutcome.FAULT), error))
                error.attempts = tuple(attempts)
                if error.retry is not Retry.ELSEWHERE or self._clock.now_ms() >= call.deadline_ms:
                    raise
                errors.append(error)
                continue
            except BaseException:
                attempt.ended(AttemptOutcome.CANCELLED)
                raise
            attempts.append(attempt.ended(AttemptOutcome.OK))
            performance.attempts = tuple(attempts)
            return performance
        raise self._exhausted(errors, tuple(attempts), plan)

    def _exhausted(self, errors: Sequence[UpstreamError], attempts: tuple[Attempt, ...], plan: _Plan) -> UpstreamError:
        """What to tell the caller when nobody is left."""
        if errors and not all(isinstance(error, UpstreamThrottled) for error in errors):
            last_fault = next(error for error in reversed(errors) if not isinstance(error, UpstreamThrottled))
            last_fault.attempts = attempts
            return last_fault
        now_ms = self._clock.now_ms()
        waits = [self._health.wait_ms(deployment.name, now_ms) for deployment in plan.candidates]
        error = NoCapacity(
            f"none of {len(plan.candidates)} deployments that could answer has room now",
            retry_after_ms=min((wait for wait in waits if wait > 0), default=1_000),
        )
        error.attempts = attempts
        return error

    def check(self) -> None:
        """Return if at least one deployment may be tried now. Raises NoCapacity."""
        deployments = self._providers.catalog.deployments
        if not deployments:
            raise NoCapacity("the catalog holds no deployment")
        available(deployments, self._health, self._clock.now_ms())

    def observe(self, signal: HealthSignal) -> None:
        """Learn from one attempt, and keep it for the other instances."""
        self._health.observe(signal)
        self._unshared.append(signal)

    async def share_signals(self, board: HealthBoard) -> None:
        """Tell the other instances what was learnt here, and learn what they did. Called now and then, never by a call."""
        mine = tuple(self._unshared)
        self._unshared.clear()
        if mine:
            await board.post(mine)
        for signal in await board.signals(self._read_until_ms):
            self._read_until_ms = max(self._read_until_ms, signal.at_ms)
            if signal.instance != self._instance:
                self._health.observe(signal, self._clock.now_ms())


_OUTCOMES: Mapping[type[UpstreamError], AttemptOutcome] = {
    UpstreamThrottled: AttemptOutcome.THROTTLED,
    UpstreamTimeout: AttemptOutcome.TIMEOUT,
    UpstreamRejected: AttemptOutcome.REJECTED,
}
"""Every other error of a provider is a fault."""


class _Attempt:
    """One try at one deployment, up to its first frame of content."""

    def __init__(self, inference: Inference, call: Call, deployment: Deployment) -> None:
        self.call = call
        self.deployment = deployment
        self.timeouts = inference._timeouts
        self._inference = inference
        self._providers = inference._providers
        self._clock = inference._clock
        self._codec = inference._providers.codecs[deployment.schema]
        self._began_ns = inference._clock.monotonic_ns()
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
            allowed = await credential.headers(request.method, request.url, request.body)
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
            instance=self._inference._instance,
        )
        self._inference.observe(signal)
        self._inference._meter.upstream_attempt(route=self.deployment.route, outcome=outcome)


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
        attempt: _Attempt,
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
        try:
            while (chunk := await self._next_chunk(self._chunks)) is not None:
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
            self._attempt.observe(_OUTCOMES.get(type(error), AttemptOutcome.FAULT), 0, error)
            raise

    async def _drain(self) -> None:
        """Read to the end of the body, which is due now, so that the connection can be used again.

        The provider has said its last word: how the connection ends is no fault of the answer.
        """
        with suppress(TimeoutError, UpstreamError):
            async with asyncio.timeout(DRAIN_S):
                while self._chunks is not None and await anext(self._chunks, None) is not None:
                    pass

    async def _next_chunk(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self._attempt.left_s(self._attempt.timeouts.stall_ms)):
                return await anext(chunks, None)
        except TimeoutError:
            raise UpstreamTimeout(f"{self.route} fell silent in mid-stream") from None

    async def aclose(self) -> None:
        """Let go of the connection; where the reply was not read to its end, that tells the provider to stop."""
        await self._response.aclose()

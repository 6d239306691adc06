"""A provider that says what the test told it to. Its one rule: what is not scripted is a failure of the test.

The same `Answer` is played by `FakeTransport`, without a network, and by `testing.upstream.ScriptedUpstream`, over one.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from triskel.errors import UpstreamFault
from triskel.ports.transport import UpstreamRequest


class Ending(StrEnum):
    """What follows the last piece of an answer."""

    WHOLE = "whole"
    BROKEN = "broken"
    """The connection is gone before the answer is whole."""
    HANGING = "hanging"
    """Nothing more comes, and nothing ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider does with one request. Without a `status` its ending comes before any head.

    `delay_ms` passes before the head, `piece_delay_ms` before each piece of body.
    """

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    ending: Ending = Ending.WHOLE
    delay_ms: int = 0
    piece_delay_ms: int = 0

    @classmethod
    def of_json(cls, value: Any, *, status: int = 200, delay_ms: int = 0, headers: Mapping[str, str] | None = None) -> "Answer":
        """A JSON document in one piece."""
        body = json.dumps(value).encode()
        about = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        return cls(status=status, headers=about, pieces=(body,), delay_ms=delay_ms)

    @classmethod
    def of_events(
        cls, events: Iterable[str], *, ending: Ending = Ending.WHOLE, delay_ms: int = 0, piece_delay_ms: int = 0
    ) -> "Answer":
        """Server-sent events, a piece for each."""
        return cls(
            headers={"content-type": "text/event-stream"},
            pieces=tuple(f"data: {event}\n\n".encode() for event in events),
            ending=ending,
            delay_ms=delay_ms,
            piece_delay_ms=piece_delay_ms,
        )

    @classmethod
    def no_head(cls, ending: Ending, *, delay_ms: int = 0) -> "Answer":
        """Nothing at all: the connection breaks, or hangs."""
        return cls(status=None, ending=ending, delay_ms=delay_ms)


class FakeTransport:
    """`ports.transport.Transport`. Answers are played in order, or by URL prefix where `routes` has one.

    `requests` holds what was sent. `given_up` counts answers that were cancelled or closed before they were whole.
    """

    def __init__(self, *answers: Answer, routes: Mapping[str, Iterable[Answer]] | None = None) -> None:
        self.requests: list[UpstreamRequest] = []
        self.given_up = 0
        self.closed = False
        self._answers = deque(answers)
        self._routes = {prefix: deque(scripted) for prefix, scripted in (routes or {}).items()}

    def play(self, *answers: Answer) -> None:
        """Play these after those that are left."""
        self._answers.extend(answers)

    async def send(self, request: UpstreamRequest) -> "FakeResponse":
        """Play the next answer up to its head. Raises UpstreamFault as scripted, AssertionError where nothing is."""
        self.requests.append(request)
        if self.closed:
            raise UpstreamFault("the transport is closed")
        answers = next((a for prefix, a in self._routes.items() if request.url.startswith(prefix)), self._answers)
        if not answers:
            raise AssertionError(f"no answer is scripted for {request.method} {request.url}")
        answer = answers.popleft()
        try:
            await asyncio.sleep(answer.delay_ms / 1000)
            if answer.status is None:
                await _end(answer.ending)
                raise AssertionError("an answer without a head is broken or hanging")
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return FakeResponse(answer, answer.status, self)

    async def aclose(self) -> None:
        """Refuse from now on."""
        self.closed = True


class FakeResponse:
    """`ports.transport.UpstreamResponse`, played from an `Answer`."""

    def __init__(self, answer: Answer, status: int, transport: FakeTransport) -> None:
        self.status = status
        self._answer = answer
        self._transport = transport
        self._body = self._played()
        self._over = False

    def header(self, name: str) -> str | None:
        """The value of a header, without regard to case."""
        wanted = name.lower()
        return next((value for known, value in self._answer.headers.items() if known.lower() == wanted), None)

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFault when it is too long or broken off."""
        body = b""
        async for piece in self._body:
            body += piece
            if len(body) > limit:
                await self.aclose()
                raise UpstreamFault(f"the provider's answer is longer than {limit} bytes")
        return body

    def chunks(self) -> AsyncIterator[bytes]:
        """The pieces as scripted."""
        return self._body

    async def aclose(self) -> None:
        """Stop. An answer that was not whole is given up."""
        if not self._over:
            self._over = True
            self._transport.given_up += 1

    async def _played(self) -> AsyncIterator[bytes]:
        for piece in self._answer.pieces:
            await asyncio.sleep(self._answer.piece_delay_ms / 1000)
            if self._over:
                raise UpstreamFault("nobody reads the provider's answer any more")
            yield piece
        try:
            await _end(self._answer.ending)
        except UpstreamFault:
            self._over = True
            raise
        self._over = True


async def _end(ending: Ending) -> None:
    if ending is Ending.HANGING:
        await asyncio.Event().wait()
    if ending is Ending.BROKEN:
        raise UpstreamFault("the provider closed the connection before its answer was whole")

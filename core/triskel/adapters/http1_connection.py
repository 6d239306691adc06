"""One connection and the answer under way on it. Its one rule: an answer that was not read to its end ends its connection.

Bytes are parsed by llhttp in its strict mode: a length given twice, or a length beside a transfer coding, is an error.
What a provider sends is bounded: `_MOST_QUIET_BYTES` of head, trailers or chunk lines without a byte of body between
them, and `_MOST_UNREAD_BYTES` of body that nobody has taken yet, above which reading from the socket stops.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from triskel.errors import UpstreamFault

_MOST_QUIET_BYTES = 64 * 1024
_MOST_UNREAD_BYTES = 256 * 1024


class Http1Response:
    """`ports.transport.UpstreamResponse`, and the iterator over its own body."""

    __slots__ = (
        "_buffered",
        "_complete",
        "_connection",
        "_fault",
        "_head_read",
        "_headers",
        "_loop",
        "_pieces",
        "_waiter",
        "status",
    )

    def __init__(self, connection: "Http1Connection", loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self.status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._head_read = False
        self._complete = False
        self._fault: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        wanted = name.lower().encode("latin-1")
        for known, value in self._headers:
            if known.lower() == wanted:
                return value.decode("latin-1").strip()
        return None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFault, and closes the connection, when it is longer than `limit` bytes."""
        declared = self.header("content-length")
        size = int(declared) if declared is not None and not self._complete else 0
        pieces: list[bytes] = []
        taken = 0
        while size <= limit:
            if self._pieces:
                piece = self._take()
                pieces.append(piece)
                size = taken = taken + len(piece)
            elif await self._ended():
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        await self.aclose()
        raise UpstreamFault(f"the provider's answer is longer than {limit} bytes")

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Everything that has come since the last time. Raises UpstreamFault when it breaks off."""
        while not self._pieces:
            if await self._ended():
                raise StopAsyncIteration
        return self._take()

    async def aclose(self) -> None:
        """Stop reading. Closes the connection, unless the answer has come to its end."""
        if not self._complete:
            self._connection.abort("nobody reads the provider's answer any more")

    async def head(self) -> None:
        """Return when status and headers have come. Raises UpstreamFault. Cancelled, it closes the connection."""
        try:
            while not self._head_read:
                if self._fault is not None:
                    raise UpstreamFault(self._fault)
                await self._wait()
        except asyncio.CancelledError:
            self._connection.abort("the request was given up")
            raise

    async def _ended(self) -> bool:
        """Whether the body is at its end; False where more may have come. Raises UpstreamFault where it broke off."""
        if self._fault is not None:
            raise UpstreamFault(self._fault)
        if self._complete:
            return True
        await self._wait()
        return False

    def _take(self) -> bytes:
        pieces = self._pieces
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if not self._complete:
            self._connection.resume()
        return taken

    async def _wait(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    # What the connection tells.

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come, or a trailer, which nobody asked for."""
        if not self._head_read:
            self._headers.append((name, value))

    def on_head(self, status: int) -> None:
        """The head has come. Those of informational answers are forgotten: the real one follows."""
        if status < 200:
            self._headers.clear()
            return
        self.status = status
        self._head_read = True
        self._wake()

    def on_body(self, piece: bytes) -> bool:
        """A piece has come. False where that is enough for now."""
        self._pieces.append(piece)
        self._buffered += len(piece)
        self._wake()
        return self._buffered <= _MOST_UNREAD_BYTES

    def on_complete(self) -> None:
        """The body has ended."""
        self._complete = True
        self._wake()

    def on_fault(self, reason: str) -> None:
        """Nothing more will come."""
        if self._fault is None and not self._complete:
            self._fault = reason
            self._wake()

    @property
    def ends_with_connection(self) -> bool:
        """Whether the answer gave no other sign of where its body ends (RFC 9112, section 6.3, rule 8)."""
        return self._head_read and self.header("content-length") is None and self.header("transfer-encoding") is None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Http1Connection(asyncio.Protocol):
    """A connection, which carries one exchange after the other. `on_idle` is told when it can carry the next one."""

    def __init__(self, on_idle: Callable[["Http1Connection"], None], on_lost: Callable[["Http1Connection"], None]) -> None:
        self.idle_since_s = 0.0
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: Http1Response | None = None
        self._quiet_bytes = 0
        self._paused = False
        self._wants_body = True
        self._message_over = False
        self._spoke_again = False
        self._stays = False

    @property
    def is_usable(self) -> bool:
        """Whether the next exchange may be tried on it."""
        return self._transport is not None and self._response is None and not self._transport.is_closing()

    def begin(self, response: Http1Response, head: bytes, body: bytes, *, wants_body: bool) -> None:
        """Send a request; its answer goes to `response`."""
        transport = self._transport
        if transport is None or self._response is not None:
            response.on_fault("the connection to the provider was closed")
            return
        self._response = response
        self._quiet_bytes = 0
        self._wants_body = wants_body
        self._message_over = self._spoke_again = self._stays = False
        if len(body) <= 16 * 1024:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    def abort(self, reason: str) -> None:
        """Close at once, so that the other side notices. Whoever waits for an answer is told the reason."""
        response, self._response = self._response, None
        if response is not None:
            response.on_fault(reason)
        if self._transport is not None:
            self._transport.abort()

    def resume(self) -> None:
        """Read from the socket again."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._response is None:
            self.abort("")  # nobody asked; whatever it is, it must not be taken for the next answer
            return
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._spoke_again = True
            if not self._message_over:
                self.abort("the provider's answer is not HTTP")
                return
        if self._message_over:
            self._finish()
        elif self._quiet_bytes > _MOST_QUIET_BYTES:
            self.abort(f"the provider sent {_MOST_QUIET_BYTES} bytes of headers")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        response, self._response = self._response, None
        if response is not None:
            if exc is None and response.ends_with_connection:
                response.on_complete()
            else:
                response.on_fault("the provider closed the connection before its answer was whole")
        self._on_lost(self)

    # What the parser tells.

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._spoke_again = self._message_over

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        if self._response is not None and not self._message_over:
            self._response.on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is over."""
        if self._response is not None and not self._message_over:
            self._response.on_head(self._parser.get_status_code())
            self._message_over = not self._wants_body and self._response.status != 0

    def on_body(self, body: bytes) -> None:
        """A piece of body."""
        self._quiet_bytes = 0
        if self._response is None or self._message_over:
            return
        if not self._response.on_body(body) and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is over, unless it was an informational one."""
        if self._response is not None and self._response.status != 0 and not self._message_over:
            self._message_over = True
            self._stays = self._parser.should_keep_alive()

    def _finish(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.on_complete()
        transport = self._transport
        if transport is None:
            return
        self.resume()
        # A provider that answered before it had the whole request may not read the rest of it.
        if self._stays and not self._spoke_again and transport.get_write_buffer_size() == 0 and not transport.is_closing():
            self._on_idle(self)
        else:
            transport.close()

"""One client's connection: HTTP/1.1 in, bytes out. One rule: one request is answered at a time, in order, whatever is piped in.

Limits: https://www.rfc-editor.org/rfc/rfc9112 leaves them to the server; a request over them is refused and the connection
closed behind the refusal.
"""

import asyncio
import socket
from collections import deque
from typing import Protocol, cast

import httptools

from triskel.local.simulator.refusal import Refusal, malformed
from triskel.local.simulator.wire import error_bytes, status_line

BODY_BYTES = 8 * 1024 * 1024
HEAD_BYTES = 64 * 1024
URL_BYTES = 8 * 1024
HEADERS_AT_MOST = 100
QUEUED_AT_MOST = 16
LINGER_S = 2.0

_OK = status_line(200)
_CLOSE = b"connection: close\r\n"


class Request:
    """A request as it came. `refusal` is set where it broke a limit or the protocol; then nothing else counts."""

    __slots__ = ("authorization", "body", "headers", "is_http10", "keep_alive", "method", "path", "refusal")

    def __init__(self) -> None:
        self.method = b""
        self.path = b""
        self.authorization = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.keep_alive = False
        self.is_http10 = False
        self.refusal: Refusal | None = None


class UnderWay(Protocol):
    """An answer that takes time, and must hear of what happens to its connection."""

    def lost(self) -> None:
        """The connection is gone."""

    def writable(self) -> None:
        """The client reads again."""


class Home(Protocol):
    """What connections share."""

    date: bytes
    """The Date header of now, with its line end."""
    tick: int
    """Counts up slowly; connections that wait too many ticks are closed."""
    connections: "set[Connection]"

    def handle(self, connection: "Connection", request: Request) -> None:
        """Answer now, or set `connection.under_way` and answer later."""


class Connection(asyncio.Protocol):
    """Callbacks of the event loop and of the parser; `answer`, `start`, `write`, `finish` and `cut_off` for who answers."""

    __slots__ = (
        "_body",
        "_closing",
        "_deaf",
        "_draining",
        "_head_bytes",
        "_home",
        "_in_head",
        "_keep_alive",
        "_loop",
        "_parser",
        "_queue",
        "_request",
        "_size",
        "_transport",
        "busy",
        "is_writable",
        "tick",
        "under_way",
    )

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop) -> None:
        self._home = home
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._request = Request()
        self._body: list[bytes] = []
        self._size = self._head_bytes = 0
        self._in_head = self._deaf = self._closing = self._draining = False
        self._keep_alive = True
        self._transport: asyncio.Transport
        self.busy = False
        self.is_writable = True
        self.tick = home.tick
        self.under_way: UnderWay | None = None

    # The event loop's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._home.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's signature
        """The client has gone, or we have closed."""
        self._closing = True
        self._queue.clear()
        del self._parser  # it holds this connection
        self._home.connections.discard(self)
        if self.under_way is not None:
            self.under_way.lost()

    def data_received(self, data: bytes) -> None:
        """Bytes have come: of a part of a request, or of several."""
        if self._deaf:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(Refusal(431, "The headers of your request are too large."))
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request was answered as if it had not asked, and its connection closes behind the answer.
            self._deaf = True
        except httptools.HttpParserError:
            self._refuse(malformed("Your request is not HTTP/1.1."))

    def pause_writing(self) -> None:
        """The client does not read."""
        self.is_writable = False

    def resume_writing(self) -> None:
        """The client reads again."""
        self.is_writable = True
        if self.under_way is not None:
            self.under_way.writable()
        elif not self.busy:
            self._drain()

    # The parser's side.

    def on_url(self, url: bytes) -> None:
        """The target, or a piece of it."""
        self._in_head = True
        request = self._request
        request.path += url
        if len(request.path) > URL_BYTES:
            request.refusal = Refusal(414, "The URL of your request is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        name = name.lower()
        request = self._request
        request.headers.append((name, value))
        if name == b"authorization":
            request.authorization = value
        elif name == b"expect" and not self.busy and not self._closing:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(request.headers) > HEADERS_AT_MOST:
            request.refusal = Refusal(431, "Your request has too many headers.")

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._in_head = False
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        if self._size <= BODY_BYTES:
            self._body.append(body)
        elif not self._deaf:
            self._body.clear()
            self._refuse(Refusal(413, f"The body of your request is over {BODY_BYTES} bytes."))

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._deaf:
            return
        request, parser = self._request, self._parser
        request.method = parser.get_method()
        request.is_http10 = parser.get_http_version() == "1.0"
        request.keep_alive = parser.should_keep_alive() and not request.is_http10 and not parser.should_upgrade()
        body = self._body
        request.body = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._size = 0
        self._request = Request()
        self.tick = self._home.tick
        self._enter(request)

    def _enter(self, request: Request) -> None:
        if request.refusal is not None:
            self._deaf = True
            request.keep_alive = False
        if self.busy or self._queue or not self.is_writable:
            self._queue.append(request)
            if len(self._queue) > QUEUED_AT_MOST:
                self._transport.pause_reading()
        else:
            self._begin(request)

    def _begin(self, request: Request) -> None:
        if self._closing:
            return
        self.busy = True
        self._keep_alive = request.keep_alive
        if request.refusal is not None:
            self.answer(request.refusal.status, error_bytes(request.refusal))
        else:
            self._handle(request)

    def _handle(self, request: Request) -> None:
        try:
            self._home.handle(self, request)
        except Exception:  # noqa: BLE001  a fault of ours must not leave the client waiting, nor stop the others
            self._loop.call_exception_handler({"message": "a request was not answered", "protocol": self})
            self._keep_alive = False
            self.answer(500, error_bytes(Refusal(500, "The simulator failed.", kind="server_error")))

    def _refuse(self, refusal: Refusal) -> None:
        """Hear no more; say why when it is this request's turn."""
        self._deaf = True
        request = Request()
        request.refusal = refusal
        self._enter(request)

    def _drain(self) -> None:
        self._draining = True
        while self._queue and not self.busy and self.is_writable and not self._closing:
            self._begin(self._queue.popleft())
        self._draining = False
        if len(self._queue) <= QUEUED_AT_MOST and not self._closing:
            self._transport.resume_reading()

    # The side of who answers.

    def answer(self, status: int, rest: bytes) -> None:
        """Send a whole response; `rest` begins behind the status line."""
        self.start(status, rest)
        self.finish()

    def answer_ok(self, rest: bytes) -> None:
        """Send a whole response with status 200 as fast as it goes."""
        if self._keep_alive and not self._queue:
            self._transport.write(_OK + self._home.date + rest)
            self.busy = False
        else:
            self.answer(200, rest)

    def start(self, status: int, rest: bytes) -> None:
        """Send the beginning of a response; `rest` begins behind the status line."""
        closing = b"" if self._keep_alive else _CLOSE
        self._transport.write(status_line(status) + self._home.date + closing + rest)

    def write(self, data: bytes) -> None:
        """Send more of it."""
        self._transport.write(data)

    def finish(self) -> None:
        """The response is whole: on to the next request, or to the end."""
        self.busy = False
        self.under_way = None
        if not self._keep_alive:
            self._close()
        elif self._queue and not self._draining:
            self._drain()

    def cut_off(self) -> None:
        """Close in the middle of a response. What was written still goes out."""
        self.under_way = None
        self._closing = True
        self._transport.close()

    def end(self) -> None:
        """Close now, whatever is under way, which hears of it."""
        self._closing = True
        self._transport.close()

    def _close(self) -> None:
        self._closing = True
        if self._deaf:
            # More may be coming: closing on it would reset the connection before the client has read why.
            self._transport.write_eof()
            self._loop.call_later(LINGER_S, self._transport.abort)
        else:
            self._transport.close()

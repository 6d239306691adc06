"""HTTP/1.1 to providers, on the event loop's own sockets. Its one rule: it sends what it is given, once.

No redirects, cookies, referrers, proxies or retries; no compression is asked for unless the request does; nothing is read
from the environment. A cancelled request closes its connection, so that a provider stops an answer nobody waits for.
"""

import asyncio
import os
import re
import socket
import ssl
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from triskel.adapters.http1_connection import Http1Connection, Http1Response
from triskel.errors import UpstreamFault
from triskel.ports.transport import UpstreamRequest, UpstreamResponse

# Tokens and values of RFC 9110, sections 5.1 and 5.5.
_HEADERS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*\r\n)*")
_METHOD = re.compile(r"[A-Z]{1,16}")
_PATH = re.compile(r"[!-~]+")
_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade"))
_MOST_TARGETS = 1024


@dataclass(frozen=True, slots=True)
class _Target:
    """What an URL says: whom to ask (`origin` is TLS, host and port), and for what."""

    origin: tuple[bool, str, int]
    start: str


@dataclass(slots=True)
class _Pool:
    """The connections to one origin. `idle` is in the order in which they were given back."""

    open: int = 0
    idle: deque[Http1Connection] = field(default_factory=deque)


class Http1Transport:
    """`ports.transport.Transport`.

    At most `most_connections` stand to one origin: one more is a fault, not a queue. `most_idle` of them are kept for
    `idle_ms` after use. `tls` defaults to the platform's trusted certificates.
    """

    def __init__(
        self,
        *,
        connect_timeout_ms: int = 2_000,
        most_connections: int = 1_024,
        most_idle: int = 256,
        idle_ms: int = 30_000,
        tls: ssl.SSLContext | None = None,
        user_agent: str = "triskel",
    ) -> None:
        self._connect_timeout_ms = connect_timeout_ms
        self._most_connections = most_connections
        self._most_idle = most_idle
        self._idle_s = idle_ms / 1000
        self._tls = tls
        self._agent = f"user-agent: {user_agent}\r\n"
        self._targets: dict[str, _Target] = {}
        self._pools: dict[tuple[bool, str, int], _Pool] = {}
        self._standing: set[Http1Connection] = set()
        self._closed = False

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send, and wait for the head of the answer. Raises UpstreamFault."""
        if self._closed:
            raise UpstreamFault("the transport is closed")
        target = self._targets.get(request.url) or self._parsed(request.url)
        head = self._head(request, target)
        loop = asyncio.get_running_loop()
        connection = self._idle(target.origin, loop.time()) or await self._connect(target.origin, loop)
        response = Http1Response(connection, loop)
        connection.begin(response, head, request.body, wants_body=request.method != "HEAD")
        await response.head()
        return response

    async def aclose(self) -> None:
        """Close all connections, those in use too."""
        self._closed = True
        for connection in tuple(self._standing):
            connection.abort("the transport was closed")

    def _head(self, request: UpstreamRequest, target: _Target) -> bytes:
        """The request line and the headers. Those that frame the message are ours; a caller's are left out."""
        lines: list[str] = []
        names: set[str] = set()
        for name, value in request.headers.items():
            lower = name.lower()
            names.add(lower)
            if lower not in _OURS:
                lines.append(f"{lower}: {value}\r\n")
        if "accept-encoding" not in names:
            lines.append("accept-encoding: identity\r\n")
        if "user-agent" not in names:
            lines.append(self._agent)
        headers = "".join(lines)
        # As many lines as headers: none of them brought one of its own.
        if headers.count("\n") != len(lines) or not _HEADERS.fullmatch(headers) or not _METHOD.fullmatch(request.method):
            raise UpstreamFault("a header for the provider has characters that HTTP does not allow")
        if request.body or request.method in {"POST", "PUT", "PATCH"}:
            headers = f"{headers}content-length: {len(request.body)}\r\n"
        return f"{request.method} {target.start}{headers}\r\n".encode("latin-1")

    def _parsed(self, url: str) -> _Target:
        try:
            parts = urlsplit(url)
            secure = {"http": False, "https": True}[parts.scheme]
            host, port = parts.hostname, parts.port
        except (KeyError, ValueError):
            raise UpstreamFault("the address of the provider is not an HTTP URL") from None
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        if not host or parts.username is not None or not _PATH.fullmatch(parts.netloc + path):
            raise UpstreamFault("the address of the provider is not an HTTP URL")
        if len(self._targets) >= _MOST_TARGETS:
            self._targets.clear()
        target = _Target((secure, host, port or (443 if secure else 80)), f"{path} HTTP/1.1\r\nhost: {parts.netloc}\r\n")
        self._targets[url] = target
        return target

    def _idle(self, origin: tuple[bool, str, int], now_s: float) -> Http1Connection | None:
        """The connection that was used last, unless the other side closed it or it is too old."""
        pool = self._pools.get(origin)
        while pool is not None and pool.idle:
            connection = pool.idle.pop()
            if connection.is_usable:
                if now_s - connection.idle_since_s < self._idle_s:
                    return connection
                connection.abort("")
        return None

    async def _connect(self, origin: tuple[bool, str, int], loop: asyncio.AbstractEventLoop) -> Http1Connection:
        secure, host, port = origin
        pool = self._pools.setdefault(origin, _Pool())
        if pool.open >= self._most_connections:
            raise UpstreamFault(f"all {self._most_connections} connections to the provider are in use")
        pool.open += 1
        connection = Http1Connection(
            on_idle=lambda idle: self._keep(pool, idle, loop.time()), on_lost=lambda lost: self._forget(origin, pool, lost)
        )
        self._standing.add(connection)
        try:
            async with asyncio.timeout(self._connect_timeout_ms / 1000):
                tls = await self._context(loop) if secure else None
                await loop.create_connection(lambda: connection, host, port, ssl=tls, server_hostname=host if secure else None)
        except BaseException as error:
            connection.abort("")
            self._forget(origin, pool, connection)
            if isinstance(error, TimeoutError | OSError | ValueError):
                raise UpstreamFault(f"the provider cannot be reached: {self._reason(error)}") from None
            raise
        return connection

    async def _context(self, loop: asyncio.AbstractEventLoop) -> ssl.SSLContext:
        """The platform's certificates, read once, off the event loop: they are many files."""
        if self._tls is None:
            self._tls = await loop.run_in_executor(None, ssl.create_default_context)
        return self._tls

    def _keep(self, pool: _Pool, connection: Http1Connection, now_s: float) -> None:
        connection.idle_since_s = now_s
        idle = pool.idle
        idle.append(connection)
        while idle and (len(idle) > self._most_idle or now_s - idle[0].idle_since_s > self._idle_s):
            idle.popleft().abort("")

    def _forget(self, origin: tuple[bool, str, int], pool: _Pool, connection: Http1Connection) -> None:
        """Count a connection out, once, whether it was lost or never made."""
        if connection in self._standing:
            self._standing.remove(connection)
            pool.open -= 1
            if pool.open == 0:
                self._pools.pop(origin, None)

    def _reason(self, error: BaseException) -> str:
        """Why no connection was made, without the address, which the caller need not know."""
        if isinstance(error, ssl.SSLError):
            return "its TLS certificate or protocol is not acceptable"
        if isinstance(error, socket.gaierror):
            return "its name cannot be resolved"
        if isinstance(error, TimeoutError):
            return f"no connection within {self._connect_timeout_ms} ms"
        if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
            return os.strerror(error.errno).lower()
        return "no connection to any of its addresses"

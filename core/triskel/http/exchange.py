"""One HTTP request and the means to answer it, directly on ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from triskel.errors import InvalidRequest, RequestTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
MAX_DEPTH = 100
"""Levels of nesting in a JSON body. Checked before decoding, which is recursive."""

_decode = msgspec.json.Decoder().decode
encode_json = msgspec.json.Encoder().encode

MAX_PARAMETERS = 50
"""In a query. No surface knows half as many."""


class ClientGone(Exception):
    """The client closed the connection. Nobody is left to answer."""


class Exchange:
    """A request being answered. Replies always carry its `x-request-id`."""

    __slots__ = ("_headers", "_query", "_receive", "_send", "method", "path", "request_id", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.request_id = request_id
        self.started = False
        # Reversed, so that of a header that was given twice the first counts.
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._send = send

    def header(self, name: bytes) -> str | None:
        """The first value of a header, whose `name` is given in lower case."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    def query(self, allowed: frozenset[str]) -> dict[str, str]:
        """The query's parameters. Raises InvalidRequest for one that is unknown or given twice, and for too many."""
        try:
            pairs = parse_qsl(self._query.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError:
            raise InvalidRequest(f"the query has more than {MAX_PARAMETERS} parameters") from None
        found: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                raise InvalidRequest(f"unknown parameter `{name[:64]}`; known are {', '.join(sorted(allowed))}", field=name[:64])
            if name in found:
                raise InvalidRequest(f"`{name}` was given twice", field=name)
            found[name] = value
        return found

    async def body(self, max_bytes: int) -> bytes:
        """The whole body. Raises RequestTooLarge, as soon as it is known, and ClientGone."""
        declared = self.header(b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > max_bytes:
            raise RequestTooLarge(f"the body has {declared} bytes; {max_bytes} are allowed")
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > max_bytes:
                raise RequestTooLarge(f"the body has more than the {max_bytes} bytes that are allowed")
            return body
        chunks, size = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > max_bytes:
                raise RequestTooLarge(f"the body has more than the {max_bytes} bytes that are allowed")
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)
            message = await self._receive()

    async def json(self, max_bytes: int) -> Any:
        """The body, decoded. Raises InvalidRequest where it is not JSON, or nested too deeply."""
        body = await self.body(max_bytes)
        if not body:
            raise InvalidRequest("the body is empty; a JSON object was expected")
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
            raise InvalidRequest(f"the body is nested more than {MAX_DEPTH} levels deep")
        try:
            return _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"the body is not valid JSON: {_position(error)}") from None

    async def gone(self) -> None:
        """Return when the client has closed the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, content_type: bytes, headers: Sequence[Header] = (), length: int | None = None) -> None:
        """Send the head of the reply. Without a length, the body is sent in chunks."""
        self.started = True
        head = [(b"content-type", content_type), (b"x-request-id", self.request_id.encode()), *headers]
        if length is not None:
            head.append((b"content-length", b"%d" % length))
        await self._send({"type": "http.response.start", "status": status, "headers": head})

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self, body: bytes = b"") -> None:
        """Send the last piece of the body."""
        await self._send({"type": "http.response.body", "body": body})

    async def reply(self, status: int, body: bytes, content_type: bytes = JSON, headers: Sequence[Header] = ()) -> None:
        """Send a whole reply."""
        await self.start(status, content_type, headers, len(body))
        await self.finish(body)


def _depth(body: bytes) -> int:
    """The deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in body:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        elif byte in b"]}":
            depth -= 1
    return deepest


def _position(error: Exception) -> str:
    """What is wrong, without the text that is wrong."""
    if isinstance(error, msgspec.DecodeError):
        return str(error).lower()
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "it is nested too deeply"

"""What this cloud has seen. One rule: every call that was seen ends in exactly one of the other counts, or is in flight."""

from collections import deque
from typing import Any

import msgspec

RECORDED_AT_MOST = 200
RECORDED_BYTES = 16 * 1024 * 1024


class Counts:
    """The calls of one deployment, by how they ended.

    `cancelled` by the client's disconnect, `refused` for what was asked, `throttled` for lack of capacity, `failed` by order
    of a fault that gave another answer than asked for; a slow but whole answer is `completed`.
    """

    __slots__ = ("cancelled", "completed", "failed", "refused", "seen", "throttled")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew. Calls in flight will be counted at their end."""
        self.seen = self.completed = self.cancelled = self.refused = self.throttled = self.failed = 0

    def listed(self) -> dict[str, int]:
        """All counts by name."""
        return {name: getattr(self, name) for name in ("seen", "completed", "cancelled", "refused", "throttled", "failed")}


class Recorded(msgspec.Struct, frozen=True):
    """A request as it came: its headers without the credential, and its body."""

    headers: dict[str, str]
    body: Any


class Record:
    """The newest requests, when they are kept at all."""

    def __init__(self) -> None:
        self._kept: deque[tuple[dict[str, str], bytes]] = deque()
        self._bytes = 0

    def add(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Keep a request; the oldest go when there are too many."""
        shown = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in headers
            if name.lower() not in (b"authorization", b"proxy-authorization", b"api-key", b"cookie")
        }
        self._kept.append((shown, body))
        self._bytes += len(body)
        while len(self._kept) > RECORDED_AT_MOST or self._bytes > RECORDED_BYTES:
            self._bytes -= len(self._kept.popleft()[1])

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0

    def listed(self) -> list[Recorded]:
        """The requests kept, oldest first; a body that is no JSON as text."""
        return [Recorded(headers, _decoded(body)) for headers, body in self._kept]


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return body.decode(errors="replace")

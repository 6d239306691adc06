"""How long a stream may be silent. Its one rule: one timer for all of it; one for each chunk would cost more than the chunk."""

import asyncio
from collections.abc import AsyncIterator

from triskel.errors import UpstreamTimeout


class Patience:
    """Waits for the chunks of one stream; to be ended with it."""

    def __init__(self, route: str, stall_s: float, whole_s: float) -> None:
        """A silence of `stall_s` is too long, and so is a stream of `whole_s` from now."""
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._stall_s = stall_s
        self._ends_at = self._loop.time() + whole_s
        self._waiting: asyncio.Task[object] | None = None
        self._since = 0.0
        self._expired = False
        self._timer = self._loop.call_later(min(stall_s, whole_s), self._look)

    async def next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        """The next chunk, or None at the end. Raises UpstreamTimeout."""
        task = self._waiting = asyncio.current_task(self._loop)
        self._since = self._loop.time()
        try:
            return await anext(chunks, None)
        except asyncio.CancelledError:
            # A caller that hangs up at the same moment is still told that it was cancelled.
            if self._expired and task is not None and task.uncancel() == 0:
                raise UpstreamTimeout(f"{self._route} fell silent in mid-stream") from None
            raise
        finally:
            self._waiting = None

    def _look(self) -> None:
        now = self._loop.time()
        left = self._stall_s if self._waiting is None else min(self._since + self._stall_s, self._ends_at) - now
        if left <= 0 and self._waiting is not None:
            self._expired = True
            self._waiting.cancel()
        else:
            self._timer = self._loop.call_later(max(left, 0.001), self._look)

    def end(self) -> None:
        """Stop the clock."""
        self._timer.cancel()

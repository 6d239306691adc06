"""A client that hangs up ends its call."""

import asyncio
from types import TracebackType

from triskel.http.exchange import ClientGone, Exchange

QUICK_S = 0.25
"""Calls that end sooner are not watched: most do, and watching costs a task."""


class CancelOnDisconnect:
    """Cancels the task that enters it when the client goes; the cancellation leaves as ClientGone."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:  # pragma: no cover - a coroutine always runs in a task
            raise RuntimeError("not in a task")
        self._task: asyncio.Task[object] = task
        self._timer = loop.call_later(QUICK_S, self._watch)

    def _watch(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        await self._exchange.gone()
        self._gone = True
        self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._gone and kind is asyncio.CancelledError and self._task.uncancel() == 0:
            raise ClientGone from None

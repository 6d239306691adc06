"""A script performed on a connection. One rule: it is counted exactly once, by how it ended."""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from triskel.local.simulator.connection import Connection
from triskel.local.simulator.script import Ending, Script

EARLY_S = 0.001
"""The loop's clock ticks in milliseconds: a step that is due within one is due."""


class Outcome(StrEnum):
    """How a call ended, by the names of the counts."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Playback:
    """One call being answered. `on_end` is told the outcome."""

    __slots__ = ("_begun_s", "_connection", "_loop", "_next", "_on_end", "_script", "_timer")

    def __init__(
        self,
        script: Script,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        on_end: Callable[[Outcome], None],
    ) -> None:
        self._script = script
        self._connection = connection
        self._loop = loop
        self._on_end = on_end
        self._begun_s = loop.time()
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Send what is due at once, and the rest when its time comes."""
        self._connection.under_way = self
        self._go_on()

    def lost(self) -> None:
        """The client has gone before the end."""
        self._end(Outcome.CANCELLED)

    def writable(self) -> None:
        """The client reads again."""
        if self._timer is None and self._next < len(self._script.steps):
            self._go_on()

    def _go_on(self) -> None:
        self._timer = None
        steps, first = self._script.steps, self._next
        due_s = self._loop.time() - self._begun_s + EARLY_S
        while self._next < len(steps) and steps[self._next][0] <= due_s:
            self._next += 1
        if self._next > first:
            data = b"".join(data for _, data in steps[first : self._next])
            if first == 0:
                self._connection.start(self._script.status, data)
            else:
                self._connection.write(data)
        if self._next == len(steps):
            self._conclude()
        elif self._connection.is_writable:
            self._timer = self._loop.call_at(self._begun_s + steps[self._next][0], self._go_on)

    def _conclude(self) -> None:
        ending = self._script.ending
        if ending is Ending.SILENCE:
            return
        self._end(Outcome.FAILED if self._script.is_failure else Outcome.COMPLETED)
        if ending is Ending.CLOSE:
            self._connection.cut_off()
        else:
            self._connection.finish()

    def _end(self, outcome: Outcome) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connection.under_way = None
        self._on_end(outcome)

"""The clock of the operating system. Its one rule: it only reads."""

import time

from triskel.model.units import EpochMs


class SystemClock:
    """`ports.clock.Clock` on the machine's own clocks."""

    __slots__ = ()

    def now_ms(self) -> EpochMs:
        """Wall-clock time in milliseconds since the epoch."""
        return EpochMs(time.time_ns() // 1_000_000)

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return time.monotonic_ns()

"""Time. Nothing else in the core reads a clock."""

from typing import Protocol

from triskel.model.units import EpochMs


class Clock(Protocol):
    """Two readings, because durations must not jump when the wall clock is set."""

    def now_ms(self) -> EpochMs:
        """Wall-clock time, for records and expiry."""

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start that never go back, for durations inside one process."""

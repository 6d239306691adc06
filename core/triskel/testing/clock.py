"""A clock that stands still. Its one rule: only the test moves it."""

from triskel.model.units import EpochMs


class FixedClock:
    """`ports.clock.Clock`. It begins at 2025-06-15T15:06:40Z unless told otherwise."""

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ns = 1_000_000_000

    def now_ms(self) -> EpochMs:
        """The wall-clock time that was set."""
        return EpochMs(self._now_ms)

    def monotonic_ns(self) -> int:
        """Nanoseconds that only `advance` moves."""
        return self._monotonic_ns

    def advance(self, ms: int) -> None:
        """Let time pass, on both readings."""
        if ms < 0:
            raise ValueError("time does not go back; `set_wall` sets the wall clock")
        self._now_ms += ms
        self._monotonic_ns += ms * 1_000_000

    def set_wall(self, now_ms: int) -> None:
        """Set the wall clock, forward or back, as an operator may. Durations do not notice."""
        self._now_ms = now_ms

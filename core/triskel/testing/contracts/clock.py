"""What every `ports.clock.Clock` must do. A backend's test module inherits `ClockContract` and has a fixture `clock`."""

from triskel.ports.clock import Clock

_YEAR_2020_MS = 1_577_836_800_000
_YEAR_2100_MS = 4_102_444_800_000


class ClockContract:
    """Of every clock."""

    def test_the_wall_clock_counts_milliseconds_since_the_epoch(self, clock: Clock) -> None:
        """A whole number, and neither seconds nor microseconds."""
        now_ms = clock.now_ms()
        assert type(now_ms) is int
        assert _YEAR_2020_MS < now_ms < _YEAR_2100_MS

    def test_the_monotonic_clock_never_goes_back(self, clock: Clock) -> None:
        """Each reading is at least the one before, in whole nanoseconds."""
        readings = [clock.monotonic_ns() for _ in range(1_000)]
        assert all(type(reading) is int for reading in readings)
        assert readings == sorted(readings)

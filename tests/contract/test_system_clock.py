"""The system clock and the fixed one against the suite of every clock."""

import pytest

from triskel.adapters.system_clock import SystemClock
from triskel.testing.clock import FixedClock
from triskel.testing.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    """The machine's own."""

    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()


class TestFixedClock(ClockContract):
    """The one of tests."""

    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock()

    def test_advancing_moves_both_readings(self, clock: FixedClock) -> None:
        """By the same length of time."""
        now_ms, ns = clock.now_ms(), clock.monotonic_ns()
        clock.advance(1_500)
        assert (clock.now_ms() - now_ms, clock.monotonic_ns() - ns) == (1_500, 1_500_000_000)

    def test_setting_the_wall_clock_leaves_durations_alone(self, clock: FixedClock) -> None:
        """Also when it is set back."""
        ns = clock.monotonic_ns()
        clock.set_wall(clock.now_ms() - 5_000)
        assert clock.monotonic_ns() == ns

    def test_time_does_not_go_back(self, clock: FixedClock) -> None:
        """A negative advance is a mistake in the test."""
        with pytest.raises(ValueError, match="back"):
            clock.advance(-1)

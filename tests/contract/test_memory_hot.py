"""The hot store in memory against the suite of every hot store, against an oracle, and for its bounds."""

import asyncio
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triskel.adapters.memory_hot import MemoryHot
from triskel.errors import BudgetExceeded, RateLimited, Unavailable
from triskel.model.admission import Reservation
from triskel.testing.clock import FixedClock
from triskel.testing.contracts.hot import HOUR_MS, HotContract, admission, budget, quota, rate, settlement


class TestMemoryHot(HotContract):
    """One process has one of it."""

    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock()

    @pytest.fixture
    def hot(self, clock: FixedClock) -> MemoryHot:
        return MemoryHot(clock)

    @pytest.fixture
    def rival(self, hot: MemoryHot) -> MemoryHot:
        return hot

    async def test_a_closed_store_admits_nothing(self, hot: MemoryHot, clock: FixedClock) -> None:
        """It fails closed, also for a call under no limit."""
        await hot.aclose()
        for limits in ((), (quota(1),)):
            with pytest.raises(Unavailable):
                await hot.admit(admission(clock, *limits))
        with pytest.raises(Unavailable):
            await hot.check()

    async def test_negative_money_is_refused(self, hot: MemoryHot, clock: FixedClock) -> None:
        """A mistake of ours must not fill a budget up."""
        with pytest.raises(ValueError, match="negative"):
            await hot.admit(admission(clock, budget(10), cost=-5))
        reservation = await hot.admit(admission(clock, budget(10), cost=5))
        with pytest.raises(ValueError, match="negative"):
            await hot.settle(reservation, settlement(clock, -5))

    async def test_counters_that_say_nothing_are_dropped(self, hot: MemoryHot, clock: FixedClock) -> None:
        """Keys for three hundred new callers an hour, for a day: those of the last hours are left."""
        for hour in range(24):
            for n in range(300):
                key = f"{hour}:{n}"
                limits = (rate(5, 1, key=key), quota(5, key=key), budget(5, key=key))
                await hot.admit(admission(clock, *limits, cost=1, ttl_ms=1_000))
            clock.advance(HOUR_MS)
        assert len(hot._buckets) + len(hot._quotas) + len(hot._budgets) < 3 * 300 * 3
        assert len(hot._round) == len(hot._buckets) + len(hot._quotas) + len(hot._budgets)

    async def test_reservations_that_nobody_ends_are_dropped(self, hot: MemoryHot, clock: FixedClock) -> None:
        """They are kept for their TTL, and a second."""
        for _ in range(1_000):
            await hot.admit(admission(clock, budget(1_000_000), cost=1, ttl_ms=5_000))
            clock.advance(100)
        assert sum(len(slot) for slot in hot._slots.values()) <= 61
        assert len(hot._slots) <= 7


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.integers(0, 60)),
        st.tuples(st.just("settle"), st.integers(0, 80)),
        st.tuples(st.just("release"), st.integers(0, 10)),
        st.tuples(st.just("pass"), st.integers(0, 4_000)),
    ),
    max_size=60,
)


class Oracle:
    """The same limits, counted slowly: fractions for the bucket, a list of reservations for the rest."""

    def __init__(self, clock: FixedClock, burst: int, per_s: int, calls: int, money: int, window_ms: int, ttl_ms: int) -> None:
        self.clock, self.burst, self.per_s, self.calls, self.money = clock, burst, per_s, calls, money
        self.window_ms, self.ttl_ms = window_ms, ttl_ms
        self.level, self.at_ms = Fraction(burst), clock.now_ms()
        self.held: list[dict[str, Any]] = []

    def _used(self, what: str) -> int:
        now_ms = self.clock.now_ms()
        for held in self.held:
            if held["open"] and now_ms >= held["at"] + self.ttl_ms:
                held.update(open=False, money=0)
        return sum(held[what] for held in self.held if held["at"] // self.window_ms == now_ms // self.window_ms)

    def admit(self, cost: int) -> str:
        now_ms = self.clock.now_ms()
        self.level = min(Fraction(self.burst), self.level + Fraction((now_ms - self.at_ms) * self.per_s, 1000))
        self.at_ms = now_ms
        if self.level < 1:
            return f"rate {math.ceil((1 - self.level) * 1000 / self.per_s)}"
        if self._used("calls") + 1 > self.calls:
            return f"quota {self.window_ms - now_ms % self.window_ms}"
        if self._used("money") + cost > self.money:
            return "budget"
        self.level -= 1
        self.held.append({"at": now_ms, "calls": 1, "money": cost, "open": True})
        return "ok"

    def end(self, number: int, cost: int | None) -> None:
        self._used("money")
        held = self.held[number]
        if held["open"]:
            held.update(open=False, money=cost or 0, calls=0 if cost is None else 1)


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    burst=st.integers(1, 8),
    per_s=st.integers(1, 5),
    calls=st.integers(0, 12),
    money=st.integers(0, 200),
    ttl_ms=st.integers(1, 5_000),
)
def test_it_counts_as_the_oracle_does(steps: list[Step], burst: int, per_s: int, calls: int, money: int, ttl_ms: int) -> None:
    """Any sequence of admissions, ends and pauses passes or fails at the same places, with the same time to wait."""

    async def play() -> None:
        clock = FixedClock(1_750_000_001_234)
        hot = MemoryHot(clock)
        window_ms = 7_000
        oracle = Oracle(clock, burst, per_s, calls, money, window_ms, ttl_ms)
        limits = (rate(burst, per_s), quota(calls, window_ms=window_ms), budget(money, window_ms=window_ms))
        made: list[Reservation] = []
        for kind, amount in steps:
            if kind == "pass":
                clock.advance(amount)
            elif kind == "admit":
                try:
                    made.append(await hot.admit(admission(clock, *limits, cost=amount, ttl_ms=ttl_ms)))
                    outcome = "ok"
                except RateLimited as error:
                    outcome = f"{'rate' if 'at once' in error.message else 'quota'} {error.retry_after_ms}"
                except BudgetExceeded:
                    outcome = "budget"
                assert outcome == oracle.admit(amount)
            elif made:
                number = amount % len(made)
                if kind == "settle":
                    await hot.settle(made[number], settlement(clock, amount))
                    oracle.end(number, amount)
                else:
                    await hot.release(made[number])
                    oracle.end(number, None)

    asyncio.run(play())

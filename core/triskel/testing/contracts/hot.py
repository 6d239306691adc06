"""What every `ports.hot.Hot` must do. One rule: what is admitted never exceeds a limit, whoever asks and however often.

A backend's test module inherits `HotContract` and has the fixtures `clock` (a FixedClock), `hot`, and `rival`: a second
connection to the same counters, as another process has one, or the same object where no other process can have one.
"""

import asyncio
from collections.abc import Sequence

import pytest

from triskel.errors import BudgetExceeded, RateLimited
from triskel.model.admission import Admission, Limit, LimitKind, Reservation, Settlement
from triskel.model.route import AttemptOutcome, HealthSignal
from triskel.model.units import DurationMs, EpochMs, MicroUsd, Tokens
from triskel.model.usage import Usage
from triskel.ports.hot import Hot
from triskel.testing.clock import FixedClock

HOUR_MS = 3_600_000
TTL_MS = 60_000


def rate(capacity: int, refill_per_s: int, *, key: str = "acme:rate") -> Limit:
    """A token bucket."""
    return Limit(name="calls_per_second", kind=LimitKind.RATE, key=key, capacity=capacity, refill_per_s=refill_per_s)


def quota(capacity: int, *, key: str = "acme:quota", window_ms: int = HOUR_MS) -> Limit:
    """So many calls in each window."""
    window = DurationMs(window_ms)
    return Limit(name="calls_per_hour", kind=LimitKind.QUOTA, key=key, capacity=capacity, window_ms=window)


def budget(capacity: int, *, key: str = "acme:budget", window_ms: int = HOUR_MS) -> Limit:
    """So many micro-dollars in each window."""
    window = DurationMs(window_ms)
    return Limit(name="budget:team-search", kind=LimitKind.BUDGET, key=key, capacity=capacity, window_ms=window)


def admission(clock: FixedClock, *limits: Limit, cost: int = 0, ttl_ms: int = TTL_MS, tenant_id: str = "acme") -> Admission:
    """A call that wants to pass now."""
    return Admission(
        tenant_id=tenant_id,
        call_id="call_1",
        limits=limits,
        cost_bound=MicroUsd(cost),
        tokens_bound=Tokens(100),
        at_ms=clock.now_ms(),
        ttl_ms=DurationMs(ttl_ms),
    )


def settlement(clock: FixedClock, cost: int) -> Settlement:
    """What a call cost that ends now."""
    return Settlement(usage=Usage(), cost=MicroUsd(cost), at_ms=clock.now_ms())


async def room(hot: Hot, clock: FixedClock, limit: Limit, *, cost: int = 1, most: int = 1_000) -> int:
    """How many calls more pass under one limit. They stay counted."""
    for passed in range(most):
        try:
            await hot.admit(admission(clock, limit, cost=cost))
        except (RateLimited, BudgetExceeded):
            return passed
    return most


class RateContract:
    """Of limits that are token buckets."""

    async def test_a_burst_passes_and_the_next_is_told_when(self, hot: Hot, clock: FixedClock) -> None:
        """`capacity` calls at once; then RateLimited names the limit, and after exactly `retry_after_ms` one passes."""
        limit = rate(5, 3)
        assert await room(hot, clock, limit) == 5
        with pytest.raises(RateLimited, match="`calls_per_second`") as caught:
            await hot.admit(admission(clock, limit))
        assert caught.value.retry_after_ms == 334
        clock.advance(333)
        with pytest.raises(RateLimited) as again:
            await hot.admit(admission(clock, limit))
        assert again.value.retry_after_ms == 1
        clock.advance(1)
        await hot.admit(admission(clock, limit))

    async def test_a_bucket_refills_to_its_capacity_and_no_further(self, hot: Hot, clock: FixedClock) -> None:
        """However long nobody called."""
        limit = rate(10, 2)
        assert await room(hot, clock, limit) == 10
        clock.advance(1_500)
        assert await room(hot, clock, limit) == 3
        clock.advance(24 * HOUR_MS)
        assert await room(hot, clock, limit) == 10

    async def test_a_clock_that_went_back_gives_nothing(self, hot: Hot, clock: FixedClock) -> None:
        """And takes nothing: when it has caught up, the bucket refills again."""
        limit = rate(2, 1)
        assert await room(hot, clock, limit) == 2
        clock.set_wall(clock.now_ms() - HOUR_MS)
        assert await room(hot, clock, limit) == 0
        clock.set_wall(clock.now_ms() + HOUR_MS + 1_000)
        assert await room(hot, clock, limit) == 1

    async def test_a_bucket_without_refill_says_no_time(self, hot: Hot, clock: FixedClock) -> None:
        """There is no moment after which it would pass."""
        with pytest.raises(RateLimited) as caught:
            await hot.admit(admission(clock, rate(0, 0)))
        assert caught.value.retry_after_ms is None

    async def test_a_changed_rate_holds_at_once(self, hot: Hot, clock: FixedClock) -> None:
        """A tenant whose tier was lowered has no more than the new burst."""
        assert await room(hot, clock, rate(100, 10), most=10) == 10
        assert await room(hot, clock, rate(5, 10)) == 5


class WindowContract:
    """Of limits that count in windows."""

    async def test_a_quota_is_counted_by_the_window(self, hot: Hot, clock: FixedClock) -> None:
        """RateLimited says what is left and how long the window lasts; in the next one everything is new."""
        clock.set_wall(clock.now_ms() // HOUR_MS * HOUR_MS + 10 * 60_000)
        limit = quota(3)
        assert await room(hot, clock, limit) == 3
        with pytest.raises(RateLimited, match=r"`calls_per_hour` .* 0 left") as caught:
            await hot.admit(admission(clock, limit))
        assert caught.value.retry_after_ms == 50 * 60_000
        clock.advance(50 * 60_000 - 1)
        assert await room(hot, clock, limit) == 0
        clock.advance(1)
        assert await room(hot, clock, limit) == 3

    async def test_a_budget_reserves_the_most_a_call_may_cost(self, hot: Hot, clock: FixedClock) -> None:
        """BudgetExceeded names the budget, and what is left in dollars."""
        limit = budget(1_000)
        assert await room(hot, clock, limit, cost=300) == 3
        with pytest.raises(BudgetExceeded, match=r"`budget:team-search` .*0\.000100.*0\.000300"):
            await hot.admit(admission(clock, limit, cost=300))
        await hot.admit(admission(clock, limit, cost=100))
        await hot.admit(admission(clock, limit, cost=0))

    async def test_the_same_key_in_windows_of_two_lengths_is_two_counters(self, hot: Hot, clock: FixedClock) -> None:
        """Money by the hour and by the day does not mix."""
        hourly, daily = budget(100), budget(150, window_ms=24 * HOUR_MS)
        await hot.admit(admission(clock, hourly, daily, cost=100))
        with pytest.raises(BudgetExceeded):
            await hot.admit(admission(clock, hourly, cost=1))
        await hot.admit(admission(clock, daily, cost=50))
        with pytest.raises(BudgetExceeded):
            await hot.admit(admission(clock, daily, cost=1))

    async def test_kinds_with_one_key_do_not_share_a_counter(self, hot: Hot, clock: FixedClock) -> None:
        """A rate, a quota and a budget of one name are three."""
        limits = (rate(1, 1, key="same"), quota(1, key="same"), budget(1, key="same"))
        await hot.admit(admission(clock, *limits, cost=1))
        for limit in limits:
            assert await room(hot, clock, limit) == 0

    @pytest.mark.parametrize("other", ["ACME:budget", "acme:budget ", "acme:büdget", "acme\0budget", "acme:budget:1"])
    async def test_keys_are_compared_exactly(self, hot: Hot, clock: FixedClock, other: str) -> None:
        """Neither case nor blanks nor odd characters make two keys one."""
        assert await room(hot, clock, budget(2)) == 2
        assert await room(hot, clock, budget(2, key=other)) == 2

    async def test_the_key_alone_names_a_counter(self, hot: Hot, clock: FixedClock) -> None:
        """Two tenants under one key share it, as they must under a limit of the platform."""
        await hot.admit(admission(clock, quota(1), tenant_id="acme"))
        with pytest.raises(RateLimited):
            await hot.admit(admission(clock, quota(1), tenant_id="other"))


class ReservationContract:
    """Of what becomes of a reservation."""

    async def test_all_limits_or_none(self, hot: Hot, clock: FixedClock) -> None:
        """Where the last limit refuses, those before it have lost nothing."""
        limits = (rate(5, 1), quota(5), budget(500), budget(0, key="acme:empty"))
        for _ in range(10):
            with pytest.raises(BudgetExceeded):
                await hot.admit(admission(clock, *limits, cost=100))
        assert [await room(hot, clock, limit, cost=100) for limit in limits[:3]] == [5, 5, 5]

    async def test_one_limit_twice_counts_twice(self, hot: Hot, clock: FixedClock) -> None:
        """It cannot be overdrawn by being named again."""
        with pytest.raises(BudgetExceeded):
            await hot.admit(admission(clock, budget(100), budget(100), cost=60))
        assert await room(hot, clock, budget(100), cost=50) == 2

    async def test_settling_replaces_the_reserved_money(self, hot: Hot, clock: FixedClock) -> None:
        """The real cost stays; the call stays counted."""
        reservation = await hot.admit(admission(clock, quota(2), budget(1_000), cost=1_000))
        await hot.settle(reservation, settlement(clock, 100))
        assert await room(hot, clock, budget(1_000), cost=300) == 3
        assert await room(hot, clock, quota(2)) == 1

    async def test_a_cost_above_the_bound_is_counted_whole(self, hot: Hot, clock: FixedClock) -> None:
        """The budget is overdrawn then, and says that nothing is left."""
        reservation = await hot.admit(admission(clock, budget(100), cost=50))
        await hot.settle(reservation, settlement(clock, 250))
        with pytest.raises(BudgetExceeded, match=r"0\.000000"):
            await hot.admit(admission(clock, budget(100), cost=1))

    async def test_releasing_gives_back_all_but_the_token(self, hot: Hot, clock: FixedClock) -> None:
        """The call had no effect: neither money nor quota is used."""
        limits = (rate(3, 1), quota(1), budget(100))
        reservation = await hot.admit(admission(clock, *limits, cost=100))
        await hot.release(reservation)
        assert [await room(hot, clock, limit, cost=100) for limit in limits] == [2, 1, 1]

    @pytest.mark.parametrize("first", ["settle", "release"])
    @pytest.mark.parametrize("second", ["settle", "release"])
    async def test_the_second_end_is_a_no_op(self, hot: Hot, clock: FixedClock, first: str, second: str) -> None:
        """Whatever the first and the second are."""
        reservation = await hot.admit(admission(clock, quota(10), budget(100), cost=80))
        left = []
        for end in (first, second, second):
            await (hot.release(reservation) if end == "release" else hot.settle(reservation, settlement(clock, 30)))
            probe = await hot.admit(admission(clock, budget(10_000, key="acme:other"), cost=1))
            await hot.release(probe)
            left.append(end)
        assert await room(hot, clock, budget(100), cost=10) == (10 if first == "release" else 7)
        assert await room(hot, clock, quota(10)) == (10 if first == "release" else 9)

    async def test_a_reservation_lapses(self, hot: Hot, clock: FixedClock) -> None:
        """After its TTL, not before, its money is free again; the call stays counted, for it may have had its effect."""
        await hot.admit(admission(clock, quota(2), budget(100), cost=100, ttl_ms=1_500))
        clock.advance(1_499)
        assert await room(hot, clock, budget(100)) == 0
        clock.advance(1)
        assert await room(hot, clock, budget(100), cost=100) == 1
        assert await room(hot, clock, quota(2)) == 1

    @pytest.mark.parametrize("end", ["settle", "release"])
    async def test_after_the_ttl_an_end_is_a_no_op(self, hot: Hot, clock: FixedClock, end: str) -> None:
        """What has lapsed cannot be given back a second time."""
        reservation = await hot.admit(admission(clock, quota(1), budget(100), cost=100, ttl_ms=1_000))
        clock.advance(1_000)
        await (hot.release(reservation) if end == "release" else hot.settle(reservation, settlement(clock, 70)))
        assert await room(hot, clock, budget(100), cost=50) == 2
        assert await room(hot, clock, quota(1)) == 0

    async def test_an_end_in_the_next_window_leaves_that_one_alone(self, hot: Hot, clock: FixedClock) -> None:
        """Money is spent in the window in which it was reserved."""
        clock.set_wall(clock.now_ms() // HOUR_MS * HOUR_MS + HOUR_MS - 100)
        limits = (quota(5), budget(100))
        settled = await hot.admit(admission(clock, *limits, cost=40))
        released = await hot.admit(admission(clock, *limits, cost=40))
        clock.advance(100)
        await hot.admit(admission(clock, *limits, cost=40))
        await hot.settle(settled, settlement(clock, 10))
        await hot.release(released)
        assert await room(hot, clock, budget(100), cost=20) == 3
        assert await room(hot, clock, quota(5)) == 4

    async def test_reservations_have_names_of_their_own(self, hot: Hot, clock: FixedClock) -> None:
        """Two calls with one id are two reservations."""
        one = await hot.admit(admission(clock, budget(100), cost=30))
        two = await hot.admit(admission(clock, budget(100), cost=30))
        assert one.reservation_id != two.reservation_id
        assert one.admission.cost_bound == 30
        await hot.release(one)
        await hot.release(one)
        assert await room(hot, clock, budget(100), cost=70) == 1

    async def test_a_call_under_no_limit_passes(self, hot: Hot, clock: FixedClock) -> None:
        """And can be ended like any other."""
        reservation = await hot.admit(admission(clock, cost=1_000_000))
        await hot.settle(reservation, settlement(clock, 5))
        await hot.release(reservation)
        assert await room(hot, clock, budget(1)) == 1


class RaceContract:
    """Of many at once, from two sides."""

    async def test_many_at_once_never_exceed_a_limit(self, hot: Hot, rival: Hot, clock: FixedClock) -> None:
        """Of 400 calls at once over two connections, exactly as many pass as the scarcest limit lets pass."""
        limits = (rate(90, 1), quota(70), budget(500))

        async def one(side: Hot) -> Reservation | None:
            try:
                return await side.admit(admission(clock, *limits, cost=10))
            except (RateLimited, BudgetExceeded):
                return None

        results = await asyncio.gather(*[one(side) for _ in range(200) for side in (hot, rival)])
        passed = [reservation for reservation in results if reservation is not None]
        assert len(passed) == 50
        assert len({reservation.reservation_id for reservation in passed}) == 50
        assert await room(hot, clock, limits[0]) == 40
        assert await room(rival, clock, limits[1]) == 20

    async def test_one_end_counts_when_both_sides_end_at_once(self, hot: Hot, rival: Hot, clock: FixedClock) -> None:
        """A reservation that was made on one side and ended on both is ended once."""
        made = [await hot.admit(admission(clock, budget(1_000), cost=10)) for _ in range(50)]
        ends = [side.release(reservation) for reservation in made for side in (hot, rival, hot)]
        await asyncio.gather(*ends)
        assert await room(hot, clock, budget(1_000), cost=100) == 10


class HealthBoardContract:
    """Of health signals."""

    async def test_signals_come_back_oldest_first(self, hot: Hot, rival: Hot, clock: FixedClock) -> None:
        """In the order of their moments, whoever posted them and in whatever order."""
        now_ms = clock.now_ms()
        await hot.post([_signal("a", now_ms + 2), _signal("b", now_ms + 1)])
        await rival.post([_signal("c", now_ms + 3)])
        assert _names(await hot.signals(now_ms)) == ["b", "a", "c"]
        assert list(await rival.signals(now_ms)) == list(await hot.signals(now_ms))

    async def test_only_what_came_after_the_moment(self, hot: Hot, clock: FixedClock) -> None:
        """The moment itself is not after it, so a reader that passes its newest moment sees nothing twice."""
        now_ms = clock.now_ms()
        await hot.post([_signal("a", now_ms), _signal("b", now_ms + 1)])
        assert _names(await hot.signals(now_ms)) == ["b"]
        assert _names(await hot.signals(now_ms + 1)) == []

    async def test_a_signal_comes_back_whole(self, hot: Hot, clock: FixedClock) -> None:
        """Every field."""
        posted = HealthSignal(
            deployment="aws-small",
            outcome=AttemptOutcome.THROTTLED,
            latency_ms=17,
            at_ms=clock.now_ms(),
            retry_after_ms=2_500,
        )
        await hot.post([posted])
        assert list(await hot.signals(0)) == [posted]

    async def test_the_board_is_bounded(self, hot: Hot, clock: FixedClock) -> None:
        """Whoever posts without end loses the oldest, never the newest."""
        now_ms = clock.now_ms()
        for start in range(0, 40_000, 1_000):
            await hot.post([_signal(f"d{n}", now_ms + n) for n in range(start, start + 1_000)])
        kept = _names(await hot.signals(0))
        assert len(kept) < 20_000
        assert kept[-1] == "d39999"
        assert kept == [f"d{n}" for n in range(40_000 - len(kept), 40_000)]


class HotContract(RateContract, WindowContract, ReservationContract, RaceContract, HealthBoardContract):
    """Of every hot store."""

    async def test_it_says_that_it_answers(self, hot: Hot) -> None:
        """`check` returns."""
        assert await hot.check() is None  # type: ignore[func-returns-value]


def _signal(deployment: str, at_ms: int) -> HealthSignal:
    return HealthSignal(deployment=deployment, outcome=AttemptOutcome.OK, latency_ms=1, at_ms=EpochMs(at_ms))


def _names(signals: Sequence[HealthSignal]) -> list[str]:
    return [signal.deployment for signal in signals]

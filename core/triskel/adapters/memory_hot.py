"""The hot store of one process. Its one rule: no method awaits, so each is atomic on the event loop.

Everything is integers: a bucket's level is in thousandths of a call, because a refill of N calls a second is exactly N
thousandths a millisecond. Nothing grows without bound: a counter that has returned to its first state is dropped while
new ones are made, and a reservation that nobody settles lapses.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

from triskel.errors import BudgetExceeded, RateLimited, Unavailable
from triskel.model.admission import Admission, Limit, LimitKind, Reservation, Settlement
from triskel.model.route import HealthSignal
from triskel.model.units import MicroUsd, usd
from triskel.ports.clock import Clock

_RATE = LimitKind.RATE
_QUOTA = LimitKind.QUOTA
_CALL = 1000  # one call, in the thousandths in which a bucket counts
_SLOT_MS = 1000  # reservations that lapse in the same second are swept together
_SIGNALS_KEPT = 4096


class _Bucket:
    """Calls that may still be made at once, in thousandths, as of `at_ms`."""

    __slots__ = ("at_ms", "level", "limit")

    def __init__(self, limit: Limit, at_ms: int) -> None:
        self.limit = limit
        self.level = limit.capacity * _CALL
        self.at_ms = at_ms

    def is_fresh(self, now_ms: int) -> bool:
        """Whether a new bucket would be the same: it has filled up again."""
        return self.level + (now_ms - self.at_ms) * self.limit.refill_per_s >= self.limit.capacity * _CALL


class _Window:
    """What is used of a quota (calls) or of a budget (micro-dollars) in the window that begins at `start_ms`."""

    __slots__ = ("end_ms", "start_ms", "used")

    def __init__(self) -> None:
        self.start_ms = -1
        self.end_ms = -1
        self.used = 0

    def is_fresh(self, now_ms: int) -> bool:
        """Whether a new window would be the same: this one is over."""
        return now_ms >= self.end_ms


class _Held:
    """What one reservation holds, until `lapses_at_ms`: shares of windows, as (window, its start, calls, money)."""

    __slots__ = ("lapses_at_ms", "shares")

    def __init__(self, lapses_at_ms: int) -> None:
        self.lapses_at_ms = lapses_at_ms
        self.shares: list[tuple[_Window, int, int, int]] = []


class MemoryHot:
    """`ports.hot.Hot` in memory. The key of a limit alone names its counter; a rate, a quota and a budget never share one.

    A reservation that lapses gives its money back and leaves its call counted: the effect may have happened.
    """

    def __init__(self, clock: Clock, *, signals_kept: int = _SIGNALS_KEPT) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        # By key and length of the window: the same budget may be counted by the day and by the month.
        self._quotas: dict[tuple[str, int], _Window] = {}
        self._budgets: dict[tuple[str, int], _Window] = {}
        self._round: deque[tuple[dict[Any, Any], object]] = deque()
        self._slots: dict[int, dict[str, _Held]] = {}
        self._next_slot_ms = 0
        self._made = 0
        self._signals: list[HealthSignal] = []
        self._signals_kept = signals_kept
        self._closed = False

    async def admit(self, admission: Admission) -> Reservation:
        """Reserve under every limit or under none. Raises RateLimited, BudgetExceeded, or Unavailable once closed."""
        now_ms = admission.at_ms
        if self._closed or admission.cost_bound < 0:
            self._refuse_use(admission)
        if now_ms >= self._next_slot_ms:
            self._sweep(now_ms)
        taken: list[_Bucket] = []
        held = _Held(now_ms + admission.ttl_ms)
        shares = held.shares
        cost = admission.cost_bound
        for limit in admission.limits:
            kind = limit.kind
            if kind is _RATE:
                bucket = self._filled(limit, now_ms)
                if bucket.level < _CALL:
                    self._undo(taken, held)
                    _refuse_rate(limit, bucket.level)
                bucket.level -= _CALL
                taken.append(bucket)
                continue
            if kind is _QUOTA:
                window, calls, money = self._current(self._quotas, limit, now_ms), 1, 0
            else:
                window, calls, money = self._current(self._budgets, limit, now_ms), 0, cost
            wanted = calls + money
            if window.used + wanted > limit.capacity and (calls or not self._lapsed_now(now_ms, window, limit, wanted)):
                self._undo(taken, held)
                _refuse_window(limit, window, wanted, now_ms)
            window.used += wanted
            shares.append((window, window.start_ms, calls, money))
        self._made += 1
        reservation_id = f"res_{self._made}"
        if shares:
            slot = held.lapses_at_ms // _SLOT_MS
            in_slot = self._slots.get(slot)
            if in_slot is None:
                in_slot = self._slots[slot] = {}
            in_slot[reservation_id] = held
        return Reservation(reservation_id=reservation_id, admission=admission)

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace the reserved money by the real cost, in the window in which it was reserved."""
        if settlement.cost < 0:
            raise ValueError("a cost is not negative")
        held = self._end(reservation, settlement.at_ms)
        if held is not None:
            for window, start_ms, calls, money in held.shares:
                if not calls and window.start_ms == start_ms:
                    window.used += settlement.cost - money

    async def release(self, reservation: Reservation) -> None:
        """Give money and quota back; the rate token stays taken."""
        held = self._end(reservation, self._clock.now_ms())
        if held is not None:
            for window, start_ms, calls, money in held.shares:
                if window.start_ms == start_ms:
                    window.used -= calls + money

    async def post(self, signals: Sequence[HealthSignal]) -> None:
        """Share signals. The oldest are dropped when there are too many."""
        board = self._signals
        for signal in signals:
            insort(board, signal, key=_posted_at)
        if len(board) > 2 * self._signals_kept:
            del board[: -self._signals_kept]

    async def signals(self, after_ms: int) -> Sequence[HealthSignal]:
        """Signals of attempts that ended after a moment, oldest first; the newest ones where there are too many."""
        board = self._signals
        first = bisect_right(board, after_ms, key=_posted_at)
        return tuple(board[max(first, len(board) - self._signals_kept) :])

    async def check(self) -> None:
        """Return unless closed. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the hot store is closed")

    async def aclose(self) -> None:
        """Forget everything."""
        self._closed = True
        self._buckets.clear()
        self._quotas.clear()
        self._budgets.clear()
        self._round.clear()
        self._slots.clear()
        self._signals.clear()

    def _filled(self, limit: Limit, now_ms: int) -> _Bucket:
        """The bucket of a rate, refilled up to now. A clock that went back refills nothing."""
        bucket = self._buckets.get(limit.key)
        if bucket is None:
            self._drop_fresh(now_ms)
            bucket = self._buckets[limit.key] = _Bucket(limit, now_ms)
            self._round.append((self._buckets, limit.key))
            return bucket
        level = bucket.level
        elapsed_ms = now_ms - bucket.at_ms
        if elapsed_ms > 0:
            level += elapsed_ms * limit.refill_per_s
            bucket.at_ms = now_ms
        full = limit.capacity * _CALL
        bucket.level = level if level < full else full
        bucket.limit = limit
        return bucket

    def _current(self, windows: dict[tuple[str, int], _Window], limit: Limit, now_ms: int) -> _Window:
        """The window of a quota or budget that is open now. A clock that went back stays in the newer one."""
        key = (limit.key, limit.window_ms)
        window = windows.get(key)
        if window is None:
            self._drop_fresh(now_ms)
            window = windows[key] = _Window()
            self._round.append((windows, key))
        if now_ms >= window.end_ms:
            start_ms = now_ms - now_ms % limit.window_ms
            window.start_ms = start_ms
            window.end_ms = start_ms + limit.window_ms
            window.used = 0
        return window

    def _drop_fresh(self, now_ms: int) -> None:
        """Look at two of the oldest counters for each new one, and keep those that still say something."""
        for _ in range(min(2, len(self._round))):
            counters, key = oldest = self._round.popleft()
            if counters[key].is_fresh(now_ms):
                del counters[key]
            else:
                self._round.append(oldest)

    def _end(self, reservation: Reservation, now_ms: int) -> _Held | None:
        """Take a reservation out, or None where it was ended before, holds nothing, or has lapsed."""
        admission = reservation.admission
        lapses_at_ms = admission.at_ms + admission.ttl_ms
        in_slot = self._slots.get(lapses_at_ms // _SLOT_MS)
        if in_slot is None or now_ms >= lapses_at_ms:
            return None
        return in_slot.pop(reservation.reservation_id, None)

    def _sweep(self, now_ms: int) -> None:
        """Let everything lapse whose second is over."""
        current = now_ms // _SLOT_MS
        for slot in [slot for slot in self._slots if slot < current]:
            for held in self._slots.pop(slot).values():
                _give_money_back(held)
        self._next_slot_ms = (current + 1) * _SLOT_MS

    def _lapsed_now(self, now_ms: int, window: _Window, limit: Limit, wanted: int) -> bool:
        """Let lapse what is due within this second too, and say whether `wanted` fits then."""
        in_slot = self._slots.get(now_ms // _SLOT_MS, {})
        for reservation_id in [name for name, held in in_slot.items() if held.lapses_at_ms <= now_ms]:
            _give_money_back(in_slot.pop(reservation_id))
        return window.used + wanted <= limit.capacity

    def _undo(self, buckets: list[_Bucket], held: _Held) -> None:
        for bucket in buckets:
            bucket.level += _CALL
        for window, _, calls, money in held.shares:
            window.used -= calls + money

    def _refuse_use(self, admission: Admission) -> NoReturn:
        if self._closed:
            raise Unavailable("the hot store is closed")
        raise ValueError(f"the cost bound of {admission.call_id} is negative")


def _give_money_back(held: _Held) -> None:
    for window, start_ms, _, money in held.shares:
        if window.start_ms == start_ms:
            window.used -= money


def _posted_at(signal: HealthSignal) -> int:
    return signal.at_ms


def _refuse_rate(limit: Limit, level: int) -> NoReturn:
    wait_ms = None
    if limit.refill_per_s > 0 and limit.capacity > 0:
        wait_ms = -((level - _CALL) // limit.refill_per_s)
    raise RateLimited(
        f"`{limit.name}` allows {limit.capacity} calls at once and {limit.refill_per_s} a second: 0 left now",
        retry_after_ms=wait_ms,
    )


def _refuse_window(limit: Limit, window: _Window, wanted: int, now_ms: int) -> NoReturn:
    left = max(limit.capacity - window.used, 0)
    wait_ms = window.end_ms - now_ms
    if limit.kind is _QUOTA:
        raise RateLimited(
            f"`{limit.name}` allows {limit.capacity} calls in each window: {left} left in this one", retry_after_ms=wait_ms
        )
    raise BudgetExceeded(
        f"`{limit.name}` has {usd(MicroUsd(left))} of {usd(MicroUsd(limit.capacity))} US dollars left in this window, "
        f"and this call may cost {usd(MicroUsd(wanted))}",
        retry_after_ms=wait_ms,
    )

"""Room, quota and money, reserved before an effect and settled after it."""

from dataclasses import dataclass
from enum import StrEnum

from triskel.model.units import DurationMs, EpochMs, MicroUsd, Tokens
from triskel.model.usage import Usage


class LimitKind(StrEnum):
    """What a limit counts: calls a second (a token bucket), calls in a window, or money in a window."""

    RATE = "rate"
    QUOTA = "quota"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One counter that a call must fit under.

    `name` is shown to the caller (`calls_per_month`, `budget:team-search`); `key` identifies the counter in the hot store.
    RATE: `capacity` calls of burst, refilled at `refill_per_s`. QUOTA: `capacity` calls in each `window_ms`.
    BUDGET: `capacity` micro-dollars in each `window_ms`. Windows start at multiples of `window_ms` since the epoch.
    """

    name: str
    kind: LimitKind
    key: str
    capacity: int
    refill_per_s: int = 0
    window_ms: DurationMs = DurationMs(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Money for a tenant, or for one of its teams or principals, in each window of days. None means all of them."""

    name: str
    tenant_id: str
    team: str | None
    principal_id: str | None
    amount: MicroUsd
    window_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A request to reserve under every limit at once, or under none. After `ttl_ms` an unsettled reservation lapses."""

    tenant_id: str
    call_id: str
    limits: tuple[Limit, ...]
    cost_bound: MicroUsd
    tokens_bound: Tokens
    at_ms: EpochMs
    ttl_ms: DurationMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What was reserved. To be settled or released exactly once; a second time is a no-op."""

    reservation_id: str
    admission: Admission


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What the call really used, which replaces what was reserved for it."""

    usage: Usage
    cost: MicroUsd
    at_ms: EpochMs

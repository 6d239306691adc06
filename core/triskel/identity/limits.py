"""Which limits a principal is under: its tier's, and the budgets that name its tenant, its team or itself."""

from collections.abc import Mapping, Sequence

from triskel.model.admission import Budget, Limit, LimitKind
from triskel.model.principal import Principal
from triskel.model.units import DurationMs

DAY_MS = 86_400_000
MONTH_DAYS = 30
MAX_REMEMBERED = 10_000
"""Principals whose limits are remembered; a full table is emptied."""


class Limits:
    """What each principal may use: its tier's limits and the budgets that name it, its team or its tenant."""

    def __init__(self, tiers: Mapping[str, Mapping[str, int]], budgets: Sequence[Budget]) -> None:
        """`tiers` holds `burst_per_s` and `calls_per_month` by name of tier; one that is missing is no limit."""
        self._budgets = budgets
        self._tiers = tiers
        self._known: dict[tuple[str, str, str, tuple[str, ...]], tuple[Limit, ...]] = {}

    def __call__(self, principal: Principal) -> tuple[Limit, ...]:
        """The limits, the tenant's own first. An unknown tier has the tightest one's."""
        key = (principal.tenant_id, principal.principal_id, principal.tier, principal.teams)
        limits = self._known.get(key)
        if limits is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            limits = self._known[key] = (*self._of_tier(principal), *self._of_budgets(principal))
        return limits

    def _of_tier(self, principal: Principal) -> list[Limit]:
        tier = self._tiers.get(principal.tier, self._tiers["pilot"])
        limits = []
        if "burst_per_s" in tier:
            rate = tier["burst_per_s"]
            key = f"rate:{principal.tenant_id}"
            limits.append(Limit(name="calls_per_second", kind=LimitKind.RATE, key=key, capacity=rate, refill_per_s=rate))
        if "calls_per_month" in tier:
            limits.append(
                Limit(
                    name="calls_per_month",
                    kind=LimitKind.QUOTA,
                    key=f"quota:{principal.tenant_id}",
                    capacity=tier["calls_per_month"],
                    window_ms=DurationMs(MONTH_DAYS * DAY_MS),
                )
            )
        return limits

    def _of_budgets(self, principal: Principal) -> list[Limit]:
        return [
            Limit(
                name=f"budget:{budget.name}",
                kind=LimitKind.BUDGET,
                key=f"budget:{budget.tenant_id}:{budget.name}",
                capacity=budget.amount,
                window_ms=DurationMs(budget.window_days * DAY_MS),
            )
            for budget in self._budgets
            if budget.tenant_id == principal.tenant_id
            and budget.team in (None, *principal.teams)
            and budget.principal_id in (None, principal.principal_id)
        ]

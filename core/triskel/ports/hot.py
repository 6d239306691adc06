"""Fast shared state: reservations and health signals. It may be lost; nothing in it is proof."""

from collections.abc import Sequence
from typing import Protocol

from triskel.model.admission import Admission, Reservation, Settlement
from triskel.model.route import HealthSignal


class AdmissionControl(Protocol):
    """Rate, quota and money, reserved before the effect."""

    async def admit(self, admission: Admission) -> Reservation:
        """Reserve under every limit, in one atomic round trip, or under none.

        A RATE takes one token, a QUOTA one call, a BUDGET `cost_bound`. Raises RateLimited (rate and quota, with
        `retry_after_ms`) or BudgetExceeded, naming the limit and what is left; Unavailable when the hot store is away.
        """

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace the reserved money by the real cost. The call stays counted. Twice, or after the TTL, is a no-op."""

    async def release(self, reservation: Reservation) -> None:
        """Give everything back but the rate token: the call had no effect. Twice, or after the TTL, is a no-op."""


class HealthBoard(Protocol):
    """What instances tell each other about deployments."""

    async def post(self, signals: Sequence[HealthSignal]) -> None:
        """Share signals. Best effort: it may drop the oldest."""

    async def signals(self, after_ms: int) -> Sequence[HealthSignal]:
        """Signals posted after a moment, oldest first, bounded in number by the backend."""


class Hot(AdmissionControl, HealthBoard, Protocol):
    """Everything that a hot store serves."""

    async def check(self) -> None:
        """Return if it answers. Raises Unavailable with the reason."""

    async def aclose(self) -> None:
        """Release what is held."""

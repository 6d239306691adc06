"""How much a deployment can take. One rule: who exceeds it is told when to come back, in whole seconds."""

import math

from triskel.local.simulator.offer import OfferedDeployment


class Capacity:
    """Calls at once, and tokens a minute as a bucket that refills evenly and holds one minute's worth."""

    __slots__ = ("_at_s", "_deployment", "_left", "in_flight")

    def __init__(self, deployment: OfferedDeployment) -> None:
        self._deployment = deployment
        self._left = float(deployment.tokens_per_minute)
        self._at_s: float | None = None
        self.in_flight = 0

    def shortage(self, tokens: int, now_s: float) -> int:
        """Seconds after which a call of `tokens` may fit; 0 means that it fits now and its tokens are taken."""
        if self.in_flight >= self._deployment.concurrent_calls:
            return 1
        full = self._deployment.tokens_per_minute
        passed_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._at_s = now_s
        self._left = min(full, self._left + passed_s * full / 60)
        needed = min(tokens, full)
        if needed > self._left:
            return max(1, math.ceil((needed - self._left) * 60 / full))
        self._left -= needed
        return 0

"""A Meter on prometheus_client, with a registry of its own so that two systems in a process stay apart."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_Children = tuple[Counter, Histogram, Counter | None, Counter | None]


class PrometheusMeter:
    """Counts in memory; labels are few by construction."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        call_labels = ("surface", "outcome", "decision", "route")
        self._calls = Counter("triskel_calls", "Calls that ended.", call_labels, registry=self._registry)
        self._latency = Histogram(
            "triskel_call_seconds",
            "From the head of the request to the end of the call.",
            ("surface",),
            buckets=_LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._cost = Counter("triskel_cost_usd", "What calls cost, in US dollars.", ("route",), registry=self._registry)
        self._tokens = Counter("triskel_tokens", "Tokens in and out.", ("route",), registry=self._registry)
        # Looking labels up costs more than counting; there are few, by construction.
        self._known: dict[tuple[str, str, str, str], _Children] = {}
        self._known_attempts: dict[tuple[str, str], Counter] = {}
        self._attempts = Counter(
            "triskel_upstream_attempts", "Tries at a deployment.", ("route", "outcome"), registry=self._registry
        )

    def call_ended(
        self,
        *,
        surface: str,
        outcome: str,
        verdict: str,
        route: str,
        latency_ms: float,
        cost_micro_usd: int,
        tokens: int,
    ) -> None:
        """Count one ended call."""
        key = (surface, outcome, verdict, route)
        counted = self._known.get(key)
        if counted is None:
            counted = self._known[key] = self._children(*key)
        calls, latency, cost, used = counted
        calls.inc()
        latency.observe(latency_ms / 1000)
        if cost is not None and used is not None:
            cost.inc(cost_micro_usd / 1e6)
            used.inc(tokens)

    def _children(self, surface: str, outcome: str, verdict: str, route: str) -> _Children:
        return (
            self._calls.labels(surface, outcome, verdict, route),
            self._latency.labels(surface),
            self._cost.labels(route) if route else None,
            self._tokens.labels(route) if route else None,
        )

    def upstream_attempt(self, *, route: str, outcome: str) -> None:
        """Count one try at a deployment."""
        attempt = self._known_attempts.get((route, outcome))
        if attempt is None:
            attempt = self._known_attempts[route, outcome] = self._attempts.labels(route, outcome)
        attempt.inc()

    def render(self) -> bytes:
        """Everything counted, in the Prometheus text format."""
        return generate_latest(self._registry)

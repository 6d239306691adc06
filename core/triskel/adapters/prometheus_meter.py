"""A Meter on prometheus_client, with a registry of its own so that two systems in a process stay apart."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


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
        self._calls.labels(surface, outcome, verdict, route).inc()
        self._latency.labels(surface).observe(latency_ms / 1000)
        if route:
            self._cost.labels(route).inc(cost_micro_usd / 1e6)
            self._tokens.labels(route).inc(tokens)

    def upstream_attempt(self, *, route: str, outcome: str) -> None:
        """Count one try at a deployment."""
        self._attempts.labels(route, outcome).inc()

    def render(self) -> bytes:
        """Everything counted, in the Prometheus text format."""
        return generate_latest(self._registry)

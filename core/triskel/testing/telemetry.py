"""Spans and numbers, written down. Its one rule: it judges nothing."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class RecordedSpan:
    """`ports.telemetry.Span`, as it was used. `attributes` is None until it ended."""

    name: str
    traceparent: str | None
    events: list[str] = field(default_factory=list)
    attributes: dict[str, str | int] | None = None
    error: str | None = None

    def event(self, name: str) -> None:
        """Write an event down."""
        self.events.append(name)

    def end(self, attributes: dict[str, str | int], error: str | None) -> None:
        """Write the end down. Raises AssertionError the second time: a span ends once."""
        if self.attributes is not None:
            raise AssertionError(f"the span {self.name} ended twice")
        self.attributes = attributes
        self.error = error


class RecordingTracer:
    """`ports.telemetry.Tracer`. `spans` holds every span, in the order in which they began."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self.spans: list[RecordedSpan] = []

    @property
    def enabled(self) -> bool:
        """What the constructor was told."""
        return self._enabled

    def start(self, name: str, traceparent: str | None) -> RecordedSpan:
        """A span that is kept."""
        span = RecordedSpan(name, traceparent)
        self.spans.append(span)
        return span


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCall:
    """One ended call, as it was counted."""

    surface: str
    outcome: str
    verdict: str
    route: str
    latency_ms: float
    cost_micro_usd: int
    tokens: int


class RecordingMeter:
    """`ports.telemetry.Meter`. `calls` and `attempts` hold what was counted, in order."""

    def __init__(self) -> None:
        self.calls: list[CountedCall] = []
        self.attempts: list[tuple[str, str]] = []

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
        """Keep one ended call."""
        self.calls.append(
            CountedCall(
                surface=surface,
                outcome=outcome,
                verdict=verdict,
                route=route,
                latency_ms=latency_ms,
                cost_micro_usd=cost_micro_usd,
                tokens=tokens,
            )
        )

    def upstream_attempt(self, *, route: str, outcome: str) -> None:
        """Keep one try as (route, outcome)."""
        self.attempts.append((route, outcome))

    def render(self) -> bytes:
        """The number of calls and of attempts, in the Prometheus text format."""
        return f"calls_total {len(self.calls)}\nattempts_total {len(self.attempts)}\n".encode()

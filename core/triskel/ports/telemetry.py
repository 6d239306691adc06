"""Spans and numbers about calls. Never part of a decision, never a reason to fail."""

from collections.abc import Mapping
from typing import Protocol


class Span(Protocol):
    """One call, as tracing sees it."""

    def event(self, name: str) -> None:
        """A step of the road was passed."""

    def end(self, attributes: dict[str, str | int], error: str | None) -> None:
        """The call ended. `error` is a stable code, or None."""


class Tracer(Protocol):
    """Where spans go."""

    @property
    def enabled(self) -> bool:
        """Whether anything is traced; where not, nobody need gather attributes."""

    def start(self, name: str, traceparent: str | None) -> Span:
        """Begin a span, as a child where `traceparent` (W3C) is given."""


class Meter(Protocol):
    """Where numbers go."""

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
        """Count one ended call. Labels are few by construction; none holds a tenant or a principal."""

    def upstream_attempt(self, *, route: str, outcome: str) -> None:
        """Count one try at a deployment."""

    def render(self) -> bytes:
        """Everything counted, in the Prometheus text format."""


class CallLog(Protocol):
    """Where one line for each call goes."""

    def write(self, fields: Mapping[str, str | int | float]) -> None:
        """Write a line. Never raises."""

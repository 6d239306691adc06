"""A Tracer on OpenTelemetry, and one that does nothing where tracing is off.

Names follow the GenAI semantic conventions, all of which are still in development:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from typing import TYPE_CHECKING

from triskel.ports.telemetry import Span

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import TracerProvider


class NoSpan:
    """Nothing."""

    __slots__ = ()

    def event(self, name: str) -> None:
        """Nothing."""

    def end(self, attributes: dict[str, str | int], error: str | None) -> None:
        """Nothing."""


_NO_SPAN = NoSpan()


class NoTracer:
    """Tracing is off."""

    enabled = False

    def start(self, name: str, traceparent: str | None) -> Span:  # noqa: ARG002 - the port's signature
        """The span that does nothing."""
        return _NO_SPAN


class _Span:
    """One OpenTelemetry span."""

    __slots__ = ("_span",)

    def __init__(self, span: "OtelSpan") -> None:
        self._span = span

    def event(self, name: str) -> None:
        """A span event."""
        self._span.add_event(name)

    def end(self, attributes: dict[str, str | int], error: str | None) -> None:
        """End the span, as an error where there is one."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

        self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class OtelTracer:
    """Spans of the provider given, or of the process's own, which has no exporter unless somebody configured one."""

    enabled = True

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra, and 50 ms of a cold start
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._tracer = (provider or trace.get_tracer_provider()).get_tracer("triskel")
        self._extract = TraceContextTextMapPropagator().extract
        self._kind = trace.SpanKind.SERVER

    def start(self, name: str, traceparent: str | None) -> Span:
        """Begin a span; a malformed `traceparent` begins a new trace."""
        context = self._extract({"traceparent": traceparent}) if traceparent else None
        return _Span(self._tracer.start_span(name, context=context, kind=self._kind))

"""The recorders of spans and numbers."""

import pytest

from triskel.testing.telemetry import CountedCall, RecordingMeter, RecordingTracer


def test_a_span_keeps_what_was_said() -> None:
    """Its name, its parent, its events in order, and how it ended."""
    tracer = RecordingTracer()
    span = tracer.start("chat", "00-abc-def-01")
    span.event("authorized")
    span.event("scanned")
    span.end({"route": "aws/bedrock/small"}, "upstream_error")
    (kept,) = tracer.spans
    assert (kept.name, kept.traceparent, kept.events) == ("chat", "00-abc-def-01", ["authorized", "scanned"])
    assert (kept.attributes, kept.error) == ({"route": "aws/bedrock/small"}, "upstream_error")


def test_a_span_ends_once() -> None:
    """The second end is a mistake of whoever ends it."""
    span = RecordingTracer().start("chat", None)
    span.end({}, None)
    with pytest.raises(AssertionError, match="twice"):
        span.end({}, None)


def test_a_tracer_can_be_off() -> None:
    """As it is where nobody exports."""
    assert RecordingTracer().enabled
    assert not RecordingTracer(enabled=False).enabled


def test_a_meter_keeps_every_count() -> None:
    """Calls and attempts, in order, and their numbers when rendered."""
    meter = RecordingMeter()
    call = {
        "surface": "s",
        "outcome": "ok",
        "verdict": "allow",
        "route": "r",
        "latency_ms": 1.5,
        "cost_micro_usd": 7,
        "tokens": 9,
    }
    meter.call_ended(**call)
    meter.upstream_attempt(route="r", outcome="ok")
    meter.upstream_attempt(route="r", outcome="fault")
    assert meter.calls == [CountedCall(**call)]
    assert meter.attempts == [("r", "ok"), ("r", "fault")]
    assert meter.render() == b"calls_total 1\nattempts_total 2\n"

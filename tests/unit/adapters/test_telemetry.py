"""Spans, numbers and lines about calls, by the libraries and files that users have."""

import json
import logging
import os

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client.parser import text_string_to_metric_families

from triskel.adapters.json_logs import JsonCallLog, JsonFormatter
from triskel.adapters.otel_tracer import NoTracer, OtelTracer
from triskel.adapters.prometheus_meter import PrometheusMeter

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def exported(use):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use(OtelTracer(provider))
    return exporter.get_finished_spans()


def test_a_call_is_one_span_with_its_steps_under_the_callers_trace():
    def use(tracer):
        span = tracer.start("chat small", TRACEPARENT)
        span.event("decided")
        span.end({"gen_ai.request.model": "small", "gen_ai.usage.input_tokens": 5}, None)

    [span] = exported(use)
    assert span.name == "chat small"
    assert format(span.context.trace_id, "032x") == "a" * 32
    assert format(span.parent.span_id, "016x") == "b" * 16
    assert [event.name for event in span.events] == ["decided"]
    assert span.attributes["gen_ai.usage.input_tokens"] == 5
    assert span.status.status_code is StatusCode.UNSET


def test_a_failed_call_is_an_error_with_its_stable_code():
    [span] = exported(lambda tracer: tracer.start("chat small", None).end({}, "error:upstream_error"))
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "error:upstream_error"
    assert span.parent is None


def test_a_malformed_traceparent_begins_a_trace_of_its_own():
    [span] = exported(lambda tracer: tracer.start("x", "00-nonsense").end({}, None))
    assert span.parent is None


def test_no_tracer_costs_nothing_and_keeps_nothing():
    span = NoTracer().start("x", TRACEPARENT)
    span.event("decided")
    span.end({}, "error")
    assert not NoTracer().enabled


def test_numbers_are_in_prometheus_form():
    meter = PrometheusMeter()
    for outcome in ("ok", "ok", "denied"):
        meter.call_ended(
            surface="openai.chat",
            outcome=outcome,
            verdict="allow",
            route="aws/p/a" if outcome == "ok" else "",
            latency_ms=3.0,
            cost_micro_usd=1_500_000,
            tokens=7,
        )
    meter.upstream_attempt(route="aws/p/a", outcome="ok")
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(meter.render().decode())
        for s in family.samples
    }
    labels = (("decision", "allow"), ("outcome", "ok"), ("route", "aws/p/a"), ("surface", "openai.chat"))
    assert samples["triskel_calls_total", labels] == 2
    assert samples["triskel_cost_usd_total", (("route", "aws/p/a"),)] == 3.0
    assert samples["triskel_tokens_total", (("route", "aws/p/a"),)] == 14
    assert samples["triskel_call_seconds_count", (("surface", "openai.chat"),)] == 3
    assert samples["triskel_upstream_attempts_total", (("outcome", "ok"), ("route", "aws/p/a"))] == 1
    assert PrometheusMeter().render() != meter.render()


def test_a_record_is_one_line_of_json_with_its_fields_and_traceback():
    try:
        raise ValueError("a\nb")
    except ValueError as error:
        record = logging.getLogger("triskel.x").makeRecord(
            "triskel.x",
            logging.ERROR,
            "f",
            1,
            "went %s",
            ("wrong",),
            (ValueError, error, error.__traceback__),
            extra={"request_id": "call_1"},
        )
    line = JsonFormatter().format(record)
    assert "\n" not in line
    document = json.loads(line)
    assert (document["level"], document["message"], document["request_id"]) == ("error", "went wrong", "call_1")
    assert "ValueError" in document["traceback"]
    assert document["time"].endswith("Z")


def test_a_call_is_a_line_and_a_reader_that_has_gone_is_no_fault():
    reading, writing = os.pipe()
    log = JsonCallLog(writing)
    log.write({"request_id": "call_1", "latency_ms": 1.5})
    assert json.loads(os.read(reading, 1_000)) == {"request_id": "call_1", "latency_ms": 1.5}
    os.close(reading)
    log.write({"request_id": "call_2"})
    os.close(writing)

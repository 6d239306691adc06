"""The gate: what is opened is closed, what is reserved is given back, on every way out."""

import asyncio
import json
from dataclasses import replace

import pytest
from tests.unit.calls import a_call, a_principal
from tests.unit.systems import a_stage, chunks, completion, deployment

from triskel.errors import (
    BudgetExceeded,
    InvalidRequest,
    ModelNotFound,
    NoCapacity,
    PolicyDenied,
    RateLimited,
    Unavailable,
    UpstreamFault,
    UpstreamRejected,
    UpstreamTimeout,
)
from triskel.model.call import Action, CallKind, Part, Surface, Target
from triskel.model.units import EpochMs
from triskel.testing.clock import FixedClock
from triskel.testing.transport import Answer, Ending

SSN = "536-90-4399"
KEY = "AKIAQYLPMN5HFIQR7XYA"


def call(text="hello", **fields):
    now = FixedClock().now_ms()
    body = {"model": fields.pop("model", "small"), "messages": [{"role": "user", "content": text}], **fields.pop("body", {})}
    from triskel.providers.chat import chat_parts

    made = a_call(received_at_ms=now, deadline_ms=EpochMs(now + 60_000), **fields)
    return replace(made, payload=body, parts=chat_parts(body), target=Target(kind="Model", name=body["model"]))


BUDGET = {"budgets": [{"name": "all", "tenant": "acme", "usd": 0.01}]}


async def drained(answer) -> bytes:
    """All of a stream."""
    return b"".join([chunk async for chunk in answer.chunks()])


async def test_a_call_is_answered_and_proven():
    """Authorized, admitted, performed, priced, recorded, counted, traced and logged."""
    stage = await a_stage(completion("hi there"))
    answer = await stage.gateway.answer(call(), stage.inference, "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    assert b"hi there" in answer.body
    assert (answer.route, answer.cost) == ("aws/simulated/aws-small", 20)
    [entry] = await stage.entries()
    assert entry["id"] == answer.audit_id
    assert entry["state"] == "closed"
    assert entry["outcome"] == "ok"
    assert entry["cost_micro_usd"] == 20
    assert entry["usage"] == {"input_tokens": 10, "output_tokens": 5, "cached_tokens": 0, "estimated": False}
    assert entry["decision"]["policies"] == ["default.models", "platform.open"]
    assert [c.outcome for c in stage.meter.calls] == ["ok"]
    [span] = stage.tracer.spans
    assert span.events == ["decided", "admitted", "intent recorded", "performed"]
    assert span.attributes["gen_ai.usage.input_tokens"] == 10
    assert [line["audit_id"] for line in stage.log.lines] == [answer.audit_id]


async def test_a_stream_is_closed_before_its_last_chunk():
    """Whoever has seen the end may ask the audit about it."""
    stage = await a_stage(chunks("Hel", "lo"))
    answer = await stage.gateway.answer(call(stream=True), stage.inference)
    assert answer.body is None
    seen = []
    async for chunk in answer.chunks():
        if chunk.startswith(b"data: [DONE]"):
            assert answer.cost == 20
            assert len(stage.log.lines) == 1
        seen.append(chunk)
    assert b"".join(seen).endswith(b"data: [DONE]\n\n")
    shown = "".join(c["delta"].get("content") or "" for chunk in seen if b"{" in chunk for c in json.loads(chunk[6:])["choices"])
    assert shown == "Hello"
    [entry] = await stage.entries()
    assert (entry["outcome"], entry["cost_micro_usd"]) == ("ok", 20)


async def test_nothing_is_sent_before_the_intent_is_durable():
    """No proof, no effect: a journal that cannot write refuses the call and gives back what was reserved."""
    stage = await a_stage(completion(), config=BUDGET)

    async def full(*_):
        raise Unavailable("the disk is full")

    append, stage.journal.append = stage.journal.append, full
    with pytest.raises(Unavailable):
        await stage.gateway.answer(call(), stage.inference)
    assert stage.transport.requests == []
    stage.journal.append = append
    assert (await stage.gateway.answer(call(body={"max_tokens": 1_000}), stage.inference)).body


async def test_an_answer_whose_record_cannot_be_closed_is_still_given():
    """The intent is proof enough that it happened; verification reports it as open."""
    stage = await a_stage(completion())
    append, appended = stage.journal.append, []

    async def second_fails(*given):
        appended.append(given)
        if len(appended) == 2:
            raise Unavailable("the disk is full")
        await append(*given)

    stage.journal.append = second_fails
    assert (await stage.gateway.answer(call(), stage.inference)).body
    [entry] = await stage.entries()
    assert entry["state"] == "open"


async def test_a_denied_call_costs_nothing_and_is_on_record():
    stage = await a_stage()
    with pytest.raises(PolicyDenied) as caught:
        await stage.gateway.answer(call(f"my key is {KEY}"), stage.inference)
    assert caught.value.policy_ids == ("platform.no-secrets-out",)
    assert KEY not in str(caught.value)
    assert stage.transport.requests == []
    [entry] = await stage.entries()
    assert (entry["outcome"], entry["decision"]["verdict"], entry["state"]) == ("denied", "deny", "closed")
    assert entry["findings"][0]["category"] == "secret"
    assert KEY not in str(entry)
    assert caught.value.audit_id == entry["id"]


async def test_default_is_denial():
    """A principal that no permit names may do nothing: an action without a policy is denied."""
    stage = await a_stage()
    target = Target(kind="Tenant", name="acme")
    asked = replace(call(), kind=CallKind.CONTROL, action=Action.ADMINISTER, target=target, payload={}, parts=())
    with pytest.raises(PolicyDenied):
        await stage.gateway.permit(asked)
    [entry] = await stage.entries()
    assert entry["action"] == "administer"


async def test_another_tenants_audit_is_forbidden_by_the_platform():
    stage = await a_stage()
    target = Target(kind="AuditLog", name="globex")
    asked = replace(call(), kind=CallKind.CONTROL, action=Action.READ_AUDIT, target=target, payload={}, parts=())
    with pytest.raises(PolicyDenied) as caught:
        await stage.gateway.permit(asked)
    assert "platform.own-tenant" in caught.value.policy_ids
    own = replace(asked, target=Target(kind="AuditLog", name="acme"))
    await stage.gateway.permit(own)


async def test_personal_data_is_redacted_on_the_way_in_and_out():
    stage = await a_stage(completion(f"yours is {SSN}"))
    answer = await stage.gateway.answer(call(f"mine is {SSN}"), stage.inference)
    sent = stage.transport.requests[0].body.decode()
    assert SSN not in sent
    assert "[REDACTED:us_ssn]" in sent
    assert SSN not in answer.body.decode()
    assert answer.decision.verdict == "redact"
    [entry] = await stage.entries()
    assert {f["stage"] for f in entry["findings"]} == {"input", "output"}
    assert SSN not in str(entry)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_a_value_split_over_chunks_never_leaks(size):
    """A stream is redacted like a whole text, whatever the chunks."""
    text = f"it is {SSN} and a.lovelace@mail.example, said she; the key is {KEY}."
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    stage = await a_stage(chunks(*pieces), completion(text))
    streamed = await stage.gateway.answer(call(stream=True), stage.inference)
    shown = ""
    async for chunk in streamed.chunks():
        if chunk.startswith(b"data: {"):
            for choice in json.loads(chunk[6:])["choices"]:
                shown += choice["delta"].get("content") or ""
        assert not any(secret in shown for secret in (SSN, KEY, "lovelace"))
    whole = await stage.gateway.answer(call(), stage.inference)
    assert shown == json.loads(whole.body)["choices"][0]["message"]["content"]
    assert "[REDACTED:us_ssn]" in shown


async def test_the_next_candidate_answers_where_the_first_fails():
    rows = [deployment("aws-small"), deployment("gcp-small", cloud="gcp", price={"input": 2, "output": 3})]
    stage = await a_stage(Answer.of_json({}, status=503), completion(), config={"deployments": rows})
    answer = await stage.gateway.answer(call(), stage.inference)
    assert answer.route == "gcp/simulated/gcp-small"
    [entry] = await stage.entries()
    assert [(a["route"], a["outcome"], a["status"]) for a in entry["attempts"]] == [
        ("aws/simulated/aws-small", "fault", 503),
        ("gcp/simulated/gcp-small", "ok", 200),
    ]


async def test_a_stream_may_move_on_until_its_first_content_and_never_after():
    rows = [deployment("aws-small"), deployment("gcp-small", cloud="gcp", price={"input": 2, "output": 3})]
    silent = chunks(finish=False, done=False, ending=Ending.BROKEN)
    stage = await a_stage(silent, chunks("fine"), config={"deployments": rows})
    answer = await stage.gateway.answer(call(stream=True), stage.inference)
    assert answer.route == "gcp/simulated/gcp-small"
    assert b"fine" in b"".join([chunk async for chunk in answer.chunks()])

    broken = await a_stage(chunks("begun", finish=False, done=False, ending=Ending.BROKEN), config={"deployments": rows})
    answer = await broken.gateway.answer(call(stream=True), broken.inference)
    with pytest.raises(UpstreamFault):
        await drained(answer)
    [entry] = await broken.entries()
    assert entry["outcome"] == "error:upstream_error"
    assert entry["usage"]["estimated"] is True
    assert len(broken.transport.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.of_json({}, status=500), UpstreamFault),
        (Answer.of_json({}, status=429, headers={"retry-after": "7"}), NoCapacity),
        (Answer.of_json({"error": {"message": "too hot", "param": "temperature"}}, status=400), UpstreamRejected),
        (Answer(pieces=(b"<html>",)), UpstreamFault),
        (Answer(pieces=(b'{"choices": []}',)), UpstreamFault),
        (Answer.no_head(Ending.BROKEN), UpstreamFault),
        (Answer(pieces=(b'{"choi',), ending=Ending.BROKEN), UpstreamFault),
    ],
)
async def test_what_a_provider_does_wrong_is_named_recorded_and_free(answer, error):
    stage = await a_stage(answer, completion(), config=BUDGET)
    with pytest.raises(error) as caught:
        await stage.gateway.answer(call(), stage.inference)
    if error is NoCapacity:
        assert caught.value.retry_after_ms == 7_000
        stage.clock.advance(8_000)
    [entry] = await stage.entries()
    assert entry["outcome"] == f"error:{caught.value.code}"
    assert len(entry["attempts"]) == 1
    assert entry["cost_micro_usd"] == 0
    assert (await stage.gateway.answer(call(body={"max_tokens": 1_000}), stage.inference)).body


async def test_a_provider_that_hangs_is_left_in_time_and_counted():
    config = {"timeouts": {"whole_ms": 20, "first_frame_ms": 20, "stall_ms": 20}}
    stage = await a_stage(
        Answer.no_head(Ending.HANGING),
        Answer(ending=Ending.HANGING),
        chunks(finish=False, done=False, ending=Ending.HANGING),
        config=config,
    )
    for stream in (False, False, True):
        with pytest.raises(UpstreamTimeout):
            await stage.gateway.answer(call(stream=stream), stage.inference)
    assert stage.transport.given_up == 3
    assert {entry["outcome"] for entry in await stage.entries()} == {"error:upstream_timeout"}
    assert all(entry["cost_micro_usd"] > 0 for entry in await stage.entries())


async def test_a_stream_that_stalls_ends_with_an_error():
    stage = await a_stage(chunks("begun", finish=False, done=False, ending=Ending.HANGING), config={"timeouts": {"stall_ms": 20}})
    answer = await stage.gateway.answer(call(stream=True), stage.inference)
    with pytest.raises(UpstreamTimeout):
        await drained(answer)
    assert stage.transport.given_up == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_call_stops_its_provider_and_says_so(stream):
    slow = chunks("x", delay_ms=5_000) if stream else Answer.of_json({}, delay_ms=5_000)
    stage = await a_stage(slow, config=BUDGET)
    task = asyncio.create_task(stage.gateway.answer(call(stream=stream), stage.inference))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.transport.given_up == 1
    [entry] = await stage.entries()
    assert (entry["outcome"], entry["state"]) == ("cancelled", "closed")


async def test_a_stream_that_is_left_is_cancelled_and_paid_as_far_as_it_came():
    stage = await a_stage(chunks("four words of text", "never seen", piece_delay_ms=5))
    answer = await stage.gateway.answer(call(stream=True), stage.inference)
    async for chunk in answer.chunks():
        if b"four" in chunk:
            break
    await answer.aclose()
    [entry] = await stage.entries()
    assert entry["outcome"] == "cancelled"
    assert entry["usage"]["estimated"] is True
    assert entry["cost_micro_usd"] > 0
    assert stage.transport.given_up == 1


async def test_limits_refuse_with_the_limits_name_and_when_to_come_back():
    stage = await a_stage(*[completion()] * 100)
    pilot = a_principal(tier="pilot")
    for _ in range(100):
        await stage.gateway.answer(call(principal=pilot), stage.inference)
    with pytest.raises(RateLimited) as caught:
        await stage.gateway.answer(call(principal=pilot), stage.inference)
    assert "calls_per_second" in caught.value.message
    assert caught.value.retry_after_ms >= 1


async def test_a_budget_is_reserved_at_its_bound_and_settled_at_its_cost():
    """No two calls together may spend what only one of them can pay."""
    stage = await a_stage(
        Answer.of_json({}, delay_ms=5_000), completion(), config={"budgets": [{"name": "all", "tenant": "acme", "usd": 0.003}]}
    )
    first = asyncio.create_task(stage.gateway.answer(call(body={"max_tokens": 1_000}), stage.inference))
    await asyncio.sleep(0.02)
    with pytest.raises(BudgetExceeded) as caught:
        await stage.gateway.answer(call(body={"max_tokens": 1_000}), stage.inference)
    assert "budget:all" in caught.value.message
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await stage.gateway.answer(call(body={"max_tokens": 900}), stage.inference)).body


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (call(model="unheard-of"), ModelNotFound),
        (call("x" * 200_000), InvalidRequest),
        (call(body={"max_tokens": 100_000}), InvalidRequest),
    ],
)
async def test_what_cannot_be_served_is_refused_before_anything_is_spent(made, error):
    stage = await a_stage(config=BUDGET)
    with pytest.raises(error):
        await stage.gateway.answer(made, stage.inference)
    [entry] = await stage.entries()
    assert entry["outcome"].startswith("error:")
    assert entry["state"] == "closed"


async def test_a_check_decides_without_performing_and_leaves_proof():
    stage = await a_stage()
    clean = await stage.gateway.check(call("hello"))
    personal = await stage.gateway.check(call(f"mine is {SSN}"))
    secret = await stage.gateway.check(call(f"key {KEY}"))
    assert [c.decision.verdict for c in (clean, personal, secret)] == ["allow", "redact", "deny"]
    assert [c.passes for c in (clean, personal, secret)] == [True, True, False]
    assert "[REDACTED:us_ssn]" in str(personal.call.payload)
    assert stage.transport.requests == []
    assert {e["outcome"] for e in await stage.entries()} == {"checked", "denied"}


async def test_an_output_that_somebody_else_got_is_checked_as_an_output():
    """A secret in it is redacted, where in a prompt it would be denied."""
    stage = await a_stage()
    shown = replace(
        call(), payload={"model": "auto", "input": f"key {KEY}"}, parts=(Part(Surface.OUTPUT, ("input",), f"key {KEY}"),)
    )
    checked = await stage.gateway.check(shown)
    assert checked.decision.verdict == "redact"
    assert checked.call.payload["input"] == "key [REDACTED:aws_access_key_id]"


async def test_a_text_that_cannot_be_scanned_to_its_end_is_denied():
    stage = await a_stage(config={"deployments": [deployment(context_window=10**8)]})
    with pytest.raises(PolicyDenied):
        await stage.gateway.answer(call("4" * 10_000_000), stage.inference)
    [entry] = await stage.entries()
    assert "scan_incomplete" in " ".join(entry["decision"]["reasons"])


async def test_chains_of_many_calls_verify():
    stage = await a_stage(*[completion()] * 20)
    for _ in range(20):
        await stage.gateway.answer(call(), stage.inference)
    assert await stage.system.drain(5_000)
    found = await stage.system.verify_audit("acme")
    assert (found.valid, found.entries, found.open_calls) == (True, 20, 0)

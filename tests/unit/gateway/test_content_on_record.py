"""Prompts and answers are in the audit only where policy says so, and then as they passed."""

import pytest
from tests.unit.calls import a_call
from tests.unit.gateway.test_remembered_decisions import use
from tests.unit.systems import a_stage, chunks, completion

from triskel.errors import ConfigurationInvalid
from triskel.model.units import EpochMs

SSN = "536-90-4399"
RECORDED = """
@id("acme.on-record")
@obligation("redact:pii, record:content")
permit (principal, action == Triskel::Action::"chat", resource);
"""


async def recorded(stage, *, stream: bool):
    now = stage.clock.now_ms()
    call = a_call(f"mine is {SSN}", received_at_ms=now, deadline_ms=EpochMs(now + 60_000), stream=stream)
    answer = await stage.gateway.answer(call, stage.inference)
    if stream:
        assert b"".join([chunk async for chunk in answer.chunks()])
    [entry, *_] = await stage.entries()
    return entry


@pytest.mark.parametrize("stream", [False, True])
async def test_content_is_kept_where_policy_says_so(stream):
    """Redacted, of the request and of the reply, whole or streamed."""
    stage = await a_stage(chunks("yours ", "is 536-90", "-4399", ".") if stream else completion(f"yours is {SSN}."))
    await use(stage, RECORDED)
    entry = await recorded(stage, stream=stream)
    assert entry["content"] == {
        "request": {"messages.0.content": "mine is [REDACTED:us_ssn]"},
        "response": {"0.content": "yours is [REDACTED:us_ssn]."},
    }
    assert SSN not in str(entry)


async def test_content_is_not_kept_by_default():
    stage = await a_stage(completion("hello"))
    entry = await recorded(stage, stream=False)
    assert entry["content"] is None
    assert "hello" not in str(entry)
    assert entry["request_hash"]
    assert entry["response_hash"]


async def test_no_other_thing_can_be_recorded():
    stage = await a_stage()
    with pytest.raises(ConfigurationInvalid, match=r"compiled|policies"):
        await use(stage, RECORDED.replace("record:content", "record:everything"))

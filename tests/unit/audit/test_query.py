"""What people and programs see of a call."""

from tests.unit.audit.records import House, a_decision, an_intent, an_outcome

from triskel.audit.query import view
from triskel.model.decision import Obligation, Verdict
from triskel.model.finding import Facts


async def test_a_closed_call_shows_everything():
    """The whole record, in the documented form."""
    house = House()
    decision = a_decision(
        Verdict.REDACT,
        obligations=(Obligation("redact", "pii"),),
        facts=Facts(data_classes=("payment",), finding_types=("card",), finding_count=2, injection_risk=5),
    )
    opened = await house.writer.open(an_intent())
    await house.writer.close(opened, an_outcome(decision=decision, content={"answer": "x"}))
    await house.sequencer.flush()
    (entry,) = await house.entries()
    assert view(entry) == {
        "id": "aud_1",
        "call_id": "call_1",
        "state": "closed",
        "opened_at": "2025-06-15T15:06:40.000Z",
        "closed_at": "2025-06-15T15:06:40.040Z",
        "deadline_at": "2025-06-15T15:07:40.000Z",
        "principal": {"id": "ada", "kind": "agent", "tier": "pilot", "teams": ["research"], "credential": "key:k1"},
        "surface": "openai.chat",
        "kind": "model",
        "action": "chat",
        "target": {"kind": "Model", "name": "auto"},
        "effect_key": "call_1",
        "decision": {
            "id": "dec_1",
            "verdict": "redact",
            "policies": ["demo.chat"],
            "reasons": [],
            "obligations": [{"kind": "redact", "argument": "pii"}],
            "approval_teams": [],
            "shadow_policies": [],
            "errors": [],
            "bundle_hash": "b" * 64,
            "entities_hash": "e" * 64,
            "facts": {
                "input": {"data_classes": ["pii"], "finding_types": ["email"], "finding_count": 1, "injection_risk": 0},
                "output": {
                    "data_classes": ["payment"],
                    "finding_types": ["card"],
                    "finding_count": 2,
                    "injection_risk": 5,
                },
            },
        },
        "estimates": {"tokens": 70, "cost_micro_usd": 500, "clouds": ["aws", "gcp"]},
        "findings": [
            {
                "stage": "input",
                "part": "messages.0.content",
                "type": "email",
                "category": "pii",
                "start": 3,
                "end": 20,
                "confidence": 900,
                "validator": "",
                "value_hash": "f" * 64,
            }
        ],
        "outcome": "ok",
        "route": "aws/bedrock/aws-small",
        "attempts": [{"route": "aws/bedrock/aws-small", "outcome": "ok", "status": 200, "latency_ms": 30}],
        "usage": {"input_tokens": 50, "output_tokens": 20, "cached_tokens": 0, "estimated": False},
        "cost_usd": "0.000123",
        "cost_micro_usd": 123,
        "latency_ms": 40,
        "response_hash": "c" * 64,
        "content": {"answer": "x"},
        "reason": None,
        "request_hash": "d" * 64,
        "chain": {"shard": 0, "seq": 1, "hash": entry.hash, "prev_hash": "0" * 64},
    }


async def test_an_open_and_an_abandoned_call_have_the_same_form():
    """What is not known is null; nothing is missing."""
    house = House()
    await house.writer.open(an_intent())
    await house.sequencer.drain(1_000)
    house.restart("life_2")
    await house.sequencer.flush()
    opened, abandoned = (view(entry) for entry in await house.entries())
    assert (opened["state"], opened["reason"]) == ("open", None)
    assert (abandoned["state"], abandoned["reason"]) == ("abandoned", "process_gone")
    for shown in (opened, abandoned):
        assert (shown["outcome"], shown["route"], shown["usage"], shown["closed_at"]) == (None, None, None, None)
        assert shown["attempts"] == []
        assert shown["decision"]["facts"]["output"] is None


async def test_a_moment_that_has_no_date_is_null():
    """A deadline may be the end of time."""
    house = House()
    await house.writer.refuse(an_intent(deadline_ms=1 << 62), an_outcome(outcome="denied"))
    await house.sequencer.flush()
    assert view((await house.entries())[0])["deadline_at"] is None

"""The stored form of a call: stable, searchable, without texts."""

import json
from pathlib import Path

import msgspec
import pytest
from tests.unit.audit.records import a_decision, an_intent, an_outcome

from triskel.audit.record import (
    abandoned_body,
    beginning,
    closed_record,
    decode_body,
    encode,
    open_state,
    opened_record,
    parse_record,
    salted_hash,
)
from triskel.errors import Unavailable
from triskel.model.audit import EntryKind
from triskel.model.call import Target
from triskel.model.decision import Verdict

GOLDEN = Path(__file__).parents[2] / "data" / "audit_record_v1.json"


def opened_body(**given) -> bytes:
    intent = an_intent(**given)
    return parse_record(opened_record(intent, beginning(intent, "life_1"), "life_1"))[1]


def closed_body(outcome=None, **given) -> bytes:
    intent = an_intent(**given)
    return parse_record(closed_record(intent, beginning(intent, "life_1"), "life_1", outcome or an_outcome()))[1]


def test_the_stored_form_does_not_change():
    """A body of version 1 is, byte for byte, what it was when version 1 was settled."""
    assert closed_body().decode() + "\n" == GOLDEN.read_text()


def test_an_opened_body_has_the_fields_by_which_it_is_found():
    """Searchable fields stand at the top; the route is not known yet."""
    body = json.loads(opened_body())
    found = {key: body[key] for key in ("v", "epoch", "audit_id", "call_id", "principal_id", "decision_id", "verdict", "route")}
    assert found == {
        "v": 1,
        "epoch": "life_1",
        "audit_id": "aud_1",
        "call_id": "call_1",
        "principal_id": "ada",
        "decision_id": "dec_1",
        "verdict": "allow",
        "route": "",
    }
    assert body["outcome"] is None
    assert "reason" not in body


def test_a_closed_body_has_the_final_verdict_and_route():
    """What policy said about the output is what the call is found by."""
    final = a_decision(Verdict.DENY, decision_id="dec_2")
    body = json.loads(closed_body(an_outcome(decision=final)))
    assert (body["verdict"], body["decision_id"], body["route"]) == ("deny", "dec_2", "aws/bedrock/aws-small")
    assert body["intent"]["decision"]["verdict"] == "allow"


def test_a_body_is_read_back_whole():
    """Intent and outcome come back equal to what was written."""
    outer, intent, outcome = decode_body(closed_body())
    assert (outer.audit_id, intent, outcome) == ("aud_1", an_intent(), an_outcome())
    assert decode_body(opened_body())[1:] == (an_intent(), None)


def test_a_header_says_what_the_sequencer_must_know():
    """Without a look into the body."""
    intent = an_intent()
    begun = beginning(intent, "life_1")
    opened, _ = parse_record(opened_record(intent, begun, "life_1"))
    closed, _ = parse_record(closed_record(intent, begun, "life_1", an_outcome()))
    assert (opened.kind, opened.audit_id, opened.epoch) == (EntryKind.OPENED, "aud_1", "life_1")
    assert (opened.at_ms, opened.deadline_ms) == (intent.opened_at_ms, intent.deadline_ms)
    assert (closed.kind, closed.at_ms) == (EntryKind.CLOSED, an_outcome().closed_at_ms)


def test_an_abandoned_body_is_the_opened_one_with_a_reason():
    """Nothing else changes."""
    body = json.loads(abandoned_body(opened_body(), "process_gone"))
    assert body.pop("reason") == "process_gone"
    assert body == json.loads(opened_body())


def test_an_open_call_says_until_when_it_may_take():
    """And in which life of the process it was opened."""
    state = open_state(opened_body())
    assert (state.epoch, state.intent.deadline_ms) == ("life_1", an_intent().deadline_ms)


def test_half_a_surrogate_pair_is_put_on_record():
    """A client's text that no UTF-8 can carry does not keep its call from being recorded."""
    name = "gpt\ud800"
    _, intent, outcome = decode_body(
        closed_body(an_outcome(content={"k\udfff": ["a\ud800"]}), target=Target(kind="Model", name=name))
    )
    assert intent.target.name == "gpt?"
    assert outcome is not None
    assert outcome.content == {"k?": ["a?"]}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"v":"1"}'])
def test_a_body_that_nobody_wrote_is_told(body):
    """As Unavailable, not as a crash."""
    with pytest.raises(Unavailable, match="cannot be read"):
        decode_body(body)


def test_a_later_version_is_told():
    """An older program does not guess."""
    with pytest.raises(Unavailable, match="later version"):
        decode_body(opened_body().replace(b'"v":1', b'"v":2', 1))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]\n{}", b"no header\n{}", b'["closed"]\n{}'])
def test_what_is_no_record_is_told(data):
    """As ValueError, for the sequencer."""
    with pytest.raises(ValueError):
        parse_record(data)


def test_a_salted_hash_depends_on_salt_and_value():
    """64 digits; the same for the same, and another for anything else."""
    assert salted_hash(b"salt", b"value") == salted_hash(b"salt", b"value")
    hashes = {salted_hash(salt, value) for salt in (b"", b"salt", b"pepper") for value in (b"", b"value", b"other")}
    assert len(hashes) == 9
    assert {len(digits) for digits in hashes} == {64}


def test_value_hashes_are_not_shown():
    """A finding on record does not print its hash."""
    assert "f" * 64 not in repr(an_intent().findings)
    assert "f" * 64 in encode(an_intent()).decode()


def test_encoding_is_compact_json():
    """Two programs that encode the same record write the same bytes."""
    assert encode({"a": [1, "ü"]}) == msgspec.json.encode({"a": [1, "ü"]}) == '{"a":[1,"ü"]}'.encode()

"""Requests against a schema."""

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.cedar.oracle import request_of

from triskel.policy.cedar.evaluator import Evaluator
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import Attribute, Schema, SchemaInvalid, Type
from triskel.policy.cedar.schema_text import parse_schema
from triskel.policy.cedar.values import LONG_MAX, Fault, Uid
from triskel.policy.packs import schema_source

TEXT = """
namespace Shop {
  type Money = { amount: Long, currency?: String };
  entity Group in [Region];
  entity Region;
  entity Mood enum ["glad", "sad"];
  entity User in [Group] = { name: String, level: Long, mood?: Mood, wallet?: Money, friends?: Set<User> } tags Long;
  entity Item = { price: Money, labels: Set<String>, bits: Set<Bool>, wallets: Set<Money> };
  entity Ghost;
  type Context = {
    urgent: Bool, note?: String, limit?: decimal, from?: ipaddr, since?: datetime, within?: duration, @late score: Long,
    nested?: { inner: Set<Set<Long>> },
  };
  action "see", "touch" in ["anything"] appliesTo { principal: [User], resource: [Item, User], context: Context };
  action "anything";
}
"""
SCHEMA = parse_schema(TEXT)
THEIRS = cedarpy.Schema.from_str(TEXT)

ATTRIBUTES = {
    "Shop::User": ("name", "level", "mood", "wallet", "friends", "more"),
    "Shop::Item": ("price", "labels", "bits", "wallets"),
}
CONTEXT = ("urgent", "note", "limit", "from", "since", "within", "score", "nested", "more")


def entity(kind, name):
    return {"__entity": {"type": f"Shop::{kind}", "id": name}}


def extension(function, argument):
    return {"__extn": {"fn": function, "arg": argument}}


money = st.fixed_dictionaries({"amount": st.integers(0, 9)}, optional={"currency": st.just("usd")})
right = {
    "name": st.just("n"),
    "level": st.sampled_from((0, -5, LONG_MAX)),
    "mood": st.just(entity("Mood", "glad")),
    "wallet": money,
    "friends": st.lists(st.just(entity("User", "v")), max_size=2),
    "price": money,
    "labels": st.lists(st.sampled_from(("x", "y")), max_size=2, unique=True),
    "bits": st.lists(st.booleans(), max_size=2, unique=True),
    "wallets": st.lists(money, max_size=1),
    "urgent": st.booleans(),
    "note": st.just("n"),
    "limit": st.just(extension("decimal", "1.0")),
    "from": st.just(extension("ip", "::1")),
    "since": st.just(extension("datetime", "2024-01-01")),
    "within": st.just(extension("duration", "1h")),
    "score": st.integers(0, 1000),
    "nested": st.fixed_dictionaries({"inner": st.lists(st.lists(st.integers(0, 3), max_size=2), max_size=2)}),
    "more": st.just(1),
}
anything = st.one_of(
    *right.values(), st.just({"amount": "x"}), st.just({"amount": 1, "more": 2}), st.just({}), st.just([1, 2]), st.just([["x"]])
)


usually = st.sampled_from((True,) * 19 + (False,))
oddly = st.sampled_from(("absent", "odd", "right"))


@st.composite
def records(draw, names):
    """Mostly what the schema wants, sometimes not."""
    found = {}
    for name in names:
        choice = draw(st.sampled_from(("absent",) if name == "more" else ("right",)) if draw(usually) else oddly)
        if choice != "absent":
            found[name] = draw(right[name] if choice == "right" else anything)
    return found


@st.composite
def requests(draw):
    """A request about two described entities."""
    kind = "Item" if draw(usually) else draw(st.sampled_from(("User", "Ghost")))
    parent = {"type": f"Shop::{'Group' if draw(usually) else draw(st.sampled_from(('Region', 'Item')))}", "id": "g"}
    user = {
        "uid": {"type": "Shop::User", "id": "u"},
        "attrs": draw(records(ATTRIBUTES["Shop::User"])),
        "parents": draw(st.sampled_from(([], [parent]))),
        "tags": {"a": 1} if draw(usually) else {"a": "x"},
    }
    resource = {
        "uid": {"type": f"Shop::{kind}", "id": "r"},
        "attrs": draw(records(ATTRIBUTES.get(f"Shop::{kind}", ()))),
        "parents": [],
    }
    return {
        "principal": user["uid"],
        "action": {"type": "Shop::Action", "id": "see" if draw(usually) else draw(st.sampled_from(("touch", "anything", "fly")))},
        "resource": resource["uid"],
        "context": draw(records(CONTEXT)),
        "entities": [user, resource],
    }


def accepts(request) -> bool:
    """Whether the reference implementation takes the request as well typed."""
    question = {part: request[part] for part in ("principal", "action", "resource", "context")}
    result = cedarpy.is_authorized(question, "permit (principal, action, resource);", request["entities"], schema=THEIRS)
    return result.decision is not cedarpy.Decision.NoDecision


@settings(max_examples=150, deadline=None)
@given(requests())
def test_takes_the_requests_that_cedar_takes(request):
    """A request is refused where Cedar refuses it against the same schema, and only there."""
    fault = Evaluator(SCHEMA, []).fault(request_of(request))
    assert (fault is None) is accepts(request), fault


def test_survives_its_document():
    """A schema read back from a bundle checks the same things."""
    again = Schema.from_document(SCHEMA.to_document())
    assert again.to_document() == SCHEMA.to_document()
    assert (again.entities, again.actions) == (SCHEMA.entities, SCHEMA.actions)


@pytest.mark.parametrize("text", [TEXT, schema_source().text], ids=["own", "shipped"])
def test_reads_schemas_however_they_are_written(text):
    """A schema and the same schema as Cedar's formatter writes it are one."""
    again = parse_schema(str(cedarpy.Schema.from_str(text)))
    assert parse_schema(text).to_document() == again.to_document()


def test_a_schema_without_a_namespace():
    """Quoted names, comments, groups of groups, and extension types by their full name."""
    schema = parse_schema("""
        // "not a string
        entity A, B in [A] { "odd name"?: __cedar::decimal };
        action "x y" in [g] appliesTo { principal: A, resource: [A, B,], context: {} };
        action g in Action::"h";
        action h;
    """)
    assert schema.entities["B"].attributes == {"odd name": Attribute(Type("decimal"), required=False)}
    assert schema.actions[Uid("Action", "x y")].ancestors == {Uid("Action", "g"), Uid("Action", "h")}
    assert schema.actions[Uid("Action", "x y")].resources == ("A", "B")


@pytest.mark.parametrize(
    "text",
    ["entity", "entity A", "entity A = { b: C };", "action a in b;", "action a in a;", "thing A;", "type T = T; entity A = { a: T };",
     "entity A in [B];", "namespace N { entity A", "entity A = " + "{ a: " * 40 + "Long" + " }" * 40 + ";"],
)  # fmt: skip
def test_what_is_no_schema_is_refused(text):
    """With one error, however it is wrong."""
    with pytest.raises(SchemaInvalid):
        parse_schema(text)


USER = Entity(Uid("Shop::User", "u"), {"name": "n", "level": 1})
ITEM = Entity(
    Uid("Shop::Item", "i"), {"price": {"amount": 1}, "labels": frozenset(), "bits": frozenset(), "wallets": frozenset()}
)
SEE = Uid("Shop::Action", "see")


@pytest.mark.parametrize(
    ("context", "fault"),
    [
        ({"score": 1}, "context: attribute `urgent` is missing"),
        ({"score": "high", "urgent": True}, "context: attribute `score` must be Long, not String"),
        ({"score": True, "urgent": True}, "context: attribute `score` must be Long, not Bool"),
        ({"score": 2**63, "urgent": True}, "context: attribute `score` does not fit in 64 bits"),
        ({"score": 1.5, "urgent": True}, "context: attribute `score` must be Long, not no Cedar value"),
        ({"score": 1, "urgent": True, "colour": "x"}, "context: attribute `colour` is not in the schema"),
        (
            {"score": 1, "urgent": True, "nested": {"inner": [1]}},
            "context: attribute `nested.inner` must be Set<Set<Long>>, not no Cedar value",
        ),
    ],
)
def test_says_what_is_wrong(context, fault):
    """The attribute and the types, and no value."""
    assert Evaluator(SCHEMA, []).fault(Request(USER, SEE, ITEM, context)) == fault


def test_late_attributes_may_be_missing_early():
    """Before the scan, and only then, what only a scan tells may be missing; the rest may not."""
    evaluator = Evaluator(SCHEMA, [])
    assert evaluator.fault(Request(USER, SEE, ITEM, {"urgent": True}), early=True) is None
    assert evaluator.fault(Request(USER, SEE, ITEM, {"score": 1}), early=True) == "context: attribute `urgent` is missing"
    assert evaluator.fault(Request(USER, SEE, ITEM, {"urgent": True})) == "context: attribute `score` is missing"


def test_a_malformed_request_is_denied():
    """Without a policy being asked."""
    evaluation = Evaluator(SCHEMA, []).evaluate(Request(USER, SEE, ITEM, {}))
    assert (evaluation.allowed, evaluation.errors) == (False, ("request: context: attribute `score` is missing",))


def test_other_entities_are_checked_too():
    """An entity that policies may reach through an attribute is of its type, or the request is refused."""
    friend = Entity(Uid("Shop::User", "v"), {"name": 7, "level": 1})
    request = Request(USER, SEE, ITEM, {"urgent": True, "score": 1}, {friend.uid: friend})
    assert Evaluator(SCHEMA, []).fault(request) == "Shop::User: attribute `name` must be String, not Long"


@pytest.mark.parametrize("value", [1.5, None, 2**63, {"__entity": {"type": "T"}}, {"__extn": {"fn": "eval", "arg": "1"}}])
def test_json_without_a_cedar_value_is_refused(value):
    """Floats, nulls, integers beyond 64 bits and unknown escapes."""
    document = {"principal": {"type": "A", "id": "a"}, "resource": {"type": "A", "id": "a"}, "entities": []}
    with pytest.raises(Fault):
        request_of({**document, "action": {"type": "A", "id": "a"}, "context": {"x": value}})

"""Deciding: shadow policies, obligations, errors, and what can be said before the scan."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.cedar.oracle import SCHEMA, evaluator_of

from triskel.policy.cedar.evaluator import Evaluation, Evaluator
from triskel.policy.cedar.policy import ScopeIndex, scope_matches
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import ActionType, Attribute, EntityType, Schema, Type
from triskel.policy.cedar.values import Uid

READ = Uid("Action", "read")
ALICE = Entity(Uid("User", "alice"), {}, frozenset({Uid("Group", "staff")}))
DOC = Entity(Uid("Doc", "d"))


def ask(policies, **context) -> Evaluation:
    """What the policies say of Alice reading the document."""
    return evaluator_of(policies).evaluate_untyped(Request(ALICE, READ, DOC, context))


def test_nothing_permits_nothing():
    """Default deny, without policy ids."""
    assert ask("") == Evaluation(allowed=False)


def test_a_forbid_beats_every_permit():
    """And only forbids determine then."""
    policies = '@id("p") permit (principal, action, resource); @id("f") forbid (principal, action, resource);'
    assert ask(policies) == Evaluation(allowed=False, policy_ids=("f",))


def test_an_error_denies():
    """Although a permit holds; Cedar itself would skip the policy that errs."""
    policies = (
        '@id("p") permit (principal, action, resource); @id("e") permit (principal, action, resource) when { context.gone };'
    )
    assert ask(policies) == Evaluation(allowed=False, errors=("e: attribute `gone` is missing",))


def test_an_error_does_not_hide_a_forbid():
    """The forbid determines, and the error is told."""
    policies = (
        '@id("f") forbid (principal, action, resource); @id("e") permit (principal, action, resource) when { context.n < "x" };'
    )
    assert ask(policies, n=1) == Evaluation(False, ("f",), ("e: type error: expected Long, got String",))


def test_an_error_outside_the_scope_is_none():
    """A policy whose head does not hold the request is not evaluated."""
    policies = (
        '@id("p") permit (principal, action, resource); @id("e") forbid (principal == User::"bob", action, resource) when { 1 };'
    )
    assert ask(policies).allowed


def test_errors_name_no_values():
    """What a request holds stays out of the record."""
    evaluation = ask('@id("e") permit (principal, action, resource) when { context.name < 3 };', name="sesame")
    assert evaluation.errors == ("e: type error: expected Long, got String",)


def test_obligations_of_all_determining_permits_unite():
    """Sorted, once each, with the teams; those of permits that do not hold are left out."""
    policies = """
        @id("a") @obligation("redact:pii; redact:payment") permit (principal, action, resource);
        @id("b") @obligation("warn:look, redact:pii") @approval("legal, finance") permit (principal, action, resource);
        @id("c") @obligation("redact:secret") permit (principal, action, resource) when { context.no };
    """
    evaluation = ask(policies, no=False)
    assert evaluation.policy_ids == ("a", "b")
    assert evaluation.obligations == (("redact", "payment"), ("redact", "pii"), ("warn", "look"))
    assert evaluation.approval_teams == ("finance", "legal")


@pytest.mark.parametrize(
    ("policies", "allowed", "shadow"),
    [
        (
            '@id("p") permit (principal, action, resource); @id("s") @mode("shadow") forbid (principal, action, resource);',
            True,
            ("s",),
        ),
        ('@id("s") @mode("shadow") permit (principal, action, resource);', False, ("s",)),
        (
            '@id("f") forbid (principal, action, resource); @id("s") @mode("shadow") permit (principal, action, resource);',
            False,
            (),
        ),
        (
            '@id("p") permit (principal, action, resource); @id("s") @mode("shadow") permit (principal, action, resource);',
            True,
            ("s",),
        ),
    ],
)
def test_shadow_policies_are_reported_and_not_enforced(policies, allowed, shadow):
    """Reported are those that would determine if all were enforced."""
    evaluation = ask(policies)
    assert (evaluation.allowed, evaluation.shadow_policy_ids) == (allowed, shadow)


def test_a_shadow_error_denies_nothing():
    """It is reported apart."""
    evaluation = ask(
        '@id("p") permit (principal, action, resource); @id("s") @mode("shadow") forbid (principal, action, resource) when { 1 };'
    )
    assert (evaluation.allowed, evaluation.errors, evaluation.shadow_errors) == (
        True,
        (),
        ("s: type error: expected Bool, got Long",),
    )


# The precheck. `risk` is late in this schema, `tier` is not.

TYPED = Schema(
    {"User": EntityType(("Group",)), "Group": EntityType(), "Doc": EntityType()},
    {READ: ActionType(("User",), ("Doc",), {"tier": Attribute(Type("String")), "risk": Attribute(Type("Long"), late=True)})},
)
EARLY = Request(ALICE, READ, DOC, {"tier": "pilot"})


def typed(policies) -> Evaluator:
    """The evaluator under the schema with a late attribute."""
    return Evaluator(TYPED, evaluator_of(policies, frozenset({"risk"})).policies)


FORBID, PERMIT = '@id("f") forbid (principal, action, resource)', '@id("p") permit (principal, action, resource)'


@pytest.mark.parametrize(
    ("policies", "denial"),
    [
        (f"{PERMIT};", None),
        ("", Evaluation(allowed=False)),
        (f"{PERMIT}; {FORBID};", Evaluation(False, ("f",))),
        (f'{PERMIT}; {FORBID} when {{ context.tier == "pilot" }};', Evaluation(False, ("f",))),
        (f"{PERMIT}; {FORBID} when {{ context.risk > 5 }};", None),
        (f'{PERMIT}; {FORBID} when {{ context.tier == "pilot" && context.risk > 5 }};', None),
        (f"{PERMIT} when {{ context.risk < 5 }};", None),
        (f'{PERMIT} when {{ context.risk < 5 && context.tier == "gold" }};', Evaluation(allowed=False)),
        (f'{PERMIT} when {{ context.tier == "gold" }};', Evaluation(allowed=False)),
        (f"{PERMIT} when {{ context has risk }};", None),
        (f"{PERMIT} when {{ context == {{}} }};", None),
        (f"{PERMIT}; {FORBID} when {{ context.tier < 1 }};", Evaluation(False, (), ("f: type error: expected Long, got String",))),
        (f"{PERMIT} when {{ context.tier < 1 }};", None),
        (f'@mode("shadow") {PERMIT};', Evaluation(allowed=False)),
        (f'{PERMIT}; @mode("shadow") {FORBID};', None),
    ],
)  # fmt: skip
def test_before_the_scan_only_certainty_denies(policies, denial):
    """A condition on a late attribute is unknown: it neither permits nor forbids yet."""
    assert typed(policies).precheck(EARLY) == denial


def test_the_precheck_never_denies_what_the_evaluation_allows():
    """Whatever the late attribute turns out to be."""
    for policies in (f"{PERMIT} when {{ context.risk < 5 }};", f"{PERMIT}; {FORBID} unless {{ context.risk < 5 }};"):
        evaluator = typed(policies)
        assert evaluator.evaluate(EARLY._replace(context={"tier": "pilot", "risk": 1})).allowed
        assert evaluator.precheck(EARLY) is None


CONDITIONS = st.lists(
    st.sampled_from(
        ('context.tier == "pilot"', 'context.tier == "gold"', "context.risk > 5", "!(context.risk > 5)", "context has risk",
         'context.tier == "gold" || context.risk < 3', "context.tier < 1", "context.risk + 9223372036854775807 > 0")
    ),
    max_size=3,
)  # fmt: skip
POLICIES = st.lists(st.tuples(st.sampled_from(("permit", "permit", "forbid")), CONDITIONS), max_size=5)


@settings(max_examples=100, deadline=None)
@given(POLICIES)
def test_the_precheck_denies_only_what_is_denied_anyway(policies):
    """Whatever a late attribute turns out to be, and whatever the policies."""
    text = "\n".join(
        f"{effect} (principal, action, resource) {' '.join(f'when {{ {c} }}' for c in when)};" for effect, when in policies
    )
    evaluator = typed(text)
    if evaluator.precheck(EARLY) is not None:
        for risk in (0, 4, 9):
            assert not evaluator.evaluate(EARLY._replace(context={"tier": "pilot", "risk": risk})).allowed


def test_a_malformed_request_is_denied_early():
    """Before any policy runs."""
    denial = typed(f"{PERMIT};").precheck(EARLY._replace(context={}))
    assert denial == Evaluation(False, errors=("request: context: attribute `tier` is missing",))


def test_an_unknown_action_is_denied():
    """Nothing permits what the schema does not know."""
    evaluation = typed(f"{PERMIT};").evaluate(EARLY._replace(action=Uid("Action", "fly")))
    assert evaluation == Evaluation(False, errors=('request: the schema has no action Action::"fly"',))


def test_caches_do_not_confuse_entities():
    """An entity that looks like an earlier one but is in other groups gets its own decision."""
    evaluator = typed('@id("p") permit (principal in Group::"staff", action, resource);')
    request = EARLY._replace(context={"tier": "pilot", "risk": 1})
    for _ in range(2):
        assert evaluator.evaluate(request).allowed
        assert not evaluator.evaluate(request._replace(principal=ALICE._replace(ancestors=frozenset()))).allowed


def test_the_index_matches_what_each_scope_matches():
    """Bits of the index and scopes one by one are the same, for every kind of scope."""
    evaluator = evaluator_of(
        "\n".join(
            f"permit ({head}, action, resource);"
            for head in (
                "principal", 'principal == User::"alice"', 'principal == User::"bob"', 'principal in Group::"staff"',
                'principal in User::"alice"', "principal is User", "principal is Doc", 'principal is User in Group::"staff"',
                'principal is Doc in Group::"staff"', 'principal is User in Group::"other"',
            )
        )
    )  # fmt: skip
    scopes = [policy.principal for policy in evaluator.policies]
    for entity in (ALICE, DOC, Entity(Uid("User", "bob")), Entity(Uid("Group", "staff"))):
        mask = ScopeIndex(scopes).mask(entity.uid, entity.ancestors)
        expected = [scope_matches(scope, entity.uid, entity.ancestors) for scope in scopes]
        assert [bool(mask >> i & 1) for i in range(len(scopes))] == expected


def test_actions_match_through_their_groups():
    """`in` reaches the members of a group, `==` only itself."""
    policies = """
        @id("eq") permit (principal, action == Action::"all", resource);
        @id("in") permit (principal, action in Action::"all", resource);
        @id("list") permit (principal, action in [Action::"read"], resource);
    """
    assert ask(policies).policy_ids == ("in", "list")
    assert set(SCHEMA.action_ancestors[READ]) == {Uid("Action", "all")}

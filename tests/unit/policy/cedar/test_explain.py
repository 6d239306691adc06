"""Why, policy by policy."""

import pytest
from hypothesis import given, settings
from tests.unit.policy.cedar import generated
from tests.unit.policy.cedar.oracle import evaluator_of, request_of

from triskel.policy.cedar.explain import ERRED, FAILED, HELD, NOT_REACHED, explain
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.values import Uid

ALICE = Entity(Uid("User", "alice"), {}, frozenset({Uid("Group", "staff")}))
REQUEST = Request(ALICE, Uid("Action", "read"), Entity(Uid("Doc", "d")), {"risk": 700, "tier": "pilot"})


def why(policy, request=REQUEST):
    """The explanation of the one policy."""
    (found,) = explain(evaluator_of(policy), request)
    return found


def test_says_what_held_and_what_failed():
    """Each condition as its author would write it."""
    found = why('@id("x") forbid (principal, action, resource) when { context.tier == "pilot" && context.risk >= 900 };')
    assert (found.policy_id, found.effect, found.enforced, found.holds) == ("x", "forbid", True, False)
    assert [(atom.text, atom.outcome) for atom in found.atoms] == [
        ('context.tier == "pilot"', HELD),
        ("context.risk >= 900", FAILED),
    ]


def test_says_what_each_part_of_the_head_held():
    """Also for policies out of scope."""
    found = why('permit (principal in Group::"staff", action == Action::"all", resource is Doc in Group::"g");')
    assert found.scope == (
        ('principal in Group::"staff"', True),
        ('action == Action::"all"', False),
        ('resource is Doc in Group::"g"', False),
    )
    assert (found.in_scope, found.holds) == (False, False)
    assert why('permit (principal, action in [Action::"read", Action::"all"], resource);').scope[1] == (
        'action in [Action::"read", Action::"all"]',
        True,
    )


def test_says_what_erred():
    """And which attribute was missing; a policy that errs neither holds nor fails."""
    found = why("permit (principal, action, resource) when { context.gone > 1 };")
    assert found.holds is None
    assert (found.atoms[0].outcome, found.atoms[0].error) == (ERRED, "attribute `gone` is missing")


def test_what_a_failed_condition_guards_is_not_an_error():
    """It was never reached."""
    found = why("permit (principal, action, resource) when { context has gone && context.gone > 1 };")
    assert [atom.outcome for atom in found.atoms] == [FAILED, NOT_REACHED]
    assert found.holds is False


def test_alternatives_are_told_apart():
    """Which of them held."""
    (atom,) = why('permit (principal, action, resource) when { context.risk > 900 || context.tier == "pilot" };').atoms
    assert (atom.outcome, [part.outcome for part in atom.parts]) == (HELD, [FAILED, HELD])


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_shadow_policies_are_explained_too(mode):
    """And marked."""
    assert why(f'@mode("{mode}") permit (principal, action, resource);').enforced is (mode == "enforce")


@settings(max_examples=40, deadline=None)
@given(generated.policy_sets, generated.requests())
def test_agrees_with_the_decision(policies, request):
    """What an explanation says of each policy is what decided."""
    evaluator, asked = evaluator_of(policies), request_of(request)
    evaluation = evaluator.evaluate_untyped(asked)
    found = explain(evaluator, asked)
    assert [e.policy_id for e in found if e.holds is None] == sorted(error.partition(":")[0] for error in evaluation.errors)
    forbids = tuple(e.policy_id for e in found if e.holds and e.effect == "forbid")
    permits = tuple(e.policy_id for e in found if e.holds and e.effect == "permit")
    assert evaluation.policy_ids == (forbids or (() if evaluation.errors else permits))

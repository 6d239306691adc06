"""What a policy can see of a call."""

import pytest

from triskel.model.call import Action
from triskel.model.finding import Category, Facts
from triskel.model.principal import Principal, PrincipalKind
from triskel.policy.cedar.annotations import DATA_CLASSES
from triskel.policy.cedar.request import Request
from triskel.policy.cedar.values import Uid
from triskel.policy.packs import load_pack
from triskel.policy.subjects import (
    ACTIONS,
    INPUT,
    call_context,
    control_context,
    early_context,
    principal_entity,
    resource_entity,
    tenant_uid,
)

SCHEMA = load_pack("platform").evaluator.schema
ACME = tenant_uid("acme")


def principal(kind=PrincipalKind.USER, teams=("search", "ads")):
    return Principal(tenant_id="acme", principal_id="ann", kind=kind, tier="pilot", credential="key:k", teams=teams)


def test_actions_are_those_of_the_schema():
    """And every action of a call is one of them."""
    assert set(ACTIONS.values()) == set(SCHEMA.actions)
    assert {action.value for action in Action} <= set(ACTIONS)


def test_data_classes_are_those_of_the_model():
    """A policy can redact what a scan can find."""
    assert tuple(category.value for category in Category) == DATA_CLASSES


@pytest.mark.parametrize(("now_ms", "hour", "weekday"), [(0, 0, 4), (1_750_000_000_000, 15, 7), (1_750_040_000_000, 2, 1)])
def test_the_context_tells_the_time(now_ms, hour, weekday):
    """Hour of the day and day of the week, in UTC."""
    context = control_context(surface="native", tier="pilot", now_ms=now_ms)
    assert (context["time_ms"], context["hour_utc"], context["weekday_utc"]) == (now_ms, hour, weekday)


def test_a_principal_is_in_its_teams_and_its_tenant():
    """With the attributes that the schema wants."""
    entity = principal_entity(principal())
    assert entity.uid == Uid("Triskel::User", "ann")
    assert entity.ancestors == {ACME, Uid("Triskel::Team", "search"), Uid("Triskel::Team", "ads")}
    assert entity.attributes == {"tenant": ACME, "tier": "pilot", "teams": {"search", "ads"}}
    assert principal_entity(principal()) is entity


CALLS = [
    ("chat", resource_entity("Model", "small")),
    ("embed", resource_entity("Deployment", "aws-small", None, (("Model", "small"), ("Cloud", "aws")))),
    ("invoke_tool", resource_entity("Tool", "search", "acme", (("Connector", "web"),))),
    ("message_agent", resource_entity("Agent", "helper", "acme")),
    ("run_plan", resource_entity("Plan", "report")),
    ("run_step", resource_entity("Plan", "report")),
]
CONTROLS = [
    ("approve", resource_entity("Connector", "web")),
    ("read_audit", resource_entity("AuditLog", "acme")),
    ("administer", resource_entity("Tenant", "acme")),
]


@pytest.mark.parametrize("kind", PrincipalKind)
@pytest.mark.parametrize(("action", "resource"), CALLS, ids=[action for action, _ in CALLS])
def test_every_call_fits_the_schema(kind, action, resource):
    """Before the scan and after it, with all that may be known."""
    early = early_context(stage=INPUT, surface="native", tier="pilot", now_ms=0)
    facts = Facts(data_classes=("pii",), finding_types=("email",), finding_count=1, injection_risk=5)
    late = call_context(early, facts, token_estimate=9, cost_estimate=9, clouds=frozenset({"aws"}), budget_left=1, region="eu")
    evaluator = load_pack("platform").evaluator
    asked = Request(principal_entity(principal(kind)), ACTIONS[action], resource, early)
    assert evaluator.fault(asked, early=True) is None
    assert evaluator.fault(asked._replace(context=late)) is None
    assert evaluator.fault(asked._replace(context=call_context(early, Facts()))) is None


@pytest.mark.parametrize(("action", "resource"), CONTROLS, ids=[action for action, _ in CONTROLS])
def test_every_control_fits_the_schema(action, resource):
    """What is asked about the house itself."""
    context = control_context(surface="native", tier="pilot", now_ms=0)
    asked = Request(principal_entity(principal()), ACTIONS[action], resource, context)
    assert load_pack("platform").evaluator.fault(asked) is None

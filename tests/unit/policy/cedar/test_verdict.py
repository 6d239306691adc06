"""Two layers of policy make one verdict."""

import pytest

from triskel.errors import ConfigurationInvalid
from triskel.model.decision import Obligation, Verdict
from triskel.model.finding import Facts
from triskel.model.principal import Principal, PrincipalKind
from triskel.policy.bundle import bundle_hash, compile_bundle, load_bundle
from triskel.policy.cedar.request import Request
from triskel.policy.cedar.source import Source
from triskel.policy.packs import schema_source
from triskel.policy.subjects import ACTIONS, INPUT, call_context, early_context, principal_entity, resource_entity
from triskel.policy.tool_arguments import declare_tools, tool_arguments
from triskel.policy.verdict import Layers

HEAD = '(principal, action == Triskel::Action::"chat", resource)'
ANN = Principal(
    tenant_id="acme", principal_id="ann", kind=PrincipalKind.USER, tier="pilot", credential="key:k", teams=("search",)
)
EARLY = early_context(stage=INPUT, surface="openai.chat", tier="pilot", now_ms=1_750_000_000_000)
FOUND = Facts(data_classes=("pii",), finding_types=("email",), finding_count=1)


def bundle(text, layer, schema=None):
    document = compile_bundle([Source("p.cedar", text)], schema or schema_source(), layer=layer)
    return load_bundle(document, bundle_hash(document))


def layers(tenant, platform="permit {head};"):
    """The layers of these policies; `{head}` is a chat by anybody with anything."""
    texts = [f'@id("{name}") {text}'.replace("{head}", HEAD) for name, text in (("platform.p", platform), ("t", tenant))]
    return Layers(bundle(texts[0], "platform"), bundle(texts[1], "tenant"))


def request(facts=FOUND, **quote):
    return Request(principal_entity(ANN), ACTIONS["chat"], resource_entity("Model", "small"), call_context(EARLY, facts, **quote))


@pytest.mark.parametrize(
    ("platform", "tenant", "verdict"),
    [
        ("permit {head};", "permit {head};", Verdict.ALLOW),
        ("permit {head};", "forbid {head};", Verdict.DENY),
        ("forbid {head};", "permit {head};", Verdict.DENY),
        ("permit {head};", "permit {head} when { false };", Verdict.DENY),
        ("permit {head} when { false };", "permit {head};", Verdict.DENY),
        ("permit {head};", '@obligation("warn:w") permit {head};', Verdict.WARN),
        ('@obligation("warn:w") permit {head};', '@obligation("redact:pii") permit {head};', Verdict.REDACT),
        ('@obligation("redact:pii") permit {head};', '@approval("finance") permit {head};', Verdict.NEEDS_APPROVAL),
        ('@approval("finance") permit {head};', "forbid {head};", Verdict.DENY),
    ],
)
def test_the_strictest_word_of_either_layer_wins(platform, tenant, verdict):
    """deny > needs approval > redact > warn > allow."""
    assert layers(tenant, platform).evaluate(request()).verdict is verdict


def test_obligations_of_both_layers_unite():
    """Once each, sorted, whatever the verdict that allows."""
    outcome = layers(
        '@obligation("redact:pii, warn:t") permit {head};', '@obligation("redact:secret, redact:pii") permit {head};'
    ).evaluate(request())
    assert outcome.obligations == (Obligation("redact", "pii"), Obligation("redact", "secret"), Obligation("warn", "t"))
    assert outcome.redacts == {"pii", "secret"}
    assert outcome.policy_ids == ("platform.p", "t")


def test_redaction_is_the_verdict_where_there_is_something_to_redact():
    """Otherwise it stands as an obligation for what is still to come."""
    found = layers('@obligation("redact:pii, warn:w") permit {head};')
    assert found.evaluate(request()).verdict is Verdict.REDACT
    outcome = found.evaluate(request(Facts()))
    assert (outcome.verdict, outcome.redacts) == (Verdict.WARN, {"pii"})


def test_one_permit_with_an_approval_is_enough_to_need_it():
    """A general permit beside it does not waive it, and the teams of all unite."""
    text = """permit {head};
        @id("big") @approval("finance") permit {head} when { context.cost_estimate > 100 };
        @id("huge") @approval("board, finance") permit {head} when { context.cost_estimate > 1000 };"""
    found = layers(text)
    assert found.evaluate(request(cost_estimate=5)).verdict is Verdict.ALLOW
    big, huge = found.evaluate(request(cost_estimate=500)), found.evaluate(request(cost_estimate=5000))
    assert (big.verdict, big.approval_teams, big.reasons) == (
        Verdict.NEEDS_APPROVAL,
        ("finance",),
        ("needs the approval of finance",),
    )
    assert huge.approval_teams == ("board", "finance")


def test_a_denial_says_why():
    """By the descriptions of its policies, or by the layer that permits nothing."""
    described = layers('@description("No chats today.") forbid {head};', "permit {head} when { false };").evaluate(request())
    assert described.reasons == ("no policy of the platform permits this", "No chats today.")
    assert layers("forbid {head};").evaluate(request()).reasons == ("forbidden by `t`",)
    assert (described.obligations, described.approval_teams, described.policy_ids) == ((), (), ("t",))


def test_an_error_in_either_layer_denies():
    """And says in which."""
    text = "permit {head} when { context.finding_count + 9223372036854775807 > 0 };"
    for outcome in (layers(text).evaluate(request()), layers("permit {head};", text).evaluate(request())):
        assert (outcome.verdict, len(outcome.errors)) == (Verdict.DENY, 1)
        assert outcome.reasons[0].endswith("could not be evaluated")


def test_a_request_that_fits_no_schema_is_denied():
    """Once, although both layers would say so."""
    wrong = request()._replace(context={**EARLY, "data_classes": ["pii"]})
    outcome = layers("permit {head};").evaluate(wrong)
    assert (outcome.verdict, outcome.errors) == (Verdict.DENY, ("request: context: attribute `clouds` is missing",))


def test_the_tenant_is_asked_early_too():
    """Before the scan, either layer may know enough to deny."""
    early = request()._replace(context=EARLY)
    assert layers('permit {head} when { context.tier == "gold" };').precheck(early).verdict is Verdict.DENY
    assert layers("permit {head};", 'forbid {head} when { context.tier == "pilot" };').precheck(early).policy_ids == (
        "platform.p",
    )
    assert layers("permit {head} when { context.injection_risk < 5 };").precheck(early) is None


def test_a_bundle_cannot_change_its_layer():
    """A tenant's bundle never stands where the platform's belongs."""
    platform, tenant = bundle(f'@id("platform.p") permit {HEAD};', "platform"), bundle(f'@id("t") permit {HEAD};', "tenant")
    for wrong in ((tenant, tenant), (platform, platform), (tenant, platform)):
        with pytest.raises(ConfigurationInvalid):
            Layers(*wrong)


def test_a_decision_names_what_was_evaluated():
    """Both bundles, and the entities as the policies saw them."""
    found = layers("permit {head};")
    decision = found.decision("dec_1", request(), found.evaluate(request()), FOUND)
    assert decision.bundle_hash == f"{found.platform.hash}+{found.tenant.hash}"
    assert (decision.decision_id, decision.facts, decision.policy_ids) == ("dec_1", FOUND, ("platform.p", "t"))
    other = request()._replace(resource=resource_entity("Model", "large"))
    assert found.entities_hash(other) != decision.entities_hash == found.entities_hash(request())


def test_tool_arguments_are_read_with_their_types():
    """A declared argument decides; one of a wrong type denies; an undeclared one is not seen."""
    schema = declare_tools(schema_source(), {"pay.refund": {"amount": "Long", "tags": "Set<String>"}})
    head = '(principal, action == Triskel::Action::"invoke_tool", resource)'
    guard = 'context has arguments && context.arguments has "pay.refund" && context.arguments["pay.refund"] has amount'
    text = f'@id("t") permit {head} when {{ {guard} && context.arguments["pay.refund"].amount < 100 }};'
    found = Layers(bundle(f'@id("platform.p") permit {head};', "platform", schema), bundle(text, "tenant", schema))

    def verdict(arguments):
        known = tool_arguments(found.tenant.evaluator.schema, "pay.refund", arguments)
        early = early_context(stage=INPUT, surface="native.tool", tier="pilot", now_ms=0, arguments=known)
        asked = Request(
            principal_entity(ANN), ACTIONS["invoke_tool"], resource_entity("Tool", "pay.refund"), call_context(early, FOUND)
        )
        return found.evaluate(asked)

    assert verdict({"amount": 99, "tags": ["a"], "note": 1.5}).verdict is Verdict.ALLOW
    assert verdict({"amount": 100}).verdict is Verdict.DENY
    assert verdict({"amount": 9.5}).errors[0].startswith("request: context: attribute `arguments.pay.refund.amount` must be Long")
    assert tool_arguments(found.tenant.evaluator.schema, "other", {"amount": 1}) is None

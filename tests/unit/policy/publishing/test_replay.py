"""A recorded call, asked again: by the bundles that decided it, and by others."""

from dataclasses import replace

from tests.unit.calls import NOW_MS, a_principal
from tests.unit.policy.publishing.drafts import NO_LARGE, OPEN, files, layers_of

from triskel.model.call import Target
from triskel.model.decision import Decision, Verdict
from triskel.model.finding import Category, Facts, Finding, FindingRecord
from triskel.policy.cedar.source import Source
from triskel.policy.guard import SCAN_INCOMPLETE
from triskel.policy.publishing.cases import read_cases
from triskel.policy.publishing.comparison import Summary, changed_cases
from triskel.policy.publishing.explanation import explanation
from triskel.policy.publishing.question import ask
from triskel.policy.publishing.replay import Recorded, decide_again, stages, verdict_under

PII = Facts(data_classes=("pii",), finding_types=("email",), finding_count=1)
REDACTING = '@id("acme.chat")\n@obligation("redact:pii")\npermit (principal, action, resource);'
DEAR = '@id("acme.dear")\nforbid (principal, action == Triskel::Action::"chat", resource) when { context.cost_estimate > 100 };'


def a_call(layers, *, model="small", facts=PII, output=None, **fields) -> Recorded:
    """A chat as these policies decided it."""
    who, target = a_principal(), Target(kind="Model", name=model)
    quote = {"token_estimate": 5, "cost_estimate": 50, "clouds": ("aws",)}
    request = ask(
        who, "chat", target, surface="openai.chat", at_ms=NOW_MS, facts=facts, **{**quote, "clouds": frozenset({"aws"})}
    )
    decision = layers.decision("dec_1", request, layers.evaluate(request), facts)
    given = {"looked_at": True, "input": decision, "output": output, **quote, **fields}
    return Recorded("aud_1", "call_1", who, "chat", target, "openai.chat", NOW_MS, **given)


def early_denial(layers) -> Recorded:
    """A chat that was denied before its text was looked at."""
    who, target = a_principal(), Target(kind="Model", name="large")
    request = ask(who, "chat", target, surface="openai.chat", at_ms=NOW_MS, facts=None)
    decision = layers.decision("dec_1", request, layers.precheck(request))
    return Recorded("aud_1", "call_1", who, "chat", target, "openai.chat", NOW_MS, decision, None, looked_at=False)


def test_what_was_decided_is_decided_again():
    """The same bundles, the same entities, the same words."""
    layers = layers_of(files(REDACTING))
    call = a_call(layers)
    (stage,) = stages(call)
    outcome = decide_again(layers, stage)
    assert (outcome.verdict, outcome.policy_ids) == (Verdict.REDACT, ("acme.chat", "platform.open"))
    assert layers.entities_hash(stage.request) == call.input.entities_hash


def test_an_early_denial_is_asked_early():
    """Nobody knows what was in the text, and other policies might want to."""
    layers = layers_of(files(OPEN, NO_LARGE))
    call = early_denial(layers)
    (stage,) = stages(call)
    assert stage.early
    assert decide_again(layers, stage).verdict is Verdict.DENY
    assert verdict_under(layers_of(files(OPEN)), call) == (None, frozenset())


def test_a_reply_has_a_stage_of_its_own():
    """And the strictest word on both is the call's."""
    layers = layers_of(files(REDACTING))
    clean = a_call(layers, facts=Facts())
    facts = replace(PII, finding_count=5_000)
    request = ask(clean.principal, "chat", clean.target, surface="openai.chat", at_ms=NOW_MS, stage="output", facts=PII)
    output = layers.decision("dec_1", request, layers.evaluate(request), facts)
    call = clean._replace(output=output)
    first, second = stages(call)
    assert (first.name, second.name) == ("input", "output")
    assert second.request.context["finding_count"] == 100
    assert call.verdict is Verdict.REDACT
    assert verdict_under(layers, call)[0] is Verdict.REDACT
    assert verdict_under(layers_of(files(OPEN)), call)[0] is Verdict.ALLOW


def test_an_unfinished_scan_denies_under_any_policy():
    """What could not be read cannot be permitted afterwards."""
    layers = layers_of(files(OPEN))
    call = a_call(layers)
    refused = replace(call.input, verdict=Verdict.DENY, policy_ids=(), reasons=(f"{SCAN_INCOMPLETE}: hit_limit",))
    assert verdict_under(layers, call._replace(input=refused))[0] is Verdict.DENY


def test_a_call_without_a_decision_has_no_stages():
    """It ended before there was one."""
    nothing = Decision(decision_id="dec_1", verdict=Verdict.DENY, policy_ids=(), reasons=("x",), bundle_hash="", entities_hash="")
    assert list(stages(a_call(layers_of(files(OPEN)))._replace(input=nothing))) == []


def test_a_simulation_counts_what_would_have_changed():
    """By the verdict then and now, with a few ids."""
    active, candidate = layers_of(files(REDACTING)), layers_of(files(REDACTING, DEAR.replace("100", "10")))
    calls = [a_call(active) for _ in range(7)] + [a_call(active, cost_estimate=5), early_denial(layers_of(files(OPEN, NO_LARGE)))]
    summary = Summary()
    summary.add(calls, candidate)
    assert summary.view() == {
        "calls": 9,
        "same": 1,
        "untold": 1,
        "undecided": 0,
        "changes": [
            {"before": "redact", "after": "deny", "count": 7, "policies": ["acme.dear"], "examples": ["dec_1"] * 5},
        ],
    }


def test_a_difference_names_the_policies_that_make_it():
    """Those that determine one decision and not the other."""
    before, after = layers_of(files(OPEN)), layers_of(files(OPEN, NO_LARGE))
    text = '[{"name": "l", "action": "chat", "resource": {"name": "large"}}, {"name": "s", "action": "chat"}]'
    cases = read_cases([Source("r", text)], most=9, expecting=False)
    (change,) = changed_cases(cases, before, after, lambda text, surface: None)
    assert (change.name, change.before, change.after) == ("l", Verdict.ALLOW, Verdict.DENY)
    assert (change.only_before, change.only_after) == (("acme.open", "platform.open"), ("acme.no-large",))


def test_a_policy_that_changed_under_its_name_makes_a_difference_too():
    """Obligations count, not the verdict alone."""
    before, after = layers_of(files(OPEN)), layers_of(files('@obligation("redact:pii")\n' + OPEN))
    cases = read_cases([Source("r", "[{action: chat}]")], most=9, expecting=False)
    (change,) = changed_cases(cases, before, after, lambda text, surface: None)
    assert change.details == ("obligations: + redact:pii",)
    assert change.only_after == ("acme.open", "platform.open")


def test_an_explanation_shows_each_condition_and_no_value():
    """Determining policies first, with their source; findings as type, place and hash."""
    layers = layers_of(files(REDACTING, DEAR))
    finding = FindingRecord(
        part="messages.0.content", finding=Finding("email", Category.PII, 3, 9, 950, "email"), value_hash="ab12"
    )
    call = a_call(layers)
    told = explanation(call, {layers.bundle_hash: layers}, [("input", finding)])
    (stage,) = told["stages"]
    assert (told["verdict"], stage["agrees"], stage["entities_match"]) == ("redact", True, True)
    assert told["findings"][0]["value_hash"] == "ab12"
    by_id = {policy["id"]: policy for policy in stage["policies"]}
    assert by_id["acme.chat"]["determining"]
    assert by_id["acme.chat"]["source"] == REDACTING
    assert (by_id["acme.chat"]["file"], by_id["acme.chat"]["line"]) == ("policies.cedar", 1)
    assert by_id["acme.dear"]["conditions"] == [
        {"text": "context.cost_estimate > 100", "outcome": "failed", "error": "", "parts": []}
    ]
    assert by_id["acme.dear"]["holds"] is False
    tenants = [policy["id"] for policy in stage["policies"] if policy["layer"] == "tenant"]
    assert tenants == ["acme.chat", "acme.dear"]


def test_an_explanation_of_an_early_denial_does_not_pretend_to_know():
    """Conditions about a text that nobody looked at are not known."""
    layers = layers_of(files(OPEN, NO_LARGE, DEAR))
    told = explanation(early_denial(layers), {layers.bundle_hash: layers}, [])
    (stage,) = told["stages"]
    dear = next(policy for policy in stage["policies"] if policy["id"] == "acme.dear")
    assert stage["facts"]["known"] is False
    assert (dear["conditions"][0]["outcome"], dear["holds"]) == ("not known", None)
    assert stage["agrees"] is True


def test_without_its_bundles_the_record_stands_alone():
    """What is missing is named."""
    layers = layers_of(files(OPEN))
    told = explanation(a_call(layers), {}, [], missing=["abc"])
    assert told["bundles_missing"] == ["abc"]
    assert (told["stages"][0]["replayed"], told["stages"][0]["recorded"]["verdict"]) == (None, "allow")


def test_a_tenant_sees_of_the_platforms_policies_only_what_decided_its_call():
    """They may speak of other tenants; an operator sees them all."""
    layers = layers_of(files(REDACTING))
    shown = {}
    for operator in (False, True):
        (stage,) = explanation(a_call(layers), {layers.bundle_hash: layers}, [], for_operator=operator)["stages"]
        shown[operator] = [policy["id"] for policy in stage["policies"] if policy["layer"] == "platform"]
    assert shown[False] == ["platform.open"]
    assert {"platform.open", "platform.no-secrets-out"} < set(shown[True])

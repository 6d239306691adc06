"""Golden cases: what they say, and what happens to those that say something else."""

from pathlib import Path

import pytest
from tests.unit.policy.publishing.drafts import OPEN, files, layers_of

from triskel.errors import ConfigurationInvalid
from triskel.local.policy_files import read_folder
from triskel.model.call import Surface
from triskel.model.decision import Verdict
from triskel.model.finding import Category, Finding
from triskel.policy.cedar.source import Source
from triskel.policy.publishing.cases import NOON_MS, read_cases
from triskel.policy.publishing.draft import read_draft
from triskel.policy.publishing.golden import try_cases
from triskel.policy.scan import Scan, Scanner, load_pack

EXAMPLE = Path(__file__).parents[4] / "examples" / "policies"


def nothing(text, surface):
    raise AssertionError("nothing is to be scanned")


def cases_of(text, **options):
    return read_cases([Source("tests/t.yaml", text)], most=100, **options)


def faults_of(text):
    with pytest.raises(ConfigurationInvalid) as caught:
        cases_of(text)
    return caught.value.faults


def test_the_example_passes():
    """The policies that the documents show are valid, and everything that is expected of them holds."""
    given = read_folder(EXAMPLE)
    cases = read_cases(read_draft(given).tests, most=100)
    tried = try_cases(cases, layers_of(given), "tenant", Scanner(load_pack()).scan)
    assert {result.case.name: result.differences for result in tried if not result.passed} == {}
    assert len(tried) == 11


def test_what_is_left_out_is_harmless():
    """A case need only say what it is about."""
    (case,) = cases_of("- {action: chat, expect: {verdict: allow}}")
    request = case.request(nothing)
    assert (case.name, case.place) == ("case 1", "tests/t.yaml:1")
    assert request.context["time_ms"] == NOON_MS
    assert (request.context["hour_utc"], request.context["weekday_utc"]) == (12, 1)
    assert request.context["data_classes"] == frozenset()
    assert layers_of(files(OPEN)).evaluate(request).verdict is Verdict.ALLOW


def test_everything_can_be_said():
    """Every field reaches the policies."""
    (case,) = cases_of("""
- name: all of it
  principal: {kind: agent, id: crawler, tenant: acme, teams: [a, b], tier: growth}
  action: invoke_tool
  resource: {kind: Tool, name: sql, tenant: acme}
  context:
    {stage: output, surface: native.tool, time: 2024-01-02T03:04:05Z, data_classes: [pii], finding_types: [email],
     injection_risk: 7, token_estimate: 8, cost_estimate: 9, clouds: [aws], budget_left: 10, region: here}
  expect: {verdict: deny, policies: [], obligations: [], approval_teams: [], shadow_policies: []}
""")
    principal, action, resource, context, _ = case.request(nothing)
    assert principal.uid == ("Triskel::Agent", "crawler")
    assert principal.attributes["teams"] == frozenset({"a", "b"})
    assert (action.id, resource.uid, resource.attributes["tenant"].id) == ("invoke_tool", ("Triskel::Tool", "sql"), "acme")
    assert context == {
        "stage": "output",
        "surface": "native.tool",
        "tier": "growth",
        "time_ms": 1_704_164_645_000,
        "hour_utc": 3,
        "weekday_utc": 2,
        "data_classes": frozenset({"pii"}),
        "finding_types": frozenset({"email"}),
        "finding_count": 1,
        "injection_risk": 7,
        "token_estimate": 8,
        "cost_estimate": 9,
        "clouds": frozenset({"aws"}),
        "budget_left": 10,
        "region": "here",
    }


def test_a_text_is_scanned_on_its_surface():
    """The facts are the scan's."""
    asked = []

    def scan(text, surface):
        asked.append((text, surface))
        return Scan((Finding("email", Category.PII, 0, 3, 900), Finding("email", Category.PII, 4, 7, 900)), 120)

    (case,) = cases_of("- {action: invoke_tool, text: a@b c@d, surface: tool_argument, expect: {verdict: allow}}")
    context = case.request(scan).context
    assert asked == [("a@b c@d", Surface.TOOL_ARGUMENT)]
    found = [context[name] for name in ("data_classes", "finding_types", "finding_count", "injection_risk")]
    assert found == [frozenset({"pii"}), frozenset({"email"}), 2, 120]


def test_a_text_that_cannot_be_scanned_is_a_fault():
    """Not a text in which nothing was found."""
    (case,) = cases_of("- {action: chat, text: x, expect: {verdict: allow}}")
    with pytest.raises(ConfigurationInvalid, match="cannot be scanned"):
        case.request(lambda text, surface: Scan(incomplete="hit_limit"))


def test_a_difference_says_what_was_expected_and_why_it_is_not_so():
    """Enough to mend the policy, or the case."""
    cases = cases_of("""
- name: wrong
  action: chat
  context: {data_classes: [secret]}
  expect: {verdict: allow, policies: [acme.open], obligations: ["redact:pii"], approval_teams: [finance]}
""")
    (tried,) = try_cases(cases, layers_of(files(OPEN)), "tenant", nothing)
    assert tried.differences == (
        "verdict: expected allow, got deny (Credentials and keys leave for no model, tool or agent.)",
        "policies: - acme.open (expected, missing)",
        "obligations: - redact:pii (expected, missing)",
        "approval_teams: - finance (expected, missing)",
    )


def test_the_other_layers_policies_count_where_they_are_named():
    """A tenant need not list the platform's, and may."""
    layers = layers_of(files(OPEN))
    for named, passes in (
        ("[acme.open]", True),
        ("[acme.open, platform.open]", True),
        ("[acme.open, platform.x]", False),
        ("[]", False),
    ):
        cases = cases_of(f"- {{action: chat, expect: {{verdict: allow, policies: {named}}}}}")
        assert try_cases(cases, layers, "tenant", nothing)[0].passed is passes, named


def test_an_error_inside_a_policy_fails_the_case():
    """Whatever the verdict was expected to be."""
    cases = cases_of("- {action: chat, context: {unheard_of: 1}, expect: {verdict: deny}}")
    (tried,) = try_cases(cases, layers_of(files(OPEN)), "tenant", nothing)
    (difference,) = tried.differences
    assert difference.startswith("error: request: ")
    assert difference.endswith("attribute `unheard_of` is not in the schema")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: b", "tests/t.yaml:1:1: the file must be a list of cases"),
        ("- {action: chat}", "tests/t.yaml:1:1: case 1: `expect` is missing"),
        ("- {action: dance, expect: {verdict: allow}}", "`action` must be one of chat"),
        ("- {action: chat, expects: {verdict: allow}}", "`expects` is not known in the case"),
        ("- {action: chat, expect: {verdict: maybe}}", "`expect.verdict` must be one of allow"),
        ("- {action: chat, expect: {verdict: allow, polices: []}}", "`polices` is not known in expect"),
        ("- {action: chat, expect: {verdict: allow, policies: acme.open}}", "`expect.policies` must be a list"),
        ("- {action: chat, principal: {kind: robot}, expect: {verdict: allow}}", "`principal.kind` must be one of user"),
        ("- {action: chat, resource: {kind: Moon}, expect: {verdict: allow}}", "`resource.kind` must be one of Model"),
        ("- {action: chat, context: {cost_estimate: 1.5}, expect: {verdict: allow}}", "`context.cost_estimate` must be a text"),
        (
            "- {action: chat, context: {budget_left: 9223372036854775808}, expect: {verdict: allow}}",
            "`context.budget_left` must be",
        ),
        ("- {action: chat, context: {stage: middle}, expect: {verdict: allow}}", "`context.stage` must be input or output"),
        ("- {action: chat, context: {time: noon}, expect: {verdict: allow}}", "`context.time` must be an RFC 3339 time"),
        ("- {action: chat, text: x, context: {injection_risk: 1}, expect: {verdict: allow}}", "give one of both"),
        ("- {action: read_audit, text: x, expect: {verdict: allow}}", "`text` must be a string, and"),
        ("- &a {action: chat, expect: {verdict: allow}}\n- *a", "tests/t.yaml:2:3: aliases are not allowed"),
        ("- " * 40 + "x", "nested more than 20 levels deep"),
        ("- {", "tests/t.yaml:2:1: "),
        ("- !!python/object/apply:os.system [x]", "tests/t.yaml:"),
        ("- {name: no, action: chat, expect: {verdict: allow}}", "`name` must be a text"),
        ("- 7", "`the case` must be a mapping"),
    ],
)
def test_what_is_not_understood_is_a_fault(text, fault):
    """With its place; an expectation is never passed over in silence."""
    assert any(fault in found for found in faults_of(text)), faults_of(text)


def test_every_fault_is_told():
    """Not the first alone."""
    assert [fault.partition(": ")[0] for fault in faults_of("- {action: a}\n- {action: b}")] == [
        "tests/t.yaml:1:1",
        "tests/t.yaml:2:1",
    ]


def test_there_are_only_so_many():
    """Cases cost time."""
    with pytest.raises(ConfigurationInvalid) as caught:
        read_cases([Source("t", "- {action: chat, expect: {verdict: allow}}\n" * 3)], most=2)
    assert caught.value.faults == ("there are 3 cases; 2 are allowed",)


def test_requests_need_not_expect_anything():
    """They are compared, not judged; JSON is YAML."""
    (case,) = cases_of('[{"name": "x", "action": "chat"}]', expecting=False)
    assert case.expect is None

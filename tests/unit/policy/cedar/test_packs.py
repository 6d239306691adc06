"""The policies that ship. `TRISKEL_WRITE_PACKS=1` compiles them anew after a change of their sources."""

import os
from pathlib import Path

import pytest
import yaml

import triskel.policy
from triskel.model.finding import Facts
from triskel.model.principal import Principal, PrincipalKind
from triskel.policy.cedar.request import Request
from triskel.policy.packs import compile_pack, load_pack, pack_document
from triskel.policy.subjects import (
    ACTIONS,
    call_context,
    control_context,
    early_context,
    principal_entity,
    resource_entity,
)
from triskel.policy.verdict import Layers

CASES = yaml.safe_load((Path(__file__).parents[3] / "data" / "policy" / "default_packs.yaml").read_text())
CONTROL = ("approve", "read_audit", "administer")


def principal_of(case) -> Principal:
    given = case.get("principal", {})
    return Principal(
        tenant_id="acme",
        principal_id=given.get("id", "ann"),
        kind=PrincipalKind(given.get("kind", "user")),
        tier="pilot",
        credential="key:k",
        teams=tuple(given.get("teams", ["search"])),
    )


def requests_of(case) -> tuple[Request, Request]:
    """The case before its text is scanned, and after."""
    principal, resource = principal_of(case), case.get("resource", {"kind": "Model", "name": "small"})
    action = case.get("action", "chat")
    if action in CONTROL:
        early = late = control_context(surface="native", tier="pilot", now_ms=1_750_000_000_000)
    else:
        early = early_context(stage=case.get("stage", "input"), surface="openai.chat", tier="pilot", now_ms=1_750_000_000_000)
        late = call_context(early, Facts(**{name: _facts(value) for name, value in case.get("facts", {}).items()}))
    entity = resource_entity(resource["kind"], resource["name"], resource.get("tenant"))
    return tuple(Request(principal_entity(principal), ACTIONS[action], entity, context) for context in (early, late))


def _facts(value):
    return tuple(value) if isinstance(value, list) else value


@pytest.fixture(scope="module")
def layers():
    """The platform's pack above the default one."""
    return Layers(load_pack("platform"), load_pack("default"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_decides(layers, case):
    """As the table says, in all that a decision holds."""
    _, request = requests_of(case)
    outcome, expected = layers.evaluate(request), case["expect"]
    assert {
        "verdict": outcome.verdict.value,
        "policies": list(outcome.policy_ids),
        "redacts": sorted(outcome.redacts),
        "shadow": list(outcome.shadow_policy_ids),
        "errors": list(outcome.errors),
    } == {"shadow": [], "errors": [], **expected}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_denies_early_what_no_scan_can_change(layers, case):
    """And lets everything else go on to the scan."""
    request, _ = requests_of(case)
    denial = layers.precheck(request)
    assert (denial is not None) is (case.get("early") == "deny")
    if denial is not None:
        assert denial.policy_ids == tuple(case["expect"]["policies"])


@pytest.mark.parametrize("pack", ["platform", "default"])
def test_ships_what_its_sources_say(pack):
    """The compiled documents are those of the Cedar sources beside them."""
    compiled = compile_pack(pack)
    if os.environ.get("TRISKEL_WRITE_PACKS"):
        (Path(triskel.policy.__file__).parent / "data" / f"{pack}.bundle.json").write_bytes(compiled)
    assert pack_document(pack) == compiled, "the sources have changed: run this test with TRISKEL_WRITE_PACKS=1"

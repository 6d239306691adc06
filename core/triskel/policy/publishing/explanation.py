"""Why a call was decided as it was, for a person or a program.

One rule: it is worked out again from the record and the bundles that the record names, and says where the two disagree.
No value of the request appears but who asked for what; findings are a type, a place and a salted hash.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from triskel.model.decision import Decision
from triskel.model.finding import FindingRecord
from triskel.policy.bundle import Bundle, origins
from triskel.policy.cedar.evaluator import Evaluator
from triskel.policy.cedar.explain import ERRED, AtomExplanation, PolicyExplanation, explain
from triskel.policy.cedar.policy import Policy
from triskel.policy.publishing.replay import Recorded, Stage, decide_again, stages
from triskel.policy.verdict import Layers, Outcome

MAX_POLICIES = 200
"""So many policies of each layer are gone through; the determining ones come first."""

NOT_KNOWN = "not known"
"""The outcome of a condition about a text that nobody looked at."""


def explanation(
    call: Recorded,
    layers: Mapping[str, Layers],
    findings: Sequence[tuple[str, FindingRecord]],
    *,
    missing: Sequence[str] = (),
    for_operator: bool = False,
) -> dict[str, Any]:
    """The explanation, as JSON values. `layers` are those that the record names, by hash; `missing` bundles are not kept.

    An operator is shown every policy whose scope holds the request; a tenant, of the platform's, those that determined it.
    """
    final = call.output or call.input
    return {
        "decision_id": final.decision_id,
        "audit_id": call.audit_id,
        "call_id": call.call_id,
        "at_ms": call.at_ms,
        "principal": {
            "kind": call.principal.kind.value,
            "id": call.principal.principal_id,
            "tenant": call.principal.tenant_id,
            "teams": list(call.principal.teams),
            "tier": call.principal.tier,
        },
        "action": call.action,
        "target": {"kind": call.target.kind, "name": call.target.name},
        "surface": call.surface,
        "verdict": call.verdict.value,
        "bundle_hash": final.bundle_hash,
        "bundles_missing": list(missing),
        "stages": [_stage(stage, layers.get(stage.decision.bundle_hash), for_operator=for_operator) for stage in stages(call)],
        "findings": [_finding(stage, record) for stage, record in findings],
    }


def _stage(stage: Stage, layers: Layers | None, *, for_operator: bool) -> dict[str, Any]:
    decision = stage.decision
    facts = decision.facts
    told: dict[str, Any] = {
        "stage": stage.name,
        "recorded": _recorded(decision),
        "facts": {
            "known": not stage.early,
            "data_classes": list(facts.data_classes),
            "finding_types": list(facts.finding_types),
            "finding_count": facts.finding_count,
            "injection_risk": facts.injection_risk,
        },
        "replayed": None,
        "agrees": None,
        "entities_match": None,
        "policies": [],
    }
    if layers is None:
        return told
    outcome = decide_again(layers, stage)
    if outcome is not None:
        told["replayed"] = {
            "verdict": outcome.verdict.value,
            "policies": list(outcome.policy_ids),
            "errors": list(outcome.errors),
        }
        # The verdict on a reply is never milder than the one on its request.
        told["agrees"] = _agrees(stage, outcome)
    told["entities_match"] = layers.entities_hash(stage.request) == decision.entities_hash
    told["policies"] = [
        *_policies("platform", layers.platform, stage, whole=for_operator),
        *_policies("tenant", layers.tenant, stage, whole=True),
    ]
    return told


def _agrees(stage: Stage, outcome: Outcome) -> bool:
    decision = stage.decision
    same = (outcome.policy_ids, outcome.obligations, outcome.errors) == (
        decision.policy_ids,
        decision.obligations,
        decision.errors,
    )
    return same and (stage.name == "output" or outcome.verdict is decision.verdict)


def _recorded(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict.value,
        "policies": list(decision.policy_ids),
        "reasons": list(decision.reasons),
        "obligations": [{"kind": o.kind, "argument": o.argument} for o in decision.obligations],
        "approval_teams": list(decision.approval_teams),
        "shadow_policies": list(decision.shadow_policy_ids),
        "errors": list(decision.errors),
    }


def _policies(layer: str, bundle: Bundle, stage: Stage, *, whole: bool) -> list[dict[str, Any]]:
    """The policies whose scope holds the request: the determining ones first, then in the order of the bundle."""
    places = origins(bundle)
    determining = {*stage.decision.policy_ids, *stage.decision.shadow_policy_ids}
    found = [policy for policy in bundle.evaluator.candidates(stage.request) if whole or policy.id in determining]
    found = sorted(found, key=lambda policy: policy.id not in determining)[:MAX_POLICIES]
    # Of these alone: going through all of a large bundle would take seconds.
    told = explain(Evaluator(bundle.evaluator.schema, found), stage.request)
    return [
        _policy(layer, each, policy, stage, places, determining=policy.id in determining)
        for each, policy in zip(told, found, strict=True)
    ]


def _policy(
    layer: str, told: PolicyExplanation, policy: Policy, stage: Stage, places: Mapping[str, Any], *, determining: bool
) -> dict[str, Any]:
    place = places.get(told.policy_id)
    atoms = [
        _atom(atom, unknown=stage.early and condition.late) for atom, condition in zip(told.atoms, policy.conditions, strict=True)
    ]
    return {
        "id": told.policy_id,
        "layer": layer,
        "effect": told.effect,
        "mode": "enforce" if told.enforced else "shadow",
        "determining": determining,
        "holds": None if any(atom["outcome"] in (ERRED, NOT_KNOWN) for atom in atoms) else told.holds,
        "scope": [text for text, _ in told.scope],
        "conditions": atoms,
        "severity": policy.meaning.severity,
        "description": policy.meaning.description,
        "file": place.file if place else "",
        "line": place.line if place else 0,
        "source": place.text if place else "",
    }


def _atom(atom: AtomExplanation, *, unknown: bool) -> dict[str, Any]:
    return {
        "text": atom.text,
        "outcome": NOT_KNOWN if unknown else atom.outcome,
        "error": "" if unknown else atom.error,
        "parts": [] if unknown else [_atom(part, unknown=False) for part in atom.parts],
    }


def _finding(stage: str, record: FindingRecord) -> dict[str, Any]:
    finding = record.finding
    return {
        "stage": stage,
        "part": record.part,
        "type": finding.type,
        "category": finding.category.value,
        "start": finding.start,
        "end": finding.end,
        "confidence": finding.confidence,
        "validator": finding.validator,
        "value_hash": record.value_hash,
    }

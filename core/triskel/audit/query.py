"""An entry as people and programs see it. One rule: it says what the chain says, and nothing that is not in it.

    {"id", "call_id", "state": "open" | "closed" | "abandoned", "opened_at", "closed_at", "deadline_at",
     "principal": {"id", "kind", "tier", "teams", "credential"}, "surface", "kind", "action",
     "target": {"kind", "name"}, "effect_key",
     "decision": {"id", "verdict", "policies", "reasons", "obligations": [{"kind", "argument"}], "approval_teams",
                  "shadow_policies", "errors", "bundle_hash", "entities_hash", "facts": {"input", "output"}},
     "estimates": {"tokens", "cost_micro_usd", "clouds"},
     "findings": [{"stage", "part", "type", "category", "start", "end", "confidence", "validator", "value_hash"}],
     "outcome", "reason", "route", "attempts": [{"route", "outcome", "status", "latency_ms"}],
     "usage": {"input_tokens", "output_tokens", "cached_tokens", "estimated"}, "cost_usd", "cost_micro_usd",
     "latency_ms", "request_hash", "response_hash", "content", "chain": {"shard", "seq", "hash", "prev_hash"}}

Moments are RFC 3339 in UTC with milliseconds. What is not known (yet) is null.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from triskel.audit.record import Intent, Outcome, decode_body
from triskel.model.audit import Entry, EntryKind
from triskel.model.decision import Decision
from triskel.model.finding import FindingRecord
from triskel.model.units import MicroUsd, usd

_STATES = {EntryKind.OPENED: "open", EntryKind.CLOSED: "closed", EntryKind.ABANDONED: "abandoned"}


def view(entry: Entry) -> dict[str, Any]:
    """`entry`, which is its call's newest, in the public form above. Raises Unavailable where it cannot be read."""
    body, intent, outcome = decode_body(entry.body)
    principal = intent.principal
    findings = [*_findings("input", intent.findings), *_findings("output", outcome.findings if outcome else ())]
    return {
        "id": entry.audit_id,
        "call_id": intent.call_id,
        "state": _STATES[entry.kind],
        "opened_at": _moment(intent.opened_at_ms),
        "closed_at": _moment(outcome.closed_at_ms) if outcome else None,
        "deadline_at": _moment(intent.deadline_ms),
        "principal": {
            "id": principal.principal_id,
            "kind": principal.kind.value,
            "tier": principal.tier,
            "teams": list(principal.teams),
            "credential": principal.credential,
        },
        "surface": intent.surface,
        "kind": intent.kind.value,
        "action": intent.action.value,
        "target": {"kind": intent.target.kind, "name": intent.target.name},
        "effect_key": intent.effect_key,
        "decision": _decision(intent, outcome),
        "findings": findings,
        "estimates": {
            "tokens": intent.token_estimate,
            "cost_micro_usd": intent.cost_estimate,
            "clouds": list(intent.clouds),
        },
        **_ending(outcome),
        "reason": None if body.reason is msgspec.UNSET else body.reason,
        "request_hash": intent.request_hash or None,
        "chain": {"shard": entry.shard, "seq": entry.seq, "hash": entry.hash, "prev_hash": entry.prev_hash},
    }


def _decision(intent: Intent, outcome: Outcome | None) -> dict[str, Any]:
    """The decision in force. Facts of the input are the intent's; those of the output are the final decision's."""
    final = outcome.decision if outcome else None
    decision = final or intent.decision
    return {
        "id": decision.decision_id,
        "verdict": decision.verdict.value,
        "policies": list(decision.policy_ids),
        "reasons": list(decision.reasons),
        "obligations": [{"kind": o.kind, "argument": o.argument} for o in decision.obligations],
        "approval_teams": list(decision.approval_teams),
        "shadow_policies": list(decision.shadow_policy_ids),
        "errors": list(decision.errors),
        "bundle_hash": decision.bundle_hash,
        "entities_hash": decision.entities_hash,
        "facts": {"input": _facts(intent.decision), "output": _facts(final) if final else None},
    }


def _facts(decision: Decision) -> dict[str, Any]:
    facts = decision.facts
    return {
        "data_classes": list(facts.data_classes),
        "finding_types": list(facts.finding_types),
        "finding_count": facts.finding_count,
        "injection_risk": facts.injection_risk,
    }


def _findings(stage: str, findings: Iterable[FindingRecord]) -> list[dict[str, Any]]:
    return [
        {"stage": stage, "part": record.part, **msgspec.to_builtins(record.finding), "value_hash": record.value_hash}
        for record in findings
    ]


def _ending(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        unknown = ("outcome", "route", "usage", "cost_usd", "cost_micro_usd", "latency_ms", "response_hash", "content")
        return {**dict.fromkeys(unknown), "attempts": []}
    return {
        "outcome": outcome.outcome,
        "route": outcome.route or None,
        "attempts": list(msgspec.to_builtins(outcome.attempts)),
        "usage": msgspec.to_builtins(outcome.usage),
        "cost_usd": usd(MicroUsd(outcome.cost_micro_usd)),
        "cost_micro_usd": outcome.cost_micro_usd,
        "latency_ms": outcome.latency_ms,
        "response_hash": outcome.response_hash or None,
        "content": outcome.content,
    }


def _moment(at_ms: int) -> str | None:
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None  # a deadline may be given as the end of time, which has no date
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

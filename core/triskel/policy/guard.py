"""What the gateway asks of policy: may this be, what is in it, what must be done about it.

Its one rule: when in doubt, no. A scan that could not be finished denies, and so does a policy that errs.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from triskel.model.call import Call, CallKind, Part, Surface
from triskel.model.decision import Decision, Verdict
from triskel.model.finding import NO_FACTS, Facts, Finding, FindingRecord
from triskel.model.units import MicroUsd, Tokens
from triskel.policy.cedar.request import Request
from triskel.policy.json_text import redact_json
from triskel.policy.output import MAX_RECORDED, OutputGate
from triskel.policy.scan import Scanner, redact
from triskel.policy.subjects import (
    ACTIONS,
    INPUT,
    OUTPUT,
    call_context,
    control_context,
    early_context,
    principal_entity,
    resource_entity,
)
from triskel.policy.verdict import Layers, Outcome
from triskel.ports.clock import Clock
from triskel.ports.ids import Ids
from triskel.ports.performer import Quote

SCAN_INCOMPLETE = "scan_incomplete"
"""The reason of a denial because a text could not be scanned to its end."""

_TENANT_KINDS = frozenset({"AuditLog", "Tenant"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a scan of a call's texts found. `by_part` holds the findings of each part in which there are any."""

    facts: Facts = NO_FACTS
    by_part: tuple[tuple[Part, tuple[Finding, ...]], ...] = ()
    findings: tuple[FindingRecord, ...] = ()
    request_hash: str = ""
    incomplete: str = ""


NOTHING_INSPECTED = Inspection()


class Policies(Protocol):
    """The bundles in use."""

    def layers(self, tenant_id: str) -> Layers:
        """What decides about a tenant's calls. Raises Unavailable where that is not known."""


class Guard:
    """Policy, as one call meets it."""

    def __init__(self, policies: Policies, scanner: Scanner, *, ids: Ids, clock: Clock, salt: bytes) -> None:
        """`salt` is secret, at most 64 bytes; hashes of texts and values are keyed with it."""
        self._policies = policies
        self._scanner = scanner
        self._ids = ids
        self._clock = clock
        self._salt = salt

    def authorize(self, call: Call) -> Decision | None:
        """The denial, where nothing in the call's text could change it, or None: then it is to be decided."""
        layers = self._policies.layers(call.principal.tenant_id)
        if call.kind is CallKind.CONTROL:
            return None
        key = (call.principal, call.action, call.target, call.surface)
        if key in layers.remembered:
            return None
        request = self._request(call, self._early(call, INPUT))
        denial = layers.precheck(request)
        if denial is not None:
            return layers.decision(self._ids.new("dec"), request, denial)
        if layers.steady:
            layers.remember(key, None)
        return None

    def inspect(self, call: Call) -> Inspection:
        """Scan every text of the call."""
        if not call.parts:
            return NOTHING_INSPECTED
        scan, hasher = self._scanner.scan, hashlib.blake2b(key=self._salt, digest_size=32)
        found: list[tuple[Part, tuple[Finding, ...]]] = []
        risk, incomplete = 0, ""
        for part in call.parts:
            text = part.text
            hasher.update(text.encode("utf-8", "surrogatepass"))
            hasher.update(b"\0")
            result = scan(text, part.surface)
            if result.findings:
                found.append((part, result.findings))
            risk = max(risk, result.injection_risk)
            incomplete = incomplete or result.incomplete
        return Inspection(
            facts=_facts([finding for _, findings in found for finding in findings], risk) if found or risk else NO_FACTS,
            by_part=tuple(found),
            findings=tuple(
                self.record(".".join(map(str, part.path)), finding, part.text)
                for part, finding in islice(((part, finding) for part, findings in found for finding in findings), MAX_RECORDED)
            ),
            request_hash=hasher.hexdigest(),
            incomplete=incomplete,
        )

    def decide(self, call: Call, inspection: Inspection, quote: Quote) -> Decision:
        """The verdict on the call as it stands. A call that only shows an output, to be checked, is at the stage of outputs."""
        shown = bool(call.parts) and all(part.surface is Surface.OUTPUT for part in call.parts)
        return self._decide(call, OUTPUT if shown else INPUT, inspection.facts, inspection.incomplete, quote=quote)

    def redact(self, call: Call, inspection: Inspection, decision: Decision) -> Call:
        """The call without what must not pass in clear."""
        classes = decision.redacts
        if not classes or classes.isdisjoint((*inspection.facts.data_classes, *inspection.facts.finding_types)):
            return call
        edits = [
            (part, (redact_json if part.surface is Surface.TOOL_ARGUMENT else redact)(part.text, findings, classes))
            for part, findings in inspection.by_part
        ]
        return call.with_edits([(part, text) for part, text in edits if text != part.text])

    def output(self, call: Call, decision: Decision) -> OutputGate:
        """The gate that the reply to `call` must pass."""

        # A stream ends under the policies under which it began, whatever is published meanwhile.
        layers = self._policies.layers(call.principal.tenant_id)

        def decide(facts: Facts, incomplete: str) -> Decision:
            return self._decide(call, OUTPUT, facts, incomplete, decision_id=decision.decision_id, layers=layers)

        return OutputGate(self._scanner, decision, decide, self.record, self._salt)

    def undecided(self, call: Call) -> Decision:
        """For the record of a call that ended before anything could be decided."""
        return Decision(
            decision_id=self._ids.new("dec"),
            verdict=Verdict.DENY,
            policy_ids=(),
            reasons=(f"ended before a decision about {call.action}",),
            bundle_hash="",
            entities_hash="",
        )

    def record(self, part: str, finding: Finding, text: str) -> FindingRecord:
        """The finding as proof keeps it, `text` being the text in which it was found."""
        value = text[finding.start : finding.end].encode("utf-8", "surrogatepass")
        value_hash = hashlib.blake2b(value, key=self._salt, digest_size=16).hexdigest()
        return FindingRecord(part=part, finding=finding, value_hash=value_hash)

    def _decide(
        self,
        call: Call,
        stage: str,
        facts: Facts,
        incomplete: str,
        *,
        quote: Quote | None = None,
        decision_id: str | None = None,
        layers: Layers | None = None,
    ) -> Decision:
        layers = layers or self._policies.layers(call.principal.tenant_id)
        known = quote or _NO_QUOTE
        key = (call.principal, call.action, call.target, call.surface, stage, facts, known.clouds)
        found: tuple[Outcome, str] | None = layers.remembered.get(key)
        if found is None:
            request = self._request(call, self._context(call, stage, facts, known))
            found = layers.evaluate(request), layers.entities_hash(request)
            # What erred may have erred over something that the next call has not.
            if layers.steady and not found[0].errors:
                layers.remember(key, found)
        outcome, entities_hash = found
        decision = layers.proof(decision_id or self._ids.new("dec"), entities_hash, outcome, facts)
        if incomplete and decision.verdict is not Verdict.DENY:
            return replace(decision, verdict=Verdict.DENY, policy_ids=(), reasons=(f"{SCAN_INCOMPLETE}: {incomplete}",))
        return decision

    def _context(self, call: Call, stage: str, facts: Facts, quote: Quote) -> Mapping[str, object]:
        if call.kind is CallKind.CONTROL:
            return self._control(call)
        return call_context(
            self._early(call, stage),
            facts,
            token_estimate=quote.tokens_bound,
            cost_estimate=quote.cost_bound,
            clouds=quote.clouds,
        )

    def _request(self, call: Call, context: Mapping[str, object]) -> Request:
        target = call.target
        tenant_id = target.name if target.kind in _TENANT_KINDS else None
        return Request(
            principal_entity(call.principal), ACTIONS[call.action], resource_entity(target.kind, target.name, tenant_id), context
        )

    def _early(self, call: Call, stage: str) -> dict[str, object]:
        return early_context(stage=stage, surface=call.surface, tier=call.principal.tier, now_ms=call.received_at_ms)

    def _control(self, call: Call) -> dict[str, object]:
        return control_context(surface=call.surface, tier=call.principal.tier, now_ms=call.received_at_ms)


_NO_QUOTE = Quote(cost_bound=MicroUsd(0), tokens_bound=Tokens(0))


def _facts(findings: Iterable[Finding], risk: int) -> Facts:
    found = list(findings)
    return Facts(
        data_classes=tuple(sorted({finding.category.value for finding in found})),
        finding_types=tuple(sorted({finding.type for finding in found})),
        finding_count=len(found),
        injection_risk=risk,
    )

"""A recorded call, asked again. One rule: what the record does not know is not made up.

A call that was denied before its text was looked at left no facts; of such a call only the early question can be asked.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from triskel.model.call import Target
from triskel.model.decision import STRICTNESS, Decision, Verdict
from triskel.model.principal import Principal
from triskel.policy.cedar.request import Request
from triskel.policy.guard import SCAN_INCOMPLETE
from triskel.policy.publishing.question import CONTROL, ask
from triskel.policy.subjects import INPUT, OUTPUT
from triskel.policy.verdict import Layers, Outcome

_COUNT_CAP = 100
"""The gate tells the policies of no more findings in a reply than this."""


class Recorded(NamedTuple):
    """What a record knows of a call. `looked_at` says whether its text was scanned; `output` is the decision on its reply."""

    audit_id: str
    call_id: str
    principal: Principal
    action: str
    target: Target
    surface: str
    at_ms: int
    input: Decision
    output: Decision | None
    looked_at: bool
    token_estimate: int = 0
    cost_estimate: int = 0
    clouds: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The strictest that was decided."""
        return self.input.verdict if self.output is None else _strictest(self.input.verdict, self.output.verdict)


class Stage(NamedTuple):
    """One question that was asked about a call. `early`: before the text was looked at."""

    name: str
    request: Request
    decision: Decision
    early: bool


def stages(call: Recorded) -> Iterator[Stage]:
    """The questions that were asked, in order. None for a call that ended before a decision."""
    if not call.input.bundle_hash:
        return
    early = call.action not in CONTROL and call.input.verdict is Verdict.DENY and not call.looked_at
    quote: dict[str, Any] = {
        "token_estimate": call.token_estimate,
        "cost_estimate": call.cost_estimate,
        "clouds": frozenset(call.clouds),
    }
    facts = None if early else call.input.facts
    request = ask(
        call.principal, call.action, call.target, surface=call.surface, at_ms=call.at_ms, stage=INPUT, facts=facts, **quote
    )
    yield Stage(INPUT, request, call.input, early)
    if call.output is not None and call.output.bundle_hash:
        seen = call.output.facts
        capped = replace(seen, finding_count=min(seen.finding_count, _COUNT_CAP))
        request = ask(
            call.principal, call.action, call.target, surface=call.surface, at_ms=call.at_ms, stage=OUTPUT, facts=capped
        )
        yield Stage(OUTPUT, request, call.output, early=False)


def decide_again(layers: Layers, stage: Stage) -> Outcome | None:
    """What these policies say; None where they would want to see a text that nobody looked at."""
    outcome = layers.precheck(stage.request) if stage.early else layers.evaluate(stage.request)
    unread = stage.decision.reasons[:1] if stage.decision.verdict is Verdict.DENY else ()
    if outcome is not None and unread and unread[0].startswith(SCAN_INCOMPLETE) and outcome.verdict is not Verdict.DENY:
        return Outcome(Verdict.DENY, reasons=unread)
    return outcome


def verdict_under(layers: Layers, call: Recorded) -> tuple[Verdict | None, frozenset[str]]:
    """The strictest verdict of these policies on the call, and what determines it; None where it cannot be told."""
    verdict: Verdict | None = None
    policies: set[str] = set()
    for stage in stages(call):
        outcome = decide_again(layers, stage)
        if outcome is None:
            return None, frozenset()
        verdict = outcome.verdict if verdict is None else _strictest(verdict, outcome.verdict)
        policies.update(outcome.policy_ids)
        if outcome.verdict in (Verdict.DENY, Verdict.NEEDS_APPROVAL):
            break
    return verdict, frozenset(policies)


def _strictest(one: Verdict, other: Verdict) -> Verdict:
    return one if STRICTNESS[one] >= STRICTNESS[other] else other

"""Two bundles, side by side. One rule: examples are ids, never anything that was said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from triskel.model.decision import Verdict
from triskel.policy.publishing.cases import Case, ScanText
from triskel.policy.publishing.replay import Recorded, verdict_under
from triskel.policy.verdict import Layers, Outcome

EXAMPLES = 5
"""So many ids are named for each kind of change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A request on which two bundles differ. The policies are those that determine one decision and not the other."""

    name: str
    before: Verdict
    after: Verdict
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    details: tuple[str, ...] = ()


def changed_cases(cases: Sequence[Case], before: Layers, after: Layers, scan: ScanText) -> list[Change]:
    """Those of the requests whose decision changes: its verdict, its obligations or who must approve."""
    changes = []
    for case in cases:
        request = case.request(scan)
        change = compared(case.name, before.evaluate(request), after.evaluate(request))
        if change is not None:
            changes.append(change)
    return changes


def compared(name: str, before: Outcome, after: Outcome) -> Change | None:
    """How two outcomes differ for whoever is decided about, or None."""
    details = []
    for what, old, new in (
        (
            "obligations",
            [f"{o.kind}:{o.argument}" for o in before.obligations],
            [f"{o.kind}:{o.argument}" for o in after.obligations],
        ),
        ("approval", before.approval_teams, after.approval_teams),
    ):
        details += [f"{what}: - {item}" for item in sorted(set(old) - set(new))]
        details += [f"{what}: + {item}" for item in sorted(set(new) - set(old))]
    if before.verdict is after.verdict and not details:
        return None
    old_ids, new_ids = set(before.policy_ids), set(after.policy_ids)
    if old_ids == new_ids:
        only_before, only_after = old_ids, new_ids  # the same policies, with another text
    else:
        only_before, only_after = old_ids - new_ids, new_ids - old_ids
    return Change(
        name=name,
        before=before.verdict,
        after=after.verdict,
        only_before=tuple(sorted(only_before)),
        only_after=tuple(sorted(only_after)),
        details=tuple(details),
    )


@dataclass(slots=True)
class Summary:
    """What a candidate would have changed. `changes` by (verdict then, verdict now): a count, ids of decisions, policies."""

    calls: int = 0
    same: int = 0
    untold: int = 0
    undecided: int = 0
    changes: dict[tuple[str, str], "Group"] = field(default_factory=dict)

    def add(self, calls: Iterable[Recorded], candidate: Layers) -> None:
        """Replay some calls. Those that ended before a decision are counted as `undecided`."""
        for call in calls:
            self.calls += 1
            if not call.input.bundle_hash:
                self.undecided += 1
                continue
            verdict, policies = verdict_under(candidate, call)
            if verdict is None:
                self.untold += 1
            elif verdict is call.verdict:
                self.same += 1
            else:
                group = self.changes.setdefault((call.verdict.value, verdict.value), Group())
                group.count += 1
                group.policies |= policies
                if len(group.examples) < EXAMPLES:
                    group.examples.append((call.output or call.input).decision_id)

    def view(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "calls": self.calls,
            "same": self.same,
            "untold": self.untold,
            "undecided": self.undecided,
            "changes": [
                {
                    "before": before,
                    "after": after,
                    "count": group.count,
                    "policies": sorted(group.policies)[:50],
                    "examples": group.examples,
                }
                for (before, after), group in sorted(self.changes.items())
            ],
        }


@dataclass(slots=True)
class Group:
    """Calls that change in the same way."""

    count: int = 0
    examples: list[str] = field(default_factory=list)
    policies: set[str] = field(default_factory=set)

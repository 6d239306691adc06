"""Golden cases, tried. One rule: what is said when one fails is what a person needs to mend it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from triskel.policy.publishing.cases import Case, ScanText
from triskel.policy.verdict import Layers, Outcome


class Tried(NamedTuple):
    """A case and what came of it. `differences` are lines for a person; none where it is as expected."""

    case: Case
    outcome: Outcome
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.differences


def try_cases(cases: Sequence[Case], layers: Layers, layer: str, scan: ScanText) -> list[Tried]:
    """Every case, asked of both layers. `layer` is the one that the cases stand beside: `platform` or `tenant`.

    Of `policies` and `shadow_policies`, those of this layer must be exactly the expected ones; of the other layer's, the
    expected ones must be among them.
    """
    return [_tried(case, layers, layer, scan) for case in cases]


def _tried(case: Case, layers: Layers, layer: str, scan: ScanText) -> Tried:
    outcome = layers.evaluate(case.request(scan))
    expect, differences = case.expect, []
    if expect is not None:
        if outcome.verdict is not expect.verdict:
            differences.append(f"verdict: expected {expect.verdict}, got {outcome.verdict} ({_because(outcome)})")
        obligations = [f"{obligation.kind}:{obligation.argument}" for obligation in outcome.obligations]
        for name, wanted, found in (
            ("policies", expect.policies, _visible(outcome.policy_ids, expect.policies, layer)),
            ("obligations", expect.obligations, set(obligations)),
            ("approval_teams", expect.approval_teams, set(outcome.approval_teams)),
            ("shadow_policies", expect.shadow_policies, _visible(outcome.shadow_policy_ids, expect.shadow_policies, layer)),
        ):
            if wanted is not None and wanted != found:
                differences.append(f"{name}: {_difference(wanted, found)}")
    if outcome.errors:
        differences += [f"error: {error}" for error in outcome.errors]
    return Tried(case, outcome, tuple(differences))


def _visible(found: Iterable[str], wanted: frozenset[str] | None, layer: str) -> set[str]:
    """The policies that count: this layer's, and what was expected of the other's."""
    of_platform = layer == "platform"
    return {name for name in found if name.startswith("platform.") == of_platform or name in (wanted or ())}


def _difference(wanted: Iterable[str], found: set[str]) -> str:
    missing, surplus = sorted(set(wanted) - found), sorted(found - set(wanted))
    parts = [f"- {name} (expected, missing)" for name in missing] + [f"+ {name} (not expected)" for name in surplus]
    return "; ".join(parts)


def _because(outcome: Outcome) -> str:
    return "; ".join(outcome.reasons) or f"by {', '.join(outcome.policy_ids)}"

"""What the policies said."""

from dataclasses import dataclass
from enum import StrEnum

from triskel.model.finding import NO_FACTS, Facts


class Verdict(StrEnum):
    """The outcomes of a decision, from the mildest to the strictest. The strictest that applies wins."""

    ALLOW = "allow"
    WARN = "warn"
    REDACT = "redact"
    NEEDS_APPROVAL = "needs_approval"
    DENY = "deny"


STRICTNESS = {verdict: rank for rank, verdict in enumerate(Verdict)}
"""deny > needs approval > redact > warn > allow."""


@dataclass(frozen=True, slots=True, order=True)
class Obligation:
    """What must be done for a permit to hold: `redact` a data class, `warn` with a text, or `record` the `content`."""

    kind: str
    argument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict with its proof.

    `policy_ids` are the determining policies (Cedar's term), sorted; empty on a default deny. `shadow_policy_ids` would
    have mattered but are not enforced. `errors` are `policy id: what failed`; an error denies. `bundle_hash` and
    `entities_hash` name exactly what was evaluated, so that the decision can be replayed.
    """

    decision_id: str
    verdict: Verdict
    policy_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    bundle_hash: str
    entities_hash: str
    obligations: tuple[Obligation, ...] = ()
    approval_teams: tuple[str, ...] = ()
    shadow_policy_ids: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    facts: Facts = NO_FACTS

    @property
    def records_content(self) -> bool:
        """Whether the audit is to keep the texts, as they passed."""
        return any(o.kind == "record" for o in self.obligations)

    @property
    def redacts(self) -> frozenset[str]:
        """The data classes that must not pass in clear."""
        return frozenset(o.argument for o in self.obligations if o.kind == "redact")

"""Two layers of policy, one verdict. One rule: the platform and the tenant must both allow; the strictest word wins.

deny > needs approval > redact > warn > allow, where
- either layer's denial denies, and then nothing else matters;
- obligations and approvals are those of **all** determining permits of both layers. A permit without `@approval` that
  holds beside one with it does not make the approval unnecessary: whoever writes "this needs finance" beside a general
  permit means it, and the stricter reading is the safer one. Who wants the approval to be waived narrows its condition;
- `redact` is the verdict only where a data class that must be redacted was found. The obligation stands regardless, for
  what comes later (an answer, a stream), in `obligations`.
"""

import json
from collections.abc import Hashable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from triskel.errors import ConfigurationInvalid
from triskel.model.decision import Decision, Obligation, Verdict
from triskel.model.finding import NO_FACTS, Facts
from triskel.policy.bundle import Bundle
from triskel.policy.cedar.evaluator import Evaluation
from triskel.policy.cedar.expression import reads_any
from triskel.policy.cedar.request import Entity, Request

_CACHE_ENTRIES = 4_096

CHANGING = frozenset(
    {
        "time_ms",
        "hour_utc",
        "weekday_utc",
        "arguments",
        "token_estimate",
        "cost_estimate",
        "budget_left",
        "finding_count",
        "region",
    }
)
"""What may differ between two calls that are alike in everything else. Policies that read none of it say the same of both."""


class Outcome(NamedTuple):
    """What both layers say, all of a `Decision` but its id, its facts and the entities it was about."""

    verdict: Verdict
    policy_ids: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    approval_teams: tuple[str, ...] = ()
    shadow_policy_ids: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    redacts: frozenset[str] = frozenset()


class Layers:
    """The platform's bundle above a tenant's. Immutable but for its caches; safe to share between threads."""

    __slots__ = (
        "_descriptions",
        "_entities",
        "_one_schema",
        "_outcomes",
        "bundle_hash",
        "platform",
        "remembered",
        "steady",
        "tenant",
    )

    def __init__(self, platform: Bundle, tenant: Bundle) -> None:
        """Raises ConfigurationInvalid where a bundle was published for the other layer."""
        if platform.layer != "platform" or tenant.layer != "tenant":
            raise ConfigurationInvalid("a policy bundle was published for another layer")
        self.platform = platform
        self.tenant = tenant
        self.bundle_hash = f"{platform.hash}+{tenant.hash}"
        self._one_schema = platform.schema_hash == tenant.schema_hash
        self._descriptions = {
            policy.id: policy.meaning.description for bundle in (platform, tenant) for policy in bundle.evaluator.policies
        }
        self.steady = not any(
            reads_any(condition.expression, CHANGING)
            for bundle in (platform, tenant)
            for policy in bundle.evaluator.policies
            for condition in policy.conditions
        )
        """Whether no policy reads any of `CHANGING`, so that outcomes may be remembered."""
        self.remembered: dict[Hashable, Any] = {}
        self._outcomes: dict[tuple[int, int], tuple[Evaluation, Evaluation, Outcome]] = {}
        self._entities: dict[tuple[int, int], tuple[Entity, Entity, str]] = {}

    def remember(self, key: Hashable, value: Any) -> None:
        """Keep what was found about calls that are alike; a full table is emptied, so that nothing grows for ever."""
        if len(self.remembered) >= _CACHE_ENTRIES:
            self.remembered.clear()
        self.remembered[key] = value

    def precheck(self, request: Request) -> Outcome | None:
        """The denial, where nothing that a scan or a quote could tell would change it, or None. See `Evaluator.precheck`."""
        denial = self.platform.evaluator.precheck(request)
        if denial is not None:
            return self._denied(denial, None)
        denial = self.tenant.evaluator.precheck(request, conforms=self._one_schema)
        return None if denial is None else self._denied(None, denial)

    def evaluate(self, request: Request) -> Outcome:
        """The verdict."""
        platform = self.platform.evaluator.evaluate(request)
        tenant = self.tenant.evaluator.evaluate(request, conforms=self._one_schema)
        known = self._outcomes.get((id(platform), id(tenant)))
        if known is None or known[0] is not platform or known[1] is not tenant:
            known = (platform, tenant, self._combined(platform, tenant))
            if len(self._outcomes) >= _CACHE_ENTRIES:
                self._outcomes.clear()
            self._outcomes[id(platform), id(tenant)] = known
        outcome = known[2]
        if outcome.redacts and outcome.verdict is not Verdict.NEEDS_APPROVAL:
            found = request.context.get("data_classes")
            if found and not outcome.redacts.isdisjoint(found):
                return outcome._replace(verdict=Verdict.REDACT)
        return outcome

    def entities_hash(self, request: Request) -> str:
        """SHA-256 of the principal and the resource as they were shown to the policies."""
        principal, resource = request.principal, request.resource
        key = (id(principal), id(resource))
        known = self._entities.get(key)
        # The entities are kept with their hash, so that an id cannot pass to another object meanwhile.
        if known is None or known[0] is not principal or known[1] is not resource:
            text = json.dumps([_described(principal), _described(resource)], separators=(",", ":"), default=repr)
            if len(self._entities) >= _CACHE_ENTRIES:
                self._entities.clear()
            known = self._entities[key] = (principal, resource, sha256(text.encode()).hexdigest())
        return known[2]

    def decision(self, decision_id: str, request: Request, outcome: Outcome, facts: Facts = NO_FACTS) -> Decision:
        """The outcome as the proof that is kept."""
        return self.proof(decision_id, self.entities_hash(request), outcome, facts)

    def proof(self, decision_id: str, entities_hash: str, outcome: Outcome, facts: Facts) -> Decision:
        """The same, where the hash of the entities is known."""
        return Decision(
            decision_id=decision_id,
            verdict=outcome.verdict,
            policy_ids=outcome.policy_ids,
            reasons=outcome.reasons,
            bundle_hash=self.bundle_hash,
            entities_hash=entities_hash,
            obligations=outcome.obligations,
            approval_teams=outcome.approval_teams,
            shadow_policy_ids=outcome.shadow_policy_ids,
            errors=outcome.errors,
            facts=facts,
        )

    def _combined(self, platform: Evaluation, tenant: Evaluation) -> Outcome:
        if not platform.allowed or not tenant.allowed:
            return self._denied(platform, tenant)
        obligations = tuple(sorted({Obligation(*o) for o in (*platform.obligations, *tenant.obligations)}))
        teams = tuple(sorted({*platform.approval_teams, *tenant.approval_teams}))
        warnings = tuple(o.argument for o in obligations if o.kind == "warn")
        if teams:
            verdict, reasons = Verdict.NEEDS_APPROVAL, (f"needs the approval of {', '.join(teams)}", *warnings)
        else:
            verdict, reasons = Verdict.WARN if warnings else Verdict.ALLOW, warnings
        return Outcome(
            verdict=verdict,
            policy_ids=tuple(sorted((*platform.policy_ids, *tenant.policy_ids))),
            reasons=reasons,
            obligations=obligations,
            approval_teams=teams,
            shadow_policy_ids=tuple(sorted((*platform.shadow_policy_ids, *tenant.shadow_policy_ids))),
            redacts=frozenset(o.argument for o in obligations if o.kind == "redact"),
        )

    def _denied(self, platform: Evaluation | None, tenant: Evaluation | None) -> Outcome:
        policy_ids: list[str] = []
        reasons: list[str] = []
        for layer, evaluation in (("platform", platform), ("tenant", tenant)):
            if evaluation is None or evaluation.allowed:
                continue
            policy_ids += evaluation.policy_ids
            reasons += (self._descriptions[name] or f"forbidden by `{name}`" for name in evaluation.policy_ids)
            if evaluation.errors:
                reasons.append(f"a policy of the {layer} could not be evaluated")
            elif not evaluation.policy_ids:
                reasons.append(f"no policy of the {layer} permits this")
        both = [evaluation for evaluation in (platform, tenant) if evaluation is not None]
        return Outcome(
            verdict=Verdict.DENY,
            policy_ids=tuple(sorted(policy_ids)),
            reasons=tuple(reasons),
            shadow_policy_ids=tuple(sorted(name for evaluation in both for name in evaluation.shadow_policy_ids)),
            errors=tuple(sorted({error for evaluation in both for error in evaluation.errors})),
        )


def _described(entity: Entity) -> list[Any]:
    """The entity in an order that does not depend on how it was made."""
    return [entity.uid, _sorted(entity.attributes), sorted(entity.ancestors), _sorted(entity.tags)]


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [(name, _sorted(item)) for name, item in sorted(value.items())]
    if isinstance(value, frozenset):
        return sorted((_sorted(item) for item in value), key=repr)
    return value

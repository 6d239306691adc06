"""Decides. One rule: whatever goes wrong is a denial.

Cedar skips a policy that errs and decides by the others; here an error in any policy whose scope holds the request
denies, because a forbid that could not be evaluated might have held. Everything else is Cedar's: forbid wins, and what no
permit holds is denied. https://docs.cedarpolicy.com/auth/authorization.html
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from triskel.policy.cedar.annotations import Obliged
from triskel.policy.cedar.codegen import Atom
from triskel.policy.cedar.conformance import Conformance
from triskel.policy.cedar.policy import Policy, ScopeIndex, action_masks
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import Schema
from triskel.policy.cedar.values import Fault, Uid

_CACHE_ENTRIES = 8_192
"""Remembered principals, resources and sets of candidates; a full table is emptied, so that nothing grows for ever."""


class Evaluation(NamedTuple):
    """What one bundle says of one request.

    `policy_ids` are the determining policies, sorted: the forbids that hold, or else the permits that hold; where an
    error denies, the forbids that hold, if any. `errors` are `policy id: what failed`, or `request: …` where the request
    is not of the schema's types. `shadow_policy_ids` are the shadow policies that would be determining if all were
    enforced; `shadow_errors` deny nothing. Obligations and teams are those of all determining permits, sorted.
    `malformed` where the request is not of the schema's types.
    """

    allowed: bool
    policy_ids: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    shadow_policy_ids: tuple[str, ...] = ()
    shadow_errors: tuple[str, ...] = ()
    obligations: tuple[Obliged, ...] = ()
    approval_teams: tuple[str, ...] = ()
    malformed: bool = False


_Conditional = tuple[Policy, tuple[Atom, ...]]


class _Plan(NamedTuple):
    """The policies whose scope holds a request: those without conditions, and the others with theirs.

    For the precheck: the enforced forbids without late conditions; the enforced permits with their other conditions; and
    whether one of these has none left.
    """

    always: tuple[Policy, ...]
    conditional: tuple[_Conditional, ...]
    early_forbids: tuple[_Conditional, ...]
    early_permits: tuple[_Conditional, ...]
    open: bool


class Evaluator:
    """A set of policies under a schema. Immutable but for its caches; safe to share between threads."""

    __slots__ = ("_actions", "_conformance", "_outcomes", "_plans", "_principals", "_resources", "_scopes", "policies", "schema")

    def __init__(self, schema: Schema, policies: Sequence[Policy]) -> None:
        self.schema = schema
        self.policies = tuple(policies)
        self._conformance = Conformance(schema)
        self._actions = action_masks((p.action for p in policies), schema.action_ancestors)
        self._scopes = (ScopeIndex(p.principal for p in policies), ScopeIndex(p.resource for p in policies))
        self._principals: dict[tuple[Uid, frozenset[Uid]], int] = {}
        self._resources: dict[tuple[Uid, frozenset[Uid]], int] = {}
        self._plans: dict[int, _Plan] = {}
        self._outcomes: dict[tuple[str, ...], Evaluation] = {}

    def fault(self, request: Request, *, early: bool = False) -> str | None:
        """Where the request is not of the schema's types, or None. `early`: late attributes of the context may be missing."""
        return self._conformance.fault(request, early=early)

    def evaluate(self, request: Request, *, conforms: bool = False) -> Evaluation:
        """The decision. `conforms` says that `fault` has been asked under the same schema and found nothing."""
        if not conforms:
            fault = self._conformance.fault(request)
            if fault is not None:
                return Evaluation(allowed=False, errors=(f"request: {fault}",), malformed=True)
        plan = self._plan(request)
        held, errors = _held(plan.conditional, request)
        held += plan.always
        if errors:
            return _conclude(held, errors)
        key = tuple([policy.id for policy in held])
        outcome = self._outcomes.get(key)
        if outcome is None:
            outcome = _conclude(held, errors)
            if len(self._outcomes) >= _CACHE_ENTRIES:
                self._outcomes.clear()
            self._outcomes[key] = outcome
        return outcome

    def precheck(self, request: Request, *, conforms: bool = False) -> Evaluation | None:
        """The denial, where nothing that a scan or a quote could tell would change it, or None.

        A condition that reads a late attribute is unknown. Denied is what a forbid without unknown conditions holds, or
        errs on, and what no permit can hold any more, whatever its unknown conditions.
        """
        if not conforms:
            fault = self._conformance.fault(request, early=True)
            if fault is not None:
                return Evaluation(allowed=False, errors=(f"request: {fault}",), malformed=True)
        plan = self._plan(request)
        if plan.early_forbids:
            held, errors = _held(plan.early_forbids, request)
            if held or errors:
                return _conclude(held, errors)
        if plan.open:
            return None
        for candidate in plan.early_permits:
            held, errors = _held((candidate,), request)
            # A late condition before the one that erred might be false: only the whole evaluation may deny for it.
            if held or errors:
                return None
        return Evaluation(allowed=False)

    def candidates(self, request: Request) -> tuple[Policy, ...]:
        """The policies whose scope holds the request, in the order of the bundle."""
        plan = self._plan(request)
        found = {*(policy.id for policy in plan.always), *(policy.id for policy, _ in plan.conditional)}
        return tuple(policy for policy in self.policies if policy.id in found)

    def _plan(self, request: Request) -> _Plan:
        principals, resources = self._scopes
        mask = (
            self._actions.get(request.action, 0)
            & _remembered(self._principals, principals, request.principal)
            & _remembered(self._resources, resources, request.resource)
        )
        plan = self._plans.get(mask)
        if plan is None:
            if len(self._plans) >= _CACHE_ENTRIES:
                self._plans.clear()
            plan = self._plans[mask] = self._planned(mask)
        return plan

    def _planned(self, mask: int) -> _Plan:
        found = []
        while mask:
            low = mask & -mask
            found.append(self.policies[low.bit_length() - 1])
            mask ^= low
        forbids = [p for p in found if p.enforced and not p.permits and not any(c.late for c in p.conditions)]
        permits = [p for p in found if p.enforced and p.permits]
        early_permits = tuple((p, tuple(c.holds for c in p.conditions if not c.late)) for p in permits)
        return _Plan(
            always=tuple(p for p in found if not p.conditions),
            conditional=tuple(_conditional(p) for p in found if p.conditions),
            early_forbids=tuple(_conditional(p) for p in forbids),
            early_permits=early_permits,
            open=any(not atoms for _, atoms in early_permits),
        )


def _conditional(policy: Policy) -> _Conditional:
    return policy, tuple(condition.holds for condition in policy.conditions)


def _held(candidates: Sequence[_Conditional], request: Request) -> tuple[list[Policy], list[tuple[Policy, str]]]:
    """The candidates whose conditions hold, and the errors of those that err."""
    p, r, c = request.principal.attributes, request.resource.attributes, request.context
    held: list[Policy] = []
    errors: list[tuple[Policy, str]] = []
    for policy, atoms in candidates:
        try:
            for atom in atoms:
                if not atom(p, r, c, request):
                    break
            else:
                held.append(policy)
        except Exception as error:  # noqa: BLE001 whatever a policy raises denies
            errors.append((policy, describe(error)))
    return held, errors


def _remembered(known: dict[tuple[Uid, frozenset[Uid]], int], index: ScopeIndex, entity: Entity) -> int:
    key = (entity.uid, entity.ancestors)
    mask = known.get(key)
    if mask is None:
        if len(known) >= _CACHE_ENTRIES:
            known.clear()
        mask = known[key] = index.mask(*key)
    return mask


def describe(error: Exception) -> str:
    """What failed, for a record: no value of the request is named."""
    if isinstance(error, KeyError):
        return f"attribute `{error.args[0]}` is missing"
    return str(error) if isinstance(error, Fault) else f"internal error: {type(error).__name__}"


def _conclude(held: Sequence[Policy], errors: Sequence[tuple[Policy, str]]) -> Evaluation:
    """The decision that the satisfied policies and the errors make."""
    enforced = [policy for policy in held if policy.enforced]
    faults = tuple(sorted(f"{policy.id}: {what}" for policy, what in errors if policy.enforced))
    forbids = _ids(policy for policy in enforced if not policy.permits)
    permits = [policy for policy in enforced if policy.permits]
    shadow_forbids = _ids(policy for policy in held if not policy.enforced and not policy.permits)
    shadow_permits = _ids(policy for policy in held if not policy.enforced and policy.permits)
    shadow = shadow_forbids or (() if forbids else shadow_permits)
    shadow_errors = tuple(sorted(f"{policy.id}: {what}" for policy, what in errors if not policy.enforced))
    if forbids or faults or not permits:
        return Evaluation(False, forbids, faults, shadow, shadow_errors)
    return Evaluation(
        allowed=True,
        policy_ids=_ids(permits),
        shadow_policy_ids=shadow,
        shadow_errors=shadow_errors,
        obligations=tuple(sorted({obligation for policy in permits for obligation in policy.meaning.obligations})),
        approval_teams=tuple(sorted({team for policy in permits for team in policy.meaning.approval_teams})),
    )


def _ids(policies: Any) -> tuple[str, ...]:
    return tuple(sorted(policy.id for policy in policies))

"""Decides. One rule: whatever goes wrong is a denial.

Cedar skips a policy that errs and decides by the others; here an error in any policy whose scope holds the request
denies, because a forbid that could not be evaluated might have held. Everything else is Cedar's: forbid wins, and what no
permit holds is denied. https://docs.cedarpolicy.com/auth/authorization.html
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from triskel.policy.cedar.annotations import Obliged
from triskel.policy.cedar.codegen import Atom
from triskel.policy.cedar.conformance import EntityTypes, Question
from triskel.policy.cedar.policy import Policy, ScopeIndex, action_masks
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import Schema
from triskel.policy.cedar.values import Fault, Uid

_CACHED = 8_192
"""Remembered entities, and sets of candidates; a full table is emptied, so that nothing grows for ever."""
_CACHED_OUTCOMES = 256
"""Remembered for each set of candidates."""


class Evaluation(NamedTuple):
    """What one bundle says of one request.

    `policy_ids` are the determining policies, sorted: the forbids that hold, or else the permits that hold; where an
    error denies, the forbids that hold, if any. `errors` are `policy id: what failed`, or `request: …` where the request
    is not of the schema's types. `shadow_policy_ids` are the shadow policies that would be determining if all were
    enforced; `shadow_errors` deny nothing. Obligations and teams are those of all determining permits, sorted.
    """

    allowed: bool
    policy_ids: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    shadow_policy_ids: tuple[str, ...] = ()
    shadow_errors: tuple[str, ...] = ()
    obligations: tuple[Obliged, ...] = ()
    approval_teams: tuple[str, ...] = ()


_Conditional = tuple[Policy, tuple[Atom, ...]]
_Failure = tuple[Policy, str]
_Known = tuple[Entity, int, str | None]
"""An entity, the policies whose scope holds it, and what is wrong with it or None."""


class _Row(NamedTuple):
    """A policy and what is tried of it: all conditions; for the precheck, those that are not late, where it has a say."""

    policy: Policy
    atoms: tuple[Atom, ...]
    early_forbid: bool
    early_permit: tuple[Atom, ...] | None

    @classmethod
    def of(cls, policy: Policy) -> "_Row":
        """The row of a policy."""
        late = any(condition.late for condition in policy.conditions)
        early = tuple(condition.holds for condition in policy.conditions if not condition.late)
        return cls(
            policy,
            tuple(condition.holds for condition in policy.conditions),
            early_forbid=policy.enforced and not policy.permits and not late,
            early_permit=early if policy.enforced and policy.permits else None,
        )


class _Plan:
    """The policies whose scope holds a request: those without conditions, and the others with theirs.

    For the precheck: the enforced forbids without late conditions; the enforced permits with their other conditions; and
    whether one of these has none left. `outcomes` are by the bits of the conditional policies that hold.
    """

    __slots__ = ("always", "conditional", "early_forbids", "early_permits", "open", "outcomes")

    def __init__(self, rows: Sequence[_Row]) -> None:
        self.always = [policy for policy, atoms, _, _ in rows if not atoms]
        self.conditional = [(1 << i, policy, atoms) for i, (policy, atoms, _, _) in enumerate(rows) if atoms]
        self.early_forbids = [(policy, atoms) for policy, atoms, forbids, _ in rows if forbids]
        self.early_permits = [(policy, early) for policy, _, _, early in rows if early is not None]
        self.open = any(not early for _, early in self.early_permits)
        self.outcomes: dict[int, Evaluation] = {}

    def outcome(self, hits: int, failures: Sequence[_Failure]) -> Evaluation:
        """The decision, when these conditional policies hold, and remembered where nothing failed."""
        held = [*self.always, *(policy for bit, policy, _ in self.conditional if hits & bit)]
        if failures:
            return _conclude(held, failures)
        if len(self.outcomes) >= _CACHED_OUTCOMES:
            self.outcomes.clear()
        outcome = self.outcomes[hits] = _conclude(held, ())
        return outcome


class Evaluator:
    """A set of policies under a schema. Immutable but for its caches; safe to share between threads."""

    __slots__ = (
        "_actions",
        "_entity_types",
        "_plans",
        "_principals",
        "_questions",
        "_resources",
        "_rows",
        "_scopes",
        "policies",
        "schema",
    )

    def __init__(self, schema: Schema, policies: Sequence[Policy]) -> None:
        self.schema = schema
        self.policies = tuple(policies)
        self._rows = tuple(_Row.of(policy) for policy in policies)
        self._actions = action_masks((p.action for p in policies), schema.action_ancestors)
        self._scopes = (ScopeIndex(p.principal for p in policies), ScopeIndex(p.resource for p in policies))
        self._entity_types = EntityTypes(schema)
        self._questions: tuple[dict[Uid, Question], dict[Uid, Question]] = ({}, {})
        # By identity, which is cheap: entities are shared between requests. Each is kept, so that no id is used again.
        self._principals: dict[int, _Known] = {}
        self._resources: dict[int, _Known] = {}
        self._plans: dict[int, _Plan] = {}

    def evaluate(self, request: Request, *, conforms: bool = False) -> Evaluation:
        """The decision. `conforms` says that another evaluator under the same schema has found the context well typed."""
        try:
            plan = self._plan(request, conforms=conforms, early=False)
        except _Malformed as fault:
            return Evaluation(allowed=False, errors=(f"request: {fault}",))
        return _decided(plan, request)

    def evaluate_untyped(self, request: Request) -> Evaluation:
        """The decision on a request whose types nobody has checked, by Cedar's rules for wrong types. Remembers nothing."""
        return _decided(_Plan(_chosen(self._rows, self._mask(request))), request)

    def precheck(self, request: Request, *, conforms: bool = False) -> Evaluation | None:
        """The denial, where nothing that a scan or a quote could tell would change it, or None.

        Late attributes may be missing from the context, and a condition that reads one is unknown. Denied is what a forbid
        without unknown conditions holds, or errs on, and what no permit can hold any more, whatever its unknown conditions.
        """
        try:
            plan = self._plan(request, conforms=conforms, early=True)
        except _Malformed as fault:
            return Evaluation(allowed=False, errors=(f"request: {fault}",))
        if plan.early_forbids:
            held, failures = _held(plan.early_forbids, request)
            if held or failures:
                return _conclude(held, failures)
        return None if plan.open or _possible(plan.early_permits, request) else Evaluation(allowed=False)

    def candidates(self, request: Request) -> tuple[Policy, ...]:
        """The policies whose scope holds the request, in the order of the bundle."""
        return tuple(row.policy for row in _chosen(self._rows, self._mask(request)))

    def fault(self, request: Request, *, early: bool = False) -> str | None:
        """Where the request is not of the schema's types, or None. `early`: late attributes of the context may be missing."""
        try:
            self._plan(request, conforms=False, early=early)
        except _Malformed as fault:
            return str(fault)
        return None

    def _plan(self, request: Request, *, conforms: bool, early: bool) -> _Plan:
        """What is to be tried. Raises _Malformed."""
        principal, action, resource, context, others = request
        question = self._questions[early].get(action) or self._question(action, early=early)
        _, principal_mask, principal_fault = self._known(self._principals, principal, 0)
        _, resource_mask, resource_fault = self._known(self._resources, resource, 1)
        if principal.uid.type not in question.principals or resource.uid.type not in question.resources:
            raise _Malformed(question.fault(request))
        if principal_fault is not None or resource_fault is not None:
            raise _Malformed(principal_fault or resource_fault)
        if not conforms and not question.conforms(context):
            raise _Malformed(question.fault(request))
        if others:
            for other in others.values():
                fault = self._entity_types.fault(other)
                if fault is not None:
                    raise _Malformed(fault)
        mask = self._actions[action] & principal_mask & resource_mask
        plan = self._plans.get(mask)
        if plan is None:
            if len(self._plans) >= _CACHED:
                self._plans.clear()
            plan = self._plans[mask] = _Plan(_chosen(self._rows, mask))
        return plan

    def _question(self, action: Uid, *, early: bool) -> Question:
        declared = self.schema.actions.get(action)
        if declared is None:
            raise _Malformed(f"the schema has no action {action}")
        question = self._questions[early][action] = Question(declared, early=early)
        return question

    def _known(self, table: dict[int, _Known], entity: Entity, variable: int) -> _Known:
        known = table.get(id(entity))
        if known is None or known[0] is not entity:
            if len(table) >= _CACHED:
                table.clear()
            mask = self._scopes[variable].mask(entity.uid, entity.ancestors)
            known = table[id(entity)] = (entity, mask, self._entity_types.fault(entity))
        return known

    def _mask(self, request: Request) -> int:
        principal, resource = request.principal, request.resource
        return (
            self._actions.get(request.action, 0)
            & self._scopes[0].mask(principal.uid, principal.ancestors)
            & self._scopes[1].mask(resource.uid, resource.ancestors)
        )


class _Malformed(Exception):
    """The request is not of the schema's types. The message says where."""


def _decided(plan: _Plan, request: Request) -> Evaluation:
    principal, _, resource, c, _ = request
    p, r = principal.attributes, resource.attributes
    hits = 0
    failures: list[_Failure] = []
    for bit, policy, atoms in plan.conditional:
        try:
            for atom in atoms:
                if not atom(p, r, c, request):
                    break
            else:
                hits |= bit
        except Exception as error:  # noqa: BLE001 whatever a policy raises denies
            failures.append((policy, describe(error)))
    outcome = None if failures else plan.outcomes.get(hits)
    return plan.outcome(hits, failures) if outcome is None else outcome


def _chosen(rows: Sequence[_Row], mask: int) -> list[_Row]:
    """The rows whose bits are set."""
    found = []
    while mask:
        low = mask & -mask
        found.append(rows[low.bit_length() - 1])
        mask ^= low
    return found


def _held(candidates: Iterable[_Conditional], request: Request) -> tuple[list[Policy], list[_Failure]]:
    """The candidates all of whose conditions hold, and the ones that err."""
    p, r, c = request.principal.attributes, request.resource.attributes, request.context
    held: list[Policy] = []
    failures: list[_Failure] = []
    for policy, atoms in candidates:
        try:
            for atom in atoms:
                if not atom(p, r, c, request):
                    break
            else:
                held.append(policy)
        except Exception as error:  # noqa: BLE001 whatever a policy raises denies
            failures.append((policy, describe(error)))
    return held, failures


def _possible(candidates: Iterable[_Conditional], request: Request) -> bool:
    """Whether one of the candidates holds, as far as its conditions are given, or errs."""
    p, r, c = request.principal.attributes, request.resource.attributes, request.context
    for _, atoms in candidates:
        try:
            for atom in atoms:
                if not atom(p, r, c, request):
                    break
            else:
                return True
        except Exception:  # noqa: BLE001
            # A late condition before the one that erred might be false: only the whole evaluation may deny for it.
            return True
    return False


def describe(error: Exception) -> str:
    """What failed, for a record: no value of the request is named."""
    if isinstance(error, KeyError):
        return f"attribute `{error.args[0]}` is missing"
    return str(error) if isinstance(error, Fault) else f"internal error: {type(error).__name__}"


def _conclude(held: Sequence[Policy], failures: Sequence[_Failure]) -> Evaluation:
    """The decision that the satisfied policies and the errors make."""
    errors = tuple(sorted(f"{policy.id}: {what}" for policy, what in failures if policy.enforced))
    shadow_errors = tuple(sorted(f"{policy.id}: {what}" for policy, what in failures if not policy.enforced))
    forbids = _ids(policy for policy in held if policy.enforced and not policy.permits)
    permits = [policy for policy in held if policy.enforced and policy.permits]
    shadow = _ids(policy for policy in held if not policy.enforced and not policy.permits)
    if not shadow and not forbids:
        shadow = _ids(policy for policy in held if not policy.enforced and policy.permits)
    if forbids or errors or not permits:
        return Evaluation(False, forbids, errors, shadow, shadow_errors)
    return Evaluation(
        allowed=True,
        policy_ids=_ids(permits),
        shadow_policy_ids=shadow,
        shadow_errors=shadow_errors,
        obligations=tuple(sorted({obligation for policy in permits for obligation in policy.meaning.obligations})),
        approval_teams=tuple(sorted({team for policy in permits for team in policy.meaning.approval_teams})),
    )


def _ids(policies: Iterable[Policy]) -> tuple[str, ...]:
    return tuple(sorted(policy.id for policy in policies))

"""Why a request was decided as it was, policy by policy. One rule: it runs what the evaluator runs, only apart.

It is slow, and is asked for by people. Texts are the policies' own; no value of the request appears.
"""

from typing import NamedTuple

from triskel.policy.cedar.codegen import compile_atom
from triskel.policy.cedar.evaluator import Evaluator, describe
from triskel.policy.cedar.expression import Expr, UnsupportedPolicy
from triskel.policy.cedar.policy import Policy, Scope, scope_matches
from triskel.policy.cedar.render import render
from triskel.policy.cedar.request import Request
from triskel.policy.cedar.values import Uid

HELD, FAILED, ERRED, NOT_REACHED = "held", "failed", "erred", "not reached"


class AtomExplanation(NamedTuple):
    """One condition. `outcome` is `held`, `failed`, `erred` (then `error` says what) or `not reached`.

    `parts` are the alternatives of an `||` and the members of an `&&` within it.
    """

    text: str
    outcome: str
    error: str = ""
    parts: tuple["AtomExplanation", ...] = ()


class PolicyExplanation(NamedTuple):
    """One policy. `scope` is each part of its head and whether it holds the request; `holds` is None where it erred."""

    policy_id: str
    effect: str
    enforced: bool
    scope: tuple[tuple[str, bool], ...]
    atoms: tuple[AtomExplanation, ...]
    holds: bool | None

    @property
    def in_scope(self) -> bool:
        """Whether its head holds the request."""
        return all(matches for _, matches in self.scope)


def explain(evaluator: Evaluator, request: Request) -> tuple[PolicyExplanation, ...]:
    """Every policy of the evaluator, in the order of the bundle. The request is taken to be well typed."""
    return tuple(_policy(evaluator, policy, request) for policy in evaluator.policies)


def _policy(evaluator: Evaluator, policy: Policy, request: Request) -> PolicyExplanation:
    action_ancestors = evaluator.schema.action_ancestors.get(request.action, frozenset())
    scope = (
        _scope("principal", policy.principal, request.principal.uid, request.principal.ancestors),
        _scope("action", policy.action, request.action, action_ancestors),
        _scope("resource", policy.resource, request.resource.uid, request.resource.ancestors),
    )
    atoms: list[AtomExplanation] = []
    for condition in policy.conditions:
        reached = all(atom.outcome == HELD for atom in atoms)
        atom = _atom(evaluator, condition.expression, request)
        # What stands behind a failed condition may err only because of it: `context has a && context.a > 1`.
        atoms.append(atom if reached or atom.outcome != ERRED else AtomExplanation(atom.text, NOT_REACHED))
    first = next((atom.outcome for atom in atoms if atom.outcome != HELD), HELD)
    holds = all(matches for _, matches in scope) and first == HELD
    return PolicyExplanation(
        policy_id=policy.id,
        effect="permit" if policy.permits else "forbid",
        enforced=policy.enforced,
        scope=scope,
        atoms=tuple(atoms),
        holds=None if first == ERRED and all(matches for _, matches in scope) else holds,
    )


def _scope(variable: str, scope: Scope, uid: Uid, ancestors: frozenset[Uid]) -> tuple[str, bool]:
    return scope_text(variable, scope), scope_matches(scope, uid, ancestors)


def scope_text(variable: str, scope: Scope) -> str:
    """One part of a policy's head as Cedar writes it."""
    if scope.op == "all":
        return variable
    names = ", ".join(map(str, scope.entities))
    if scope.op == "is":
        return f"{variable} is {scope.type}" + (f" in {names}" if names else "")
    return f"{variable} {scope.op} " + (f"[{names}]" if len(scope.entities) != 1 else names)


def _atom(evaluator: Evaluator, expression: Expr, request: Request) -> AtomExplanation:
    outcome, error = _tried(evaluator, expression, request)
    parts: tuple[AtomExplanation, ...] = ()
    if expression.op in ("||", "&&"):
        parts = tuple(_atom(evaluator, part, request) for part in expression.args)
    return AtomExplanation(render(expression), outcome, error, parts)


def _tried(evaluator: Evaluator, expression: Expr, request: Request) -> tuple[str, str]:
    attributes = request.principal.attributes, request.resource.attributes, request.context
    try:
        atom = compile_atom(expression, evaluator.schema.action_ancestors)
        return (HELD if atom(*attributes, request) else FAILED), ""
    except UnsupportedPolicy as error:
        return ERRED, str(error)
    except Exception as error:  # noqa: BLE001 whatever a policy raises is its error
        return ERRED, describe(error)

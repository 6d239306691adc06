"""One compiled policy, and the index that finds the ones whose scope a request is in.

One rule: a scope is a set of policies, held as the bits of an integer, so that a thousand scopes are matched by three
lookups and two ands.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from triskel.policy.cedar.annotations import Meaning
from triskel.policy.cedar.codegen import Atom
from triskel.policy.cedar.expression import Expr, UnsupportedPolicy
from triskel.policy.cedar.lookups import Actions
from triskel.policy.cedar.values import Uid


class Scope(NamedTuple):
    """One part of a policy's head: anything, or `op` in `==`, `in`, `is`. `entities` has several for actions only."""

    op: str
    type: str = ""
    entities: tuple[Uid, ...] = ()


ANY = Scope("all")


class Condition(NamedTuple):
    """One part of a policy's conditions, all of which must hold. `late` where it reads what a scan or a quote tells."""

    expression: Expr
    late: bool
    holds: Atom


class Policy(NamedTuple):
    """A policy, ready to be evaluated."""

    id: str
    permits: bool
    principal: Scope
    action: Scope
    resource: Scope
    conditions: tuple[Condition, ...]
    meaning: Meaning = Meaning()

    @property
    def enforced(self) -> bool:
        """Whether it decides; a shadow policy is only reported."""
        return self.meaning.enforced


def scope_matches(scope: Scope, uid: Uid, ancestors: frozenset[Uid]) -> bool:
    """Whether an entity is in the scope: what the index answers for all policies at once."""
    if scope.op == "all":
        return True
    if scope.type and uid.type != scope.type:
        return False
    if not scope.entities:
        return True
    return uid in scope.entities or (scope.op != "==" and not ancestors.isdisjoint(scope.entities))


class ScopeIndex:
    """The scopes of many policies for one variable: principal, or resource."""

    __slots__ = ("_any", "_equal", "_inside", "_typed", "_typed_inside")

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self._any = 0
        self._typed: dict[str, int] = {}
        self._equal: dict[Uid, int] = {}
        self._inside: dict[Uid, int] = {}
        self._typed_inside: dict[str, dict[Uid, int]] = {}
        for position, scope in enumerate(scopes):
            self._add(scope, 1 << position)

    def _add(self, scope: Scope, bit: int) -> None:
        if scope.op == "all":
            self._any |= bit
        elif scope.op == "==":
            uid = scope.entities[0]
            self._equal[uid] = self._equal.get(uid, 0) | bit
        elif scope.op == "in":
            uid = scope.entities[0]
            self._inside[uid] = self._inside.get(uid, 0) | bit
        elif not scope.entities:
            self._typed[scope.type] = self._typed.get(scope.type, 0) | bit
        else:
            table = self._typed_inside.setdefault(scope.type, {})
            table[scope.entities[0]] = table.get(scope.entities[0], 0) | bit

    def mask(self, uid: Uid, ancestors: frozenset[Uid]) -> int:
        """The policies whose scope holds this entity."""
        inside = self._inside
        mask = self._any | self._equal.get(uid, 0) | inside.get(uid, 0) | self._typed.get(uid.type, 0)
        for ancestor in ancestors:
            mask |= inside.get(ancestor, 0)
        table = self._typed_inside.get(uid.type)
        if table is not None:
            mask |= table.get(uid, 0)
            for ancestor in ancestors:
                mask |= table.get(ancestor, 0)
        return mask


def action_masks(scopes: Iterable[Scope], actions: Actions) -> Mapping[Uid, int]:
    """For each action of the schema, the policies whose scope holds it. Raises UnsupportedPolicy for an unknown one."""
    masks = dict.fromkeys(actions, 0)
    members: dict[Uid, list[Uid]] = {}
    for action, ancestors in actions.items():
        for group in (action, *ancestors):
            members.setdefault(group, []).append(action)
    for position, scope in enumerate(scopes):
        bit = 1 << position
        for action in _actions_of(scope, actions, members):
            masks[action] |= bit
    return masks


def _actions_of(scope: Scope, actions: Actions, members: Mapping[Uid, list[Uid]]) -> Iterator[Uid]:
    if scope.op == "all":
        yield from actions
    for uid in scope.entities:
        if uid not in members:
            raise UnsupportedPolicy(f"the schema has no action {uid}")
        yield from (uid,) if scope.op == "==" else members[uid]

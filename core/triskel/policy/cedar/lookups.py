"""Operators that need the request's entities. One rule: an unknown entity has no ancestors, and reading it is an error.

Semantics: https://docs.cedarpolicy.com/policies/syntax-operators.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from triskel.policy.cedar.request import Request
from triskel.policy.cedar.values import Fault, Uid, mismatch

Actions = Mapping[Uid, frozenset[Uid]]
"""The ancestors of every action of a schema."""


def within(q: Request, actions: Actions, entity: Any, other: Any) -> bool:
    """`entity in other`: an entity, or a set of them."""
    if entity.__class__ is not Uid:
        mismatch("an entity", entity)
    if other.__class__ is Uid:
        return bool(entity == other) or other in _ancestors(q, actions, entity)
    if other.__class__ is not frozenset:
        mismatch("an entity or a set of entities", other)
    for candidate in other:
        if candidate.__class__ is not Uid:
            mismatch("a set of entities", candidate)
    return entity in other or not _ancestors(q, actions, entity).isdisjoint(other)


def _ancestors(q: Request, actions: Actions, uid: Uid) -> frozenset[Uid]:
    known = q.entity(uid)
    return known.ancestors if known is not None else actions.get(uid, frozenset())


def attribute(q: Request, value: Any, name: str) -> Any:
    """`value.name`, of a record or an entity."""
    if value.__class__ is dict:
        return value[name]
    if value.__class__ is not Uid:
        mismatch("a record or an entity", value)
    entity = q.entity(value)
    if entity is None:
        raise Fault("an entity that the request does not describe was read")
    return entity.attributes[name]


def has_attribute(q: Request, value: Any, name: str) -> bool:
    """`value has name`: false, not an error, for an unknown entity."""
    if value.__class__ is dict:
        return name in value
    if value.__class__ is not Uid:
        mismatch("a record or an entity", value)
    entity = q.entity(value)
    return entity is not None and name in entity.attributes


def has_tag(q: Request, value: Any, name: Any) -> bool:
    """`value.hasTag(name)`: false, not an error, for an unknown entity."""
    if value.__class__ is not Uid:
        mismatch("an entity", value)
    if name.__class__ is not str:
        mismatch("String", name)
    entity = q.entity(value)
    return entity is not None and name in entity.tags


def get_tag(q: Request, value: Any, name: Any) -> Any:
    """`value.getTag(name)`."""
    if not has_tag(q, value, name):
        raise Fault("an entity lacks the tag that was read")
    entity = q.entity(value)
    return entity.tags[name] if entity is not None else None


def is_type(value: Any, kind: str) -> bool:
    """`value is kind`."""
    if value.__class__ is not Uid:
        mismatch("an entity", value)
    return bool(value.type == kind)


LOOKUPS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (within, attribute, has_attribute, has_tag, get_tag, is_type)}

"""Cedar's JSON form of values, entities and requests, for golden cases, records and tools.

One rule: what has no Cedar value is refused, not bent into one.
Format: https://docs.cedarpolicy.com/auth/entities-syntax.html
"""

from collections.abc import Mapping
from typing import Any

from triskel.policy.cedar.extensions import CALLS
from triskel.policy.cedar.request import Entity
from triskel.policy.cedar.values import Fault, Uid, long, set_of

_CONSTRUCTORS = ("decimal", "ip", "datetime", "duration")
_MAX_DEPTH = 32


def value_from_json(document: Any, depth: int = 0) -> Any:
    """The Cedar value: a list is a set, an object a record, `{"__entity": …}` an entity, `{"__extn": …}` an extension value.

    Raises Fault for a float, null, an integer beyond 64 bits, an unknown escape, or what is nested too deep.
    """
    if depth > _MAX_DEPTH:
        raise Fault(f"a value is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(document, bool | str):
        return document
    if isinstance(document, int):
        return long(document)
    if isinstance(document, list):
        return set_of(value_from_json(item, depth + 1) for item in document)
    if isinstance(document, dict):
        if document.keys() == {"__entity"}:
            return uid_from_json(document["__entity"])
        if document.keys() == {"__extn"}:
            return _extension(document["__extn"])
        return {str(name): value_from_json(item, depth + 1) for name, item in document.items()}
    raise Fault(f"{'null' if document is None else type(document).__name__} is no Cedar value")


def uid_from_json(document: Any) -> Uid:
    """The entity that `{"type": …, "id": …}` names. Raises Fault."""
    if isinstance(document, dict) and document.keys() == {"type", "id"}:
        kind, name = document["type"], document["id"]
        if isinstance(kind, str) and isinstance(name, str):
            return Uid(kind, name)
    raise Fault("an entity must have a type and an id, and nothing else")


def entities_from_json(documents: Any) -> Mapping[Uid, Entity]:
    """Entities by uid, from a list of `{"uid", "attrs", "parents", "tags"}`; ancestors are worked out. Raises Fault."""
    if not isinstance(documents, list) or not all(isinstance(document, dict) for document in documents):
        raise Fault("entities must be a list of objects")
    parents = {
        uid_from_json(document.get("uid")): [uid_from_json(parent) for parent in document.get("parents", [])]
        for document in documents
    }
    return {
        uid: Entity(
            uid,
            {name: value_from_json(value) for name, value in document.get("attrs", {}).items()},
            _ancestors(uid, parents),
            {name: value_from_json(value) for name, value in document.get("tags", {}).items()},
        )
        for uid, document in zip(parents, documents, strict=True)
    }


def _ancestors(uid: Uid, parents: Mapping[Uid, list[Uid]]) -> frozenset[Uid]:
    found: set[Uid] = set()
    pending = list(parents[uid])
    while pending:
        parent = pending.pop()
        if parent not in found:
            found.add(parent)
            pending += parents.get(parent, [])
    return frozenset(found)


def _extension(document: Any) -> Any:
    if isinstance(document, dict) and document.get("fn") in _CONSTRUCTORS:
        return CALLS[document["fn"]](document.get("arg"))
    raise Fault("an extension value must be made by decimal, ip, datetime or duration")

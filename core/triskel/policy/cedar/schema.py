"""The types that requests must have: entity types, actions and the context of each.

One rule: what is decoded here is checked here, because the document may come from anywhere.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from triskel.policy.cedar.lookups import Actions
from triskel.policy.cedar.values import Uid

PRIMITIVES = frozenset({"Bool", "Long", "String"})
EXTENSIONS = frozenset({"decimal", "ipaddr", "datetime", "duration"})
_MAX_DEPTH = 16


class Type(NamedTuple):
    """`kind` is a primitive, an extension, `Set` (of `element`), `Record` (of `attributes`) or `Entity` (named `entity`)."""

    kind: str
    element: "Type | None" = None
    attributes: "Mapping[str, Attribute] | None" = None
    entity: str = ""


class Attribute(NamedTuple):
    """One attribute of a record or an entity. `late` where only a scan or a quote tells it (`@late` in the schema)."""

    type: Type
    required: bool = True
    late: bool = False


class EntityType(NamedTuple):
    """What entities of a type are like. `ids`, where given, are all that there are."""

    parents: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = {}
    tags: Type | None = None
    ids: tuple[str, ...] | None = None


class ActionType(NamedTuple):
    """Who may be asked about for an action, on what, in which context. `ancestors` are the groups it is in."""

    principals: tuple[str, ...]
    resources: tuple[str, ...]
    context: Mapping[str, Attribute]
    ancestors: frozenset[Uid] = frozenset()


class SchemaInvalid(Exception):
    """The schema cannot be used. The message says why."""


class Schema:
    """Entity types by qualified name, and actions."""

    def __init__(self, entities: Mapping[str, EntityType], actions: Mapping[Uid, ActionType]) -> None:
        self.entities = entities
        self.actions = actions

    @cached_property
    def action_ancestors(self) -> Actions:
        """The groups of each action."""
        return {uid: action.ancestors for uid, action in self.actions.items()}

    @cached_property
    def ancestor_types(self) -> Mapping[str, frozenset[str]]:
        """The entity types that each entity type may be in, directly or not."""
        return {name: frozenset(self._above(name)) for name in self.entities}

    def _above(self, name: str) -> set[str]:
        found: set[str] = set()
        pending = list(self.entities[name].parents)
        while pending:
            parent = pending.pop()
            if parent not in found:
                found.add(parent)
                pending += self.entities[parent].parents if parent in self.entities else ()
        return found

    @cached_property
    def late_attributes(self) -> frozenset[str]:
        """The names of context attributes that are late for any action."""
        contexts = (action.context for action in self.actions.values())
        return frozenset(name for context in contexts for name, attribute in context.items() if attribute.late)

    def to_document(self) -> dict[str, Any]:
        """The schema as JSON values."""
        return {
            "entities": {name: _entity_document(entity) for name, entity in self.entities.items()},
            "actions": [
                {
                    "uid": list(uid),
                    "principals": list(action.principals),
                    "resources": list(action.resources),
                    "ancestors": sorted(list(ancestor) for ancestor in action.ancestors),
                    "context": _attributes_document(action.context),
                }
                for uid, action in sorted(self.actions.items())
            ],
        }

    @classmethod
    def from_document(cls, document: Any) -> "Schema":
        """The schema that `to_document` described. Raises SchemaInvalid."""
        try:
            return cls(
                {str(name): _entity(entity) for name, entity in document["entities"].items()},
                {_uid(action["uid"]): _action(action) for action in document["actions"]},
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise SchemaInvalid("the schema of the bundle is malformed") from None


def _uid(value: Any) -> Uid:
    kind, name = value
    return Uid(_string(kind), _string(name))


def _string(value: Any) -> str:
    if value.__class__ is not str:
        raise TypeError
    return str(value)


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(_string(value) for value in values)


def _entity(document: Any) -> EntityType:
    ids, tags = document.get("ids"), document.get("tags")
    return EntityType(
        parents=_strings(document["parents"]),
        attributes=_attributes(document["attributes"], 0),
        tags=None if tags is None else _type(tags, 0),
        ids=None if ids is None else _strings(ids),
    )


def _entity_document(entity: EntityType) -> dict[str, Any]:
    document: dict[str, Any] = {"parents": list(entity.parents), "attributes": _attributes_document(entity.attributes)}
    if entity.tags is not None:
        document["tags"] = _type_document(entity.tags)
    if entity.ids is not None:
        document["ids"] = list(entity.ids)
    return document


def _action(document: Any) -> ActionType:
    return ActionType(
        principals=_strings(document["principals"]),
        resources=_strings(document["resources"]),
        context=_attributes(document["context"], 0),
        ancestors=frozenset(_uid(uid) for uid in document["ancestors"]),
    )


def _attributes(document: Any, depth: int) -> dict[str, Attribute]:
    return {
        _string(name): Attribute(_type(body["type"], depth), "optional" not in body, "late" in body)
        for name, body in document.items()
    }


def _attributes_document(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    return {
        name: {
            "type": _type_document(attribute.type),
            **({} if attribute.required else {"optional": True}),
            **({"late": True} if attribute.late else {}),
        }
        for name, attribute in attributes.items()
    }


def _type(document: Any, depth: int) -> Type:
    if depth > _MAX_DEPTH:
        raise ValueError
    if isinstance(document, str):
        if document not in PRIMITIVES and document not in EXTENSIONS:
            raise ValueError
        return Type(document)
    ((kind, body),) = document.items()
    if kind == "Set":
        return Type("Set", element=_type(body, depth + 1))
    if kind == "Record":
        return Type("Record", attributes=_attributes(body, depth + 1))
    if kind == "Entity":
        return Type("Entity", entity=_string(body))
    raise ValueError


def _type_document(kind: Type) -> Any:
    if kind.element is not None:
        return {"Set": _type_document(kind.element)}
    if kind.attributes is not None:
        return {"Record": _attributes_document(kind.attributes)}
    return {"Entity": kind.entity} if kind.entity else kind.kind

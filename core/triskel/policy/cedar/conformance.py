"""Whether a request is of the types that the schema declares.

One rule: the compiled evaluator sees nothing else, so that what was validated when it was published cannot be surprised
by a wrong type. Faults name attributes and types, never values.
Rules: https://docs.cedarpolicy.com/policies/validation.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from triskel.policy.cedar.extensions import Datetime, Decimal, Duration, IpAddress
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import ActionType, Attribute, EntityType, Schema, Type
from triskel.policy.cedar.values import LONG_MAX, LONG_MIN, FrozenRecord, Uid, type_name

_CLASSES: dict[str, type] = {
    "String": str,
    "Long": int,
    "Bool": bool,
    "Set": frozenset,
    "Record": dict,
    "Entity": Uid,
    "decimal": Decimal,
    "ipaddr": IpAddress,
    "datetime": Datetime,
    "duration": Duration,
}

_CHECKER_NAMES: dict[str, Any] = {
    "__builtins__": {},
    "len": len,
    "str": str,
    "int": int,
    "bool": bool,
    "frozenset": frozenset,
    "KeyError": KeyError,
}

Checker = Callable[[Mapping[str, Any]], bool]
"""Whether the attributes of a record are of their types: all that are required, and no others than are declared."""


class Question:
    """What one action may be asked about: the types of the principal and the resource, and the context."""

    __slots__ = ("_action", "_early", "conforms", "principals", "resources")

    def __init__(self, action: ActionType, *, early: bool) -> None:
        """`early`: late attributes of the context may be missing."""
        self._action = action
        self._early = early
        self.principals = frozenset(action.principals)
        self.resources = frozenset(action.resources)
        self.conforms: Checker = _checker(action.context, early=early)

    def fault(self, request: Request) -> str | None:
        """What is wrong with a request, its entities' attributes apart, or None."""
        principal, action, resource, context, _ = request
        if principal.uid.type not in self.principals:
            return f"{principal.uid.type} cannot be the principal of {action}"
        if resource.uid.type not in self.resources:
            return f"{resource.uid.type} cannot be the resource of {action}"
        if not self.conforms(context):
            return f"context: {_difference(context, self._action.context, early=self._early)}"
        return None


class EntityTypes:
    """Whether entities are of the types that a schema declares."""

    __slots__ = ("_checkers", "_schema")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._checkers: dict[str, Checker] = {}

    def fault(self, entity: Entity) -> str | None:
        """What is wrong with an entity, or None."""
        name = entity.uid.type
        declared = self._schema.entities.get(name)
        if declared is None:
            return f"the schema has no entity type {name}"
        conforms = self._checkers.get(name)
        if conforms is None:
            conforms = self._checkers[name] = _checker(declared.attributes)
        if not conforms(entity.attributes):
            return f"{name}: {_difference(entity.attributes, declared.attributes)}"
        allowed = self._schema.ancestor_types[name]
        for ancestor in entity.ancestors:
            if ancestor.type not in allowed:
                return f"{name} cannot be in {ancestor.type}"
        return _unusual_fault(entity, declared)


def _checker(attributes: Mapping[str, Attribute], *, early: bool = False) -> Checker:
    """A generated function that tests one attribute after the other. As in `codegen`, no word of a schema is source."""
    lines: list[str] = []
    constants: list[Any] = []
    required = 0
    for name, attribute in sorted(attributes.items()):
        key = f"k{len(constants)}"
        constants.append(name)
        test = [f"   v = c[{key}]", *_tests(attribute.type, constants)]
        if attribute.required and not (early and attribute.late):
            required += 1
            lines += test
        else:
            lines += [f"   if {key} in c:", "    n += 1", *(f" {line}" for line in test)]
    parameters = ", ".join(f"k{i}" for i in range(len(constants)))
    head = [f"def maker({parameters}):", " def check(c):", "  try:", f"   n = {required}"]
    tail = ["   return len(c) == n", "  except KeyError:", "   return False", " return check"]
    namespace = dict(_CHECKER_NAMES)
    exec("\n".join([*head, *lines, *tail]), namespace)  # noqa: S102 see the docstring
    checker: Checker = namespace["maker"](*constants)
    return checker


def _tests(kind: Type, constants: list[Any]) -> list[str]:
    """Statements that return False where `v` is not of the type."""
    if kind.kind in ("String", "Bool"):
        return [f"   if v.__class__ is not {_CLASSES[kind.kind].__name__}: return False"]
    if kind.kind == "Long":
        return [f"   if v.__class__ is not int or not {LONG_MIN} <= v <= {LONG_MAX}: return False"]
    if kind.element == Type("String"):
        each = ["   for x in v:", "    if x.__class__ is not str: return False"]
        return ["   if v.__class__ is not frozenset: return False", *each]
    constants.append(lambda value: _is(value, kind))
    return [f"   if not k{len(constants) - 1}(v): return False"]


def _is(value: Any, kind: Type) -> bool:
    """Whether a value, or a frozen element of a set, is of the type."""
    of_class: object = value.__class__
    if kind.kind == "Bool" and of_class is tuple:
        return True
    if kind.kind == "Record" and of_class is FrozenRecord:
        return _is(dict(value.items), kind)
    if of_class is not _CLASSES[kind.kind]:
        return False
    if kind.element is not None:
        return all(_is(item, kind.element) for item in value)
    if kind.attributes is not None:
        return _is_record(value, kind.attributes)
    return (not kind.entity or value.type == kind.entity) and (kind.kind != "Long" or LONG_MIN <= value <= LONG_MAX)


def _is_record(values: Mapping[str, Any], attributes: Mapping[str, Attribute]) -> bool:
    declared = all(name in attributes and _is(value, attributes[name].type) for name, value in values.items())
    return declared and all(name in values for name, attribute in attributes.items() if attribute.required)


def _difference(values: Mapping[str, Any], attributes: Mapping[str, Attribute], *, early: bool = False, path: str = "") -> str:
    """The first thing that is wrong, for a person."""
    for name, attribute in sorted(attributes.items()):
        if name not in values:
            if attribute.required and not (early and attribute.late):
                return f"attribute `{path}{name}` is missing"
        elif not _is(values[name], attribute.type):
            return _reason(values[name], attribute.type, f"{path}{name}")
    unknown = sorted(str(name) for name in values if name not in attributes)
    return f"attribute `{path}{unknown[0]}` is not in the schema"


def _reason(value: Any, kind: Type, path: str) -> str:
    if kind.attributes is not None and isinstance(value, dict):
        return _difference(value, kind.attributes, path=f"{path}.")
    if kind.kind == "Long" and value.__class__ is int:
        return f"attribute `{path}` does not fit in 64 bits"
    what = value.type if isinstance(value, Uid) else type_name(value)
    return f"attribute `{path}` must be {_type_text(kind)}, not {what}"


def _type_text(kind: Type) -> str:
    if kind.element is not None:
        return f"Set<{_type_text(kind.element)}>"
    return kind.entity or kind.kind


def _unusual_fault(entity: Entity, declared: EntityType) -> str | None:
    name = entity.uid.type
    if declared.ids is not None and entity.uid.id not in declared.ids:
        return f"{name}: the schema does not list this id"
    if entity.tags and declared.tags is None:
        return f"{name}: the schema declares no tags"
    if entity.tags and declared.tags is not None and not all(_is(value, declared.tags) for value in entity.tags.values()):
        return f"{name}: a tag is not of the declared type"
    return None

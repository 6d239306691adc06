"""Whether a request is of the types that the schema declares.

One rule: the compiled evaluator sees nothing else, so that what was validated when it was published cannot be surprised
by a wrong type. Rules: https://docs.cedarpolicy.com/policies/validation.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from triskel.policy.cedar.extensions import Datetime, Decimal, Duration, IpAddress
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import Attribute, EntityType, Schema, Type
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

_CHECKER_NAMES: dict[str, Any] = {"__builtins__": {}, "len": len, "str": str, "int": int, "bool": bool, "frozenset": frozenset}

_Checker = Callable[[Mapping[str, Any]], bool]
"""Whether a record is of a type; KeyError where a required attribute is missing."""


class Conformance:
    """The checks of one schema. Each is generated when it is first needed."""

    __slots__ = ("_contexts", "_entities", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._contexts: dict[tuple[Uid, bool], _Checker] = {}
        self._entities: dict[str, _Checker] = {}

    def fault(self, request: Request, *, early: bool = False) -> str | None:
        """What is wrong with the request, or None. `early`: late attributes of the context may be missing."""
        action = self.schema.actions.get(request.action)
        if action is None:
            return f"the schema has no action {request.action}"
        principal, resource = request.principal, request.resource
        if principal.uid.type not in action.principals:
            return f"{principal.uid.type} cannot be the principal of {request.action}"
        if resource.uid.type not in action.resources:
            return f"{resource.uid.type} cannot be the resource of {request.action}"
        conforms = self._contexts.get((request.action, early))
        if conforms is None:
            conforms = self._contexts[request.action, early] = _checker(action.context, early=early)
        if not _holds(conforms, request.context):
            return f"context: {_difference(request.context, action.context, early=early)}"
        return (
            self._entity_fault(principal)
            or self._entity_fault(resource)
            or (next(filter(None, map(self._entity_fault, request.others.values())), None) if request.others else None)
        )

    def _entity_fault(self, entity: Entity) -> str | None:
        name = entity.uid.type
        declared = self.schema.entities.get(name)
        if declared is None:
            return f"the schema has no entity type {name}"
        conforms = self._entities.get(name)
        if conforms is None:
            conforms = self._entities[name] = _checker(declared.attributes)
        if not _holds(conforms, entity.attributes):
            return f"{name}: {_difference(entity.attributes, declared.attributes)}"
        if entity.tags or declared.ids is not None:
            return _unusual_fault(entity, declared)
        return None


def _holds(checker: _Checker, values: Mapping[str, Any]) -> bool:
    try:
        return checker(values)
    except KeyError:
        return False


def _checker(attributes: Mapping[str, Attribute], *, early: bool = False) -> _Checker:
    """A generated function that tests one attribute after the other. As in `codegen`, no word of a schema is source."""
    lines: list[str] = []
    constants: list[Any] = []
    required = 0
    for name, attribute in sorted(attributes.items()):
        key = f"k{len(constants)}"
        constants.append(name)
        test = [f"  v = c[{key}]", *_tests(attribute.type, constants)]
        if attribute.required and not (early and attribute.late):
            required += 1
            lines += test
        else:
            lines += [f"  if {key} in c:", "   n += 1", *(f" {line}" for line in test)]
    parameters = ", ".join(f"k{i}" for i in range(len(constants)))
    source = f"def maker({parameters}):\n def check(c):\n  n = {required}\n"
    namespace = dict(_CHECKER_NAMES)
    exec(source + "\n".join([*lines, "  return len(c) == n", " return check"]), namespace)  # noqa: S102 see the docstring
    checker: _Checker = namespace["maker"](*constants)
    return checker


def _tests(kind: Type, constants: list[Any]) -> list[str]:
    """Statements that return False where `v` is not of the type."""
    if kind.kind in ("String", "Bool"):
        return [f"  if v.__class__ is not {_CLASSES[kind.kind].__name__}: return False"]
    if kind.kind == "Long":
        return [f"  if v.__class__ is not int or not {LONG_MIN} <= v <= {LONG_MAX}: return False"]
    if kind.element == Type("String"):
        return ["  if v.__class__ is not frozenset: return False", "  for x in v:", "   if x.__class__ is not str: return False"]
    constants.append(lambda value: _is(value, kind))
    return [f"  if not k{len(constants) - 1}(v): return False"]


def _is_long(value: int) -> bool:
    return LONG_MIN <= value <= LONG_MAX


def _is(value: Any, kind: Type) -> bool:
    """Whether a value, or a frozen element of a set, is of the type."""
    if kind.kind == "Bool" and value.__class__ is tuple:
        return True
    if kind.kind == "Record" and value.__class__ is FrozenRecord:
        return _is(dict(value.items), kind)
    of_class: object = value.__class__
    if of_class is not _CLASSES[kind.kind]:
        return False
    if kind.element is not None:
        return all(_is(item, kind.element) for item in value)
    if kind.attributes is not None:
        known = kind.attributes
        return all(name in known and _is(item, known[name].type) for name, item in value.items()) and all(
            name in value for name, attribute in known.items() if attribute.required
        )
    return value.type == kind.entity if kind.entity else kind.kind != "Long" or _is_long(value)


def _difference(values: Mapping[str, Any], attributes: Mapping[str, Attribute], *, early: bool = False) -> str:
    """The first thing that is wrong, for a person. Names and types, never values."""
    for name, attribute in sorted(attributes.items()):
        if name not in values:
            if attribute.required and not (early and attribute.late):
                return f"attribute `{name}` is missing"
        elif not _is(values[name], attribute.type):
            return f"attribute `{name}` must be {_type_text(attribute.type)}, not {type_name(values[name])}"
    unknown = sorted(str(name) for name in values if name not in attributes)
    return f"attribute `{unknown[0]}` is not in the schema"


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
    if declared.tags is not None and not all(_is(value, declared.tags) for value in entity.tags.values()):
        return f"{name}: a tag is not of the declared type"
    return None

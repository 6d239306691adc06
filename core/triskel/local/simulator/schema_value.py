"""A value that a JSON schema accepts, made from the words of a prompt. One rule: same schema and prompt, same value.

It fills required properties, or all where none is required. Of JSON Schema 2020-12 it minds: type, enum, const, properties,
required, additionalProperties, items, prefixItems, minItems, uniqueItems, anyOf, oneOf, allOf, local $ref, the bounds of
numbers, the lengths of strings, the common formats, and a pattern where one of its samples happens to match.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from triskel.local.simulator.words import numbers, values

NODES_AT_MOST = 2000
ITEMS_AT_MOST = 64
CHARACTERS_AT_MOST = 4096
OPTIONAL_DEPTH = 4
LARGEST = 1e15
"""Bounds and steps beyond it are not minded: floats do not count exactly there."""
DEPTH_AT_MOST = 32

FORMATS = {
    "email": "someone@example.com",
    "date": "2026-11-20",
    "date-time": "2026-11-20T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "6f1c3a52-9d0e-4b7a-8c11-2f5e7d9a0b34",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}
_SAMPLES = (
    *FORMATS.values(),
    *("1234567890123456"[:length] for length in range(1, 17)),
    *("abcdefgh"[:length] for length in range(1, 9)),
    *("ABCDEFGH"[:length] for length in range(1, 9)),
    *("A1", "AB12", "ABC-123", "a-b", "a_b", "1.0", "1.0.0", "+15550100", "#a1b2c3"),
)


def value_for(schema: Mapping[str, Any], prompt: str) -> Any:
    """A value for `schema` out of `prompt`."""
    return _Filler(schema, prompt).value(schema, 0)


class _Filler:
    """One filling. Each string or number it makes takes the next word or number of the prompt."""

    def __init__(self, root: Mapping[str, Any], prompt: str) -> None:
        self._root = root
        self._texts = values(prompt)
        self._numbers = numbers(prompt)
        self._nodes = 0

    def value(self, schema: Any, depth: int) -> Any:
        """The value for a schema at a depth."""
        self._nodes += 1
        if self._nodes > NODES_AT_MOST or depth > DEPTH_AT_MOST:
            return None
        schema = self._plain(schema, depth)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._enumerated(schema["enum"])
        return self._typed(_type_of(schema), schema, depth)

    def _typed(self, kind: str, schema: dict[str, Any], depth: int) -> Any:
        if kind in ("boolean", "null"):
            return True if kind == "boolean" else None
        if kind in ("integer", "number"):
            return self._number(schema, step=1 if kind == "integer" else 0)
        if kind in ("object", "array"):
            return self._object(schema, depth) if kind == "object" else self._array(schema, depth)
        return self._string(schema)

    def _plain(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema without references and alternatives: the first alternative that is not null is taken."""
        plain = dict(schema) if isinstance(schema, Mapping) else {}
        for _ in range(DEPTH_AT_MOST):
            if isinstance(plain.get("$ref"), str):
                target = _resolve(self._root, plain.pop("$ref"))
                plain = _merged(target, plain)
            elif isinstance(plain.get("allOf"), list):
                for part in plain.pop("allOf"):
                    plain = _merged(plain, part)
            elif options := plain.pop("anyOf", None) or plain.pop("oneOf", None):
                nulls = [option for option in options if isinstance(option, Mapping) and option.get("type") == "null"]
                others = [option for option in options if option not in nulls]
                preferred = nulls + others if depth >= OPTIONAL_DEPTH else others + nulls
                plain = _merged(plain, preferred[0] if preferred else {})
            else:
                break
        return plain

    def _enumerated(self, options: list[Any]) -> Any:
        mentioned = {text.lower() for text in self._texts}
        return next((option for option in options if isinstance(option, str) and option.lower() in mentioned), options[0])

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        if not names and depth < OPTIONAL_DEPTH:
            names = list(properties)
        return {name: self.value(properties.get(name, schema.get("additionalProperties")), depth + 1) for name in names}

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        firsts = schema.get("prefixItems")
        items = [self.value(item, depth + 1) for item in firsts] if isinstance(firsts, list) else []
        least = min(_whole(schema.get("minItems"), 0), ITEMS_AT_MOST)
        wanted = least if depth >= OPTIONAL_DEPTH or schema.get("items") in (None, False) else max(least, 1)
        most = _whole(schema.get("maxItems"), ITEMS_AT_MOST)
        for _ in range(ITEMS_AT_MOST * 4):
            if len(items) >= min(wanted, most):
                break
            item = self.value(_without_mentioned(schema.get("items"), items), depth + 1)
            if not schema.get("uniqueItems") or item not in items:
                items.append(item)
        return items

    def _number(self, schema: dict[str, Any], step: float) -> float:
        """A multiple of `step`, or of the schema's own: the next number of the prompt that fits, or a simple one that does."""
        steps = [one for one in (step, schema.get("multipleOf")) if _is_number(one) and 1 / LARGEST < one < LARGEST]
        for said in self._numbers:
            if _fits(float(said), schema, steps):
                self._numbers.remove(said)
                return _plain_number(float(said))
        bounds = [schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")]
        known = [float(bound) for bound in bounds if _is_number(bound) and abs(bound) < LARGEST]
        middle = sum(known) / max(len(known), 1)
        candidates = [1.0, *known, middle, *(bound + 1 for bound in known), *(bound - 1 for bound in known)]
        if steps:
            largest = max(steps)
            candidates = [(math.floor(one / largest) + more) * largest for one in candidates for more in (0, 1, -1)]
        return _plain_number(next((one for one in candidates if _fits(one, schema, steps)), candidates[0]))

    def _string(self, schema: dict[str, Any]) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        least = min(_whole(schema.get("minLength"), 0), CHARACTERS_AT_MOST)
        most = _whole(schema.get("maxLength"), CHARACTERS_AT_MOST)
        if isinstance(schema.get("pattern"), str):
            return _matching(schema["pattern"], [text for text in (*self._texts, *_SAMPLES) if least <= len(text) <= most])
        text = self._texts.pop(0) if self._texts else "example"
        return text.ljust(least, "x")[:most]


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _resolve(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """The schema that a local JSON pointer names, or one that accepts anything."""
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _merged(one: Mapping[str, Any], other: Any) -> dict[str, Any]:
    if not isinstance(other, Mapping):
        return dict(one)
    both = {**one, **other}
    if isinstance(one.get("properties"), Mapping) and isinstance(other.get("properties"), Mapping):
        both["properties"] = {**one["properties"], **other["properties"]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        both["required"] = [*one["required"], *other["required"]]
    return both


def _without_mentioned(items: Any, taken: list[Any]) -> Any:
    """`items` with the members of its enumeration that are not taken yet, so that unique items end."""
    if not isinstance(items, Mapping) or not isinstance(items.get("enum"), list):
        return items
    return {**items, "enum": [option for option in items["enum"] if option not in taken] or items["enum"]}


def _fits(number: float, schema: Mapping[str, Any], steps: list[float]) -> bool:
    bounds: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
        ("minimum", operator.ge),
        ("exclusiveMinimum", operator.gt),
        ("maximum", operator.le),
        ("exclusiveMaximum", operator.lt),
    )
    if not all((number / step).is_integer() for step in steps):
        return False
    return all(holds(number, schema[name]) for name, holds in bounds if _is_number(schema.get(name)))


def _plain_number(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _matching(pattern: str, candidates: list[str]) -> str:
    """The first candidate in which `pattern` is found. RE2, because the pattern is the caller's and must not cost."""
    import re2  # noqa: PLC0415  a pattern is rare, and the import is not free

    try:
        compiled = re2.compile(pattern)
    except re2.error:
        return candidates[0] if candidates else ""
    return next((text for text in candidates if compiled.search(text)), candidates[0] if candidates else "")

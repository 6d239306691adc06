"""Cedar's values as Python's, and the operators that need more than one Python operator.

    Bool → bool   Long → int   String → str   Entity → Uid   Set → frozenset of frozen elements   Record → dict
    decimal, ipaddr, datetime, duration → the classes of `extensions`

One rule: an operator gives exactly what Cedar gives, or raises Fault. Python holds `True == 1`; Cedar does not.
Semantics: https://docs.cedarpolicy.com/policies/syntax-operators.html
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
"""Cedar's Long is a signed 64-bit integer; arithmetic beyond it is an error."""


class Fault(Exception):
    """An evaluation error, in Cedar's sense. The message may name attributes and types, never a value."""


class Uid(NamedTuple):
    """The name of an entity: its qualified type and its id."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}::{quoted(self.id)}"


class FrozenRecord:
    """A record inside a set, where elements must be hashable."""

    __slots__ = ("items",)

    def __init__(self, items: frozenset[tuple[str, Any]]) -> None:
        self.items = items

    def __eq__(self, other: object) -> bool:
        return other.__class__ is FrozenRecord and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)


_FROZEN_BOOL = {False: ("Bool", False), True: ("Bool", True)}
"""What stands for a Bool in a set, so that it never equals a Long there. No Uid has a bool for its id."""

_NAMES = {bool: "Bool", int: "Long", str: "String", Uid: "an entity", frozenset: "Set", dict: "Record"}

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def quoted(text: str) -> str:
    """`text` as a Cedar string literal."""
    escaped = (_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text)
    return f'"{"".join(escaped)}"'


def type_name(value: Any) -> str:
    """What Cedar calls the type of `value`."""
    name = _NAMES.get(value.__class__)
    return name if name is not None else getattr(value.__class__, "cedar_name", "no Cedar value")


def mismatch(expected: str, value: Any) -> NoReturn:
    """Raise the type error."""
    raise Fault(f"type error: expected {expected}, got {type_name(value)}")


def freeze(value: Any) -> Any:
    """`value` in the form that it has as an element of a set."""
    kind = value.__class__
    if kind is bool:
        return _FROZEN_BOOL[value]
    if kind is dict:
        return FrozenRecord(frozenset((name, freeze(item)) for name, item in value.items()))
    return value


def set_of(items: Iterable[Any]) -> frozenset[Any]:
    """The Cedar set of these values."""
    return frozenset(freeze(item) for item in items)


def equal(a: Any, b: Any) -> bool:
    """`a == b`: false, never an error, between values of different types."""
    if a.__class__ is not b.__class__:
        return False
    if a.__class__ is dict:
        return a.keys() == b.keys() and all(equal(item, b[name]) for name, item in a.items())
    return bool(a == b)


def long(value: int) -> int:
    """The result of an arithmetic operation, when it fits."""
    if LONG_MIN <= value <= LONG_MAX:
        return value
    raise Fault("integer overflow")


def add(a: Any, b: Any) -> int:
    """`a + b`."""
    return long(_as_long(a) + _as_long(b))


def subtract(a: Any, b: Any) -> int:
    """`a - b`."""
    return long(_as_long(a) - _as_long(b))


def multiply(a: Any, b: Any) -> int:
    """`a * b`."""
    return long(_as_long(a) * _as_long(b))


def negate(a: Any) -> int:
    """`-a`."""
    return long(-_as_long(a))


def _as_long(value: Any) -> int:
    return value if value.__class__ is int else mismatch("Long", value)


def less(a: Any, b: Any) -> bool:
    """`a < b`, of two Longs, two datetimes or two durations."""
    kind = a.__class__
    if kind is not int and not getattr(kind, "cedar_ordered", False):
        mismatch("Long, datetime or duration", a)
    if b.__class__ is not kind:
        mismatch(type_name(a), b)
    return bool(a < b)


def less_or_equal(a: Any, b: Any) -> bool:
    """`a <= b`; see `less`."""
    return not less(b, a)


def as_set(value: Any) -> frozenset[Any]:
    """`value`, when it is a set."""
    return value if value.__class__ is frozenset else mismatch("Set", value)


def contains(a: Any, b: Any) -> bool:
    """`a.contains(b)`."""
    return freeze(b) in as_set(a)


def contains_all(a: Any, b: Any) -> bool:
    """`a.containsAll(b)`."""
    return as_set(b) <= as_set(a)


def contains_any(a: Any, b: Any) -> bool:
    """`a.containsAny(b)`."""
    return not as_set(a).isdisjoint(as_set(b))


def like(value: Any, parts: tuple[str, ...]) -> bool:
    """`value like` the pattern whose wildcards stood between `parts`. Linear in the text for each part."""
    if value.__class__ is not str:
        mismatch("String", value)
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return bool(value == first)
    if not value.startswith(first) or not value.endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    # The leftmost match of each middle part leaves the most room for the next.
    for part in parts[1:-1]:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end

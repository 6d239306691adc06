"""Conditions that try every operator on operands of the types it is for, mostly, and requests with values of every type.

Drawn from a seed, evenly: each seed gives many conditions that hold, fail and err.
"""

from random import Random
from typing import Any

LONGS = (0, 0, 0, 1, 1, 1, 2, 3, -1, -7, 700, 2**62, 2**63 - 1, -(2**63))
STRINGS = ("", "a", "b", "ab", "aab", "ba", "a*b", "x y", "1", "é", "aXbXa")
ENTITIES = (("User", "a"), ("User", "b"), ("Group", "a"), ("Group", "b"), ("Group", "c"))
PARENTS = {("User", "a"): [("Group", "a")], ("Group", "a"): [("Group", "b")]}
DECIMALS = ("1.5", "-0.5", "1.50", "2.0001")
ADDRESSES = ("10.0.0.1", "10.0.0.0/8", "::1", "127.0.0.1", "224.0.0.1")
DATETIMES = ("2024-02-29", "2024-01-01T10:00:00Z", "1969-12-31T23:59:59.999Z")
DURATIONS = ("1h", "-1d2h", "0ms", "90m", "25h")
VARIABLES = ("context", "principal", "resource")
TYPES = ("bool", "long", "string", "entity", "set", "record", "decimal", "ip", "datetime", "duration")

_ATTRIBUTES = {
    "bool": ("flag", "flag2"), "long": ("count", "count2"), "string": ("label", "label2"), "entity": ("owner", "owner2"),
    "set": ("items", "items2", "owners"), "record": ("detail", "detail2"), "decimal": ("price",), "ip": ("address",),
    "datetime": ("moment",), "duration": ("span",),
}  # fmt: skip
_EXTENSIONS = {"decimal": DECIMALS, "ip": ADDRESSES, "datetime": DATETIMES, "duration": DURATIONS}


class Conditions:
    """Draws expressions of wanted types as Cedar text."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def any_of(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def expression(self, kind: str, depth: int = 2) -> str:
        """An expression that mostly has the type."""
        if self.random.random() < 0.03:
            kind = self.random.choice(TYPES)
        if depth == 0 or self.random.random() < 0.35:
            return self.leaf(kind)
        return f"({getattr(self, f'_{kind}')(depth - 1)})"

    def leaf(self, kind: str) -> str:
        if self.random.random() < 0.5:
            base = self.any_of(*VARIABLES, *VARIABLES, "context.detail", "context.owner", "principal.owner")
            return f"{base}.{self.random.choice(_ATTRIBUTES[kind])}"
        if kind in _EXTENSIONS:
            return f'{kind}("{self.random.choice(_EXTENSIONS[kind])}")'
        return getattr(self, f"_{kind}_literal")()

    def _bool_literal(self) -> str:
        return self.any_of("true", "false")

    def _long_literal(self) -> str:
        number = self.random.choice(LONGS)
        return str(number) if number >= 0 else f"({number})"

    def _string_literal(self) -> str:
        return f'"{self.random.choice(STRINGS)}"'

    def _entity_literal(self) -> str:
        kind, name = self.random.choice(ENTITIES)
        return self.any_of("principal", "resource", "action", f'{kind}::"{name}"', f'{kind}::"{name}"', 'Action::"all"')

    def _set_literal(self) -> str:
        kind = self.any_of("long", "string", "entity", "bool")
        return f"[{', '.join(self.leaf(kind) for _ in range(self.random.randrange(4)))}]"

    def _record_literal(self) -> str:
        return f"{{flag: {self.leaf('bool')}, count: {self.leaf(self.any_of('long', 'bool'))}}}"

    def _bool(self, depth: int) -> str:
        def of(kind: str) -> str:
            return self.expression(kind, depth)

        kind = self.any_of("bool", "long", "string", "entity", "set", "record", *TYPES)
        ordered = self.any_of("long", "long", "datetime", "duration")
        compared = self.any_of("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
        attribute = self.random.choice([name for names in _ATTRIBUTES.values() for name in names])
        pattern = "".join(self.random.choice("ab*X*") for _ in range(self.random.randrange(6)))
        return self.random.choice(
            (
                lambda: f"{of(kind)} {self.any_of('==', '!=')} {of(kind)}",
                lambda: f"{of(kind)} {self.any_of('==', '!=')} {self.leaf(kind)}",
                # Python takes True for 1, alone and inside sets and records; Cedar does not.
                lambda: f"{of(self.any_of('bool', 'long'))} {self.any_of('==', '!=')} {of(self.any_of('bool', 'long'))}",
                lambda: f"{of('set')}.contains({self.leaf(self.any_of('bool', 'long'))})",
                lambda: f"{{a: {self.leaf('bool')}}} == {{a: {self.leaf('long')}}}",
                lambda: f"{of(ordered)} {self.any_of('<', '<=', '>', '>=')} {of(ordered)}",
                lambda: f"{of('long')} {self.any_of('<', '<=', '>', '>=')} {self._long_literal()}",
                lambda: f"{of('bool')} {self.any_of('&&', '||')} {of('bool')}",
                lambda: f"!{self.expression('bool', 0)}",
                lambda: f"{of('entity')} in {of(self.any_of('entity', 'set'))}",
                lambda: f"{self.any_of('principal', 'resource', 'action')} in {self._entity_literal()}",
                lambda: f"{self.any_of('principal', 'resource')} in [{self._entity_literal()}, {self._entity_literal()}]",
                lambda: f"{of('entity')} is {self.any_of('User', 'Group')}",
                lambda: f"{of('entity')} is {self.any_of('User', 'Group')} in {self._entity_literal()}",
                lambda: f"{of(self.any_of('record', 'entity'))} has {attribute}",
                lambda: f'{of("string")} like "{pattern}"',
                lambda: f"{of('set')}.contains({of(self.any_of('long', 'string', 'entity', 'bool', 'set', 'record'))})",
                lambda: f"{of('set')}.{self.any_of('containsAll', 'containsAny')}({of('set')})",
                lambda: f"{of('set')}.isEmpty()",
                lambda: f"{of('entity')}.hasTag({of('string')})",
                lambda: f"{of('entity')}.getTag({of('string')}) == {self.leaf(self.any_of('long', 'string'))}",
                lambda: f"{of('decimal')}.{compared}({of('decimal')})",
                lambda: f"{of('ip')}.{self.any_of('isIpv4', 'isIpv6', 'isLoopback', 'isMulticast')}()",
                lambda: f"{of('ip')}.isInRange({of('ip')})",
            )
        )()

    def _long(self, depth: int) -> str:
        a, b = self.expression("long", depth), self.expression("long", depth)
        part = self.any_of("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")
        return self.any_of(f"{a} {self.any_of('+', '-', '*')} {b}", f"-({a})", f"{self.expression('duration', depth)}.{part}()")

    def _either(self, kind: str, depth: int) -> str:
        then, other = self.expression(kind, depth), self.expression(kind, depth)
        return f"if {self.expression('bool', depth)} then {then} else {other}"

    def _string(self, depth: int) -> str:
        return self._either("string", depth)

    def _entity(self, depth: int) -> str:
        return self._either("entity", depth)

    def _decimal(self, depth: int) -> str:
        return self._either("decimal", depth)

    def _ip(self, depth: int) -> str:
        return self._either("ip", depth)

    def _set(self, depth: int) -> str:
        kind = self.any_of("long", "string", "entity", "set", "record", "bool")
        return f"[{', '.join(self.expression(kind, depth) for _ in range(self.random.randrange(3)))}]"

    def _record(self, depth: int) -> str:
        return f"{{detail: {self.expression('record', depth)}, count: {self.expression('long', depth)}}}"

    def _datetime(self, depth: int) -> str:
        moment = self.expression("datetime", depth)
        return self.any_of(f"{moment}.offset({self.expression('duration', depth)})", f"{moment}.toDate()")

    def _duration(self, depth: int) -> str:
        moment = self.expression("datetime", depth)
        return self.any_of(f"{moment}.durationSince({self.expression('datetime', depth)})", f"{moment}.toTime()")


def policies(random: Random, count: int) -> str:
    """Permits with one clause each and no scope, so that each is satisfied, not satisfied or in error by itself."""
    draw = Conditions(random)
    clauses = (f"{draw.any_of('when', 'when', 'unless')} {{ {draw.expression('bool')} }}" for _ in range(count))
    return "\n".join(f"permit (principal, action, resource) {clause};" for clause in clauses)


def _uid(entity: tuple[str, str]) -> dict[str, str]:
    return {"type": entity[0], "id": entity[1]}


class Values:
    """Draws values and requests in Cedar's JSON form."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def value(self, kind: str) -> Any:
        if kind in _EXTENSIONS:
            return {"__extn": {"fn": kind, "arg": self.random.choice(_EXTENSIONS[kind])}}
        return getattr(self, f"_{kind}")()

    def record(self) -> dict[str, Any]:
        """Attributes, most of them there and of the type that their name says."""
        found = {}
        for kind, names in _ATTRIBUTES.items():
            for name in names:
                if self.random.random() < 0.93:
                    drawn = self.value(kind if self.random.random() < 0.96 else self.random.choice(TYPES))
                    found[name] = self._owners() if name == "owners" else drawn
        return found

    def _bool(self) -> bool:
        return self.random.random() < 0.5

    def _long(self) -> int:
        return self.random.choice(LONGS)

    def _string(self) -> str:
        return self.random.choice(STRINGS)

    def _entity(self) -> dict[str, Any]:
        return {"__entity": _uid(self.random.choice(ENTITIES))}

    def _owners(self) -> list[Any]:
        return [self._entity() for _ in range(self.random.randrange(3))]

    def _set(self) -> list[Any]:
        kind = self.random.choice(("long", "string", "bool", "entity", "record", "set"))
        kinds = (kind, kind, self.random.choice(("long", "bool")))
        return [self.value(kinds[i]) for i in range(self.random.randrange(4))] if self.random.random() < 0.7 else [1, 2]

    def _record(self) -> dict[str, Any]:
        return {"flag": self._bool(), "count": self.random.choice((0, 1, True)), "label": self._string()}

    def request(self) -> dict[str, Any]:
        """A request; now and then an entity is not described."""
        described = [entity for entity in ENTITIES if self.random.random() < 0.93]
        return {
            "principal": _uid(self.random.choice(ENTITIES)),
            "action": {"type": "Action", "id": self.random.choice(("read", "all"))},
            "resource": _uid(self.random.choice(ENTITIES)),
            "context": self.record(),
            "entities": [
                {
                    "uid": _uid(entity),
                    "attrs": self.record(),
                    "parents": [_uid(parent) for parent in PARENTS.get(entity, [])],
                    "tags": {self._string(): self.random.choice((self._long, self._string))() for _ in range(3)},
                }
                for entity in described
            ],
        }

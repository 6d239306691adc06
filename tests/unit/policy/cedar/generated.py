"""Policies and requests, drawn at random: every operator, well typed and wrongly typed, present and missing."""

from typing import Any

from hypothesis import strategies as st

NAMES = ("flag", "count", "label", "items", "detail", "owner", "address", "price", "moment", "span", "gone")
ENTITIES = tuple((kind, name) for kind in ("User", "Group") for name in ("a", "b"))


def _entity(entity: tuple[str, str]) -> str:
    return f'{entity[0]}::"{entity[1]}"'


LONGS = st.sampled_from((0, 1, 2, 3, -1, 700, 2**63 - 1, -(2**63)))
STRINGS = st.sampled_from(("", "a", "b", "ab", "aab", "a*b", "x y", "1", "é"))
BOOLS = st.sampled_from(("true", "false"))
PATTERNS = st.text(alphabet="ab*", max_size=5)

long_literals = LONGS.map(lambda n: str(n) if n >= 0 else f"({n})")
string_literals = STRINGS.map(lambda s: f'"{s}"')
entity_literals = st.sampled_from(ENTITIES).map(_entity)
literals = st.one_of(BOOLS, long_literals, string_literals, entity_literals)
extension_literals = st.sampled_from(
    (
        'decimal("1.5")', 'decimal("-0.5")', 'decimal("x")', 'ip("10.0.0.1")', 'ip("10.0.0.0/8")', 'ip("::1")', 'ip("z")',
        'datetime("2024-02-29")', 'datetime("2024-01-01T10:00:00Z")', 'duration("1h")', 'duration("-1d2h")',
    )
)  # fmt: skip

bases = st.sampled_from(("context", "principal", "resource", "context.detail", "context.owner", "principal.owner"))
attributes = st.tuples(bases, st.sampled_from(NAMES)).map(lambda t: f"{t[0]}.{t[1]}")
variables = st.sampled_from(("principal", "resource", "action", "context"))

leaves = st.one_of(literals, attributes, attributes, variables, extension_literals)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)

    def binary(*operators: str) -> st.SearchStrategy[str]:
        return st.tuples(inner, st.sampled_from(operators), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")

    def method(arity: int, *names: str) -> st.SearchStrategy[str]:
        arguments = st.tuples(*([inner] * arity)).map(", ".join)
        return st.tuples(inner, st.sampled_from(names), arguments).map(lambda t: f"({t[0]}).{t[1]}({t[2]})")

    return st.one_of(
        binary("&&", "||"),
        binary("==", "!=", "<", "<=", ">", ">="),
        binary("+", "-", "*"),
        binary("in"),
        inner.map(lambda e: f"(!({e}))"),
        inner.map(lambda e: f"(-({e}))"),
        st.tuples(inner, inner, inner).map(lambda t: f"(if {t[0]} then {t[1]} else {t[2]})"),
        st.tuples(inner, st.sampled_from(NAMES)).map(lambda t: f"(({t[0]}) has {t[1]})"),
        st.tuples(inner, st.sampled_from(NAMES)).map(lambda t: f"(({t[0]}).{t[1]})"),
        st.tuples(inner, PATTERNS).map(lambda t: f'(({t[0]}) like "{t[1]}")'),
        st.tuples(inner, st.sampled_from(("User", "Group"))).map(lambda t: f"(({t[0]}) is {t[1]})"),
        st.tuples(inner, entity_literals).map(lambda t: f"(({t[0]}) is User in {t[1]})"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        pair.map(lambda t: f'{{"flag": {t[0]}, "count": {t[1]}}}'),
        method(1, "contains", "containsAll", "containsAny", "hasTag", "getTag"),
        method(0, "isEmpty"),
        method(1, "lessThan", "greaterThanOrEqual", "isInRange", "offset", "durationSince"),
        method(0, "isIpv4", "isLoopback", "isMulticast", "toDate", "toTime", "toHours", "toMilliseconds"),
    )


def _sensible(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Conditions as people write them, most of which are well typed."""
    base = st.sampled_from(names)
    return st.one_of(
        base.map(lambda b: f"{b}.flag"),
        st.tuples(base, st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), long_literals).map(
            lambda t: f"{t[0]}.count {t[1]} {t[2]}"
        ),
        st.tuples(base, st.sampled_from(("==", "!=")), string_literals).map(lambda t: f"{t[0]}.label {t[1]} {t[2]}"),
        st.tuples(base, PATTERNS).map(lambda t: f'{t[0]}.label like "{t[1]}"'),
        st.tuples(base, literals).map(lambda t: f"{t[0]}.items.contains({t[1]})"),
        st.tuples(base, st.sampled_from(("All", "Any")), st.lists(literals, max_size=3)).map(
            lambda t: f"{t[0]}.items.contains{t[1]}([{', '.join(t[2])}])"
        ),
        st.tuples(base, st.sampled_from(NAMES)).map(lambda t: f"{t[0]} has {t[1]} && {t[0]}.{t[1]} == {t[0]}.{t[1]}"),
        entity_literals.map(lambda e: f"principal in {e}"),
        st.lists(entity_literals, max_size=2).map(lambda e: f"resource in [{', '.join(e)}]"),
        st.just('action in Action::"all"'),
        st.tuples(base, base).map(lambda t: f"{t[0]}.owner == {t[1]}.owner"),
        st.tuples(base, base).map(lambda t: f"{t[0]}.items == {t[1]}.items"),
        st.tuples(base, base).map(lambda t: f"{t[0]}.detail == {t[1]}.detail"),
        st.tuples(base, base).map(lambda t: f"{t[0]}.count + {t[1]}.count * 2 - 1 > 0"),
    )


sensible = _sensible(("context", "principal", "resource", "context.detail", "principal.owner"))
wild = st.recursive(leaves, _grow, max_leaves=6)
clauses = st.tuples(st.sampled_from(("when", "unless")), st.one_of(sensible, sensible, wild)).map(
    lambda t: f"{t[0]} {{ {t[1]} }}"
)


def _scopes(variable: str) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just(variable),
        entity_literals.map(lambda e: f"{variable} == {e}"),
        entity_literals.map(lambda e: f"{variable} in {e}"),
        st.sampled_from(("User", "Group")).map(lambda k: f"{variable} is {k}"),
        st.tuples(st.sampled_from(("User", "Group")), entity_literals).map(lambda t: f"{variable} is {t[0]} in {t[1]}"),
    )


action_scopes = st.sampled_from(
    ("action", 'action == Action::"read"', 'action in Action::"all"', 'action in [Action::"read", Action::"all"]',
     'action == Action::"all"')
)  # fmt: skip
policies = st.tuples(
    st.sampled_from(("permit", "permit", "permit", "forbid")),
    _scopes("principal"),
    action_scopes,
    _scopes("resource"),
    st.lists(clauses, max_size=3),
).map(lambda t: f"{t[0]} ({t[1]}, {t[2]}, {t[3]}) {' '.join(t[4])};")
policy_sets = st.lists(policies, min_size=1, max_size=6).map("\n".join)


def _uid(entity: tuple[str, str]) -> dict[str, str]:
    return {"type": entity[0], "id": entity[1]}


def _extension(function: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": function, "arg": argument}}


scalars = st.one_of(st.booleans(), LONGS, STRINGS, st.sampled_from(ENTITIES).map(lambda e: {"__entity": _uid(e)}))
sets = st.lists(scalars, max_size=4)
extensions = st.sampled_from(
    (
        _extension("decimal", "1.5"), _extension("ip", "10.0.0.1"), _extension("datetime", "2024-02-29"),
        _extension("duration", "1h"),
    )
)  # fmt: skip
_typed = {
    "flag": st.booleans(),
    "count": LONGS,
    "label": STRINGS,
    "items": sets,
    "detail": st.fixed_dictionaries({}, optional={"flag": st.booleans(), "count": LONGS, "label": STRINGS, "items": sets}),
    "owner": st.sampled_from(ENTITIES).map(lambda e: {"__entity": _uid(e)}),
    "address": st.just(_extension("ip", "10.0.0.1")),
    "price": st.just(_extension("decimal", "1.5")),
    "moment": st.just(_extension("datetime", "2024-02-29")),
    "span": st.just(_extension("duration", "-3h")),
}
well_typed = st.fixed_dictionaries(_typed)
any_typed = st.dictionaries(
    st.sampled_from(NAMES),
    st.one_of(scalars, sets, extensions, st.lists(st.one_of(sets, st.fixed_dictionaries({"flag": scalars})), max_size=2)),
    max_size=6,
)
records = st.one_of(well_typed, well_typed, st.fixed_dictionaries({}, optional=_typed), any_typed)

_PARENTS = {("User", "a"): [("Group", "a")], ("Group", "a"): [("Group", "b")], ("User", "b"): [], ("Group", "b"): []}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """One request with its entities, some of which may not be described."""
    entities = [
        {
            "uid": _uid(entity),
            "attrs": draw(records),
            "parents": [_uid(parent) for parent in _PARENTS[entity]],
            "tags": draw(st.dictionaries(STRINGS, scalars, max_size=2)),
        }
        for entity in draw(st.sampled_from((ENTITIES, ENTITIES, ENTITIES[1:])))
    ]
    return {
        "principal": _uid(draw(st.sampled_from(ENTITIES))),
        "action": {"type": "Action", "id": draw(st.sampled_from(("read", "read", "all")))},
        "resource": _uid(draw(st.sampled_from(ENTITIES))),
        "context": draw(records),
        "entities": entities,
    }

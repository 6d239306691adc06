"""Cedar's JSON policy format (EST) as typed expressions: the only door from a document to the code generator.

One rule: what leaves this file has a known operator, operands of the right sort and a bounded depth; everything else
is refused with UnsupportedPolicy. Format: https://docs.cedarpolicy.com/policies/json-format.html
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from triskel.policy.cedar.values import LONG_MAX, LONG_MIN, Uid

MAX_DEPTH = 32
"""Levels of nesting in one condition, chains of `&&` and `||` counted once. Generated code stays within what Python parses."""

MAX_OPERANDS = 1_000
"""Operands of one chain, elements of one set or record."""


class UnsupportedPolicy(Exception):
    """This policy cannot be compiled. The message says which part, for its author."""


class Expr(NamedTuple):
    """One node. `args` are, by `op`:

    `literal` (value) · `var` (name) · `&&` `||` `set` (expressions…) · `!` `neg` `isEmpty` (expression) · `if` (three) ·
    `== != < <= > >= + - * in contains containsAll containsAny hasTag getTag` (two) · `.` `has` (expression, name) ·
    `like` (expression, parts between wildcards) · `is` (expression, type, expression or None) ·
    `record` ((name, expression)…) · `call` (function, expressions…)
    """

    op: str
    args: tuple[Any, ...]


BINARY = frozenset({"==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "in"}) | frozenset(
    {"contains", "containsAll", "containsAny", "hasTag", "getTag"}
)
_UNARY = frozenset({"!", "neg", "isEmpty"})
_VARS = frozenset({"principal", "action", "resource", "context"})

CALLS = {
    "decimal": 1, "lessThan": 2, "lessThanOrEqual": 2, "greaterThan": 2, "greaterThanOrEqual": 2,
    "ip": 1, "isIpv4": 1, "isIpv6": 1, "isLoopback": 1, "isMulticast": 1, "isInRange": 2,
    "datetime": 1, "duration": 1, "offset": 2, "durationSince": 2, "toDate": 1, "toTime": 1,
    "toMilliseconds": 1, "toSeconds": 1, "toMinutes": 1, "toHours": 1, "toDays": 1,
}  # fmt: skip
"""Extension functions and methods, with the number of their operands, the receiver included."""


def parse(node: Any, depth: int = 0) -> Expr:
    """The expression that a decoded EST node is. Raises UnsupportedPolicy."""
    if depth > MAX_DEPTH:
        raise UnsupportedPolicy(f"a condition is nested more than {MAX_DEPTH} levels deep")
    if not isinstance(node, dict) or len(node) != 1:
        raise UnsupportedPolicy("an expression must be an object with one key")
    ((op, body),) = node.items()
    if op in BINARY:
        return Expr(op, (parse(_field(body, "left"), depth + 1), parse(_field(body, "right"), depth + 1)))
    if op in CALLS:
        return _parse_call(op, body, depth)
    parser = _PARSERS.get(op)
    if parser is None:
        raise UnsupportedPolicy(f"`{str(op)[:40]}` cannot be compiled")
    return parser(op, body, depth)


def uid(node: Any) -> Uid:
    """The entity that `{"type": …, "id": …}` names. Raises UnsupportedPolicy."""
    kind, name = _field(node, "type"), _field(node, "id")
    if not isinstance(kind, str) or not isinstance(name, str):
        raise UnsupportedPolicy("an entity must have a type and an id")
    return Uid(kind, name)


def split_conditions(conditions: Any) -> list[Any]:
    """The EST nodes that must all hold, in Cedar's order of evaluation. Raises UnsupportedPolicy.

    `when { a && b }` is `a`, then `b`. `unless { a || b }` is `!a`, then `!b`, which short-circuits and errs alike.
    """
    parts: list[Any] = []
    for condition in conditions:
        kind, body = _field(condition, "kind"), _field(condition, "body")
        if kind == "when":
            parts += _chained("&&", body)
        elif kind == "unless":
            parts += ({"!": {"arg": part}} for part in _chained("||", body))
        else:
            raise UnsupportedPolicy("a condition must be `when` or `unless`")
    return parts


def _chained(op: str, node: Any) -> list[Any]:
    """The operands of a chain of one operator, from left to right; the node itself where it is none."""
    # A chain of n operators is n levels of EST; walked in a loop, it costs no recursion.
    pending, parts = [node], []
    while pending:
        node = pending.pop()
        if isinstance(node, dict) and node.keys() == {op}:
            pending += (_field(node[op], "right"), _field(node[op], "left"))
        else:
            parts.append(node)
        if len(parts) > MAX_OPERANDS:
            raise UnsupportedPolicy(f"a chain of `{op}` has more than {MAX_OPERANDS} parts")
    return parts


def _field(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or name not in body:
        raise UnsupportedPolicy(f"an operator lacks its `{name}`")
    return body[name]


def _name(body: Any, field: str) -> str:
    name = _field(body, field)
    if not isinstance(name, str):
        raise UnsupportedPolicy(f"`{field}` must be a string")
    return name


def _bounded(kind: type[list[Any]] | type[dict[str, Any]], items: Any) -> Any:
    if not isinstance(items, kind) or len(items) > MAX_OPERANDS:
        raise UnsupportedPolicy(f"a set, a record or a pattern is malformed or holds more than {MAX_OPERANDS} parts")
    return items


def _parse_value(_op: str, body: Any, _depth: int) -> Expr:
    if isinstance(body, dict):
        return Expr("literal", (uid(_field(body, "__entity")),))
    if isinstance(body, bool | str) or (isinstance(body, int) and LONG_MIN <= body <= LONG_MAX):
        return Expr("literal", (body,))
    raise UnsupportedPolicy("a literal must be a boolean, a 64-bit integer, a string or an entity")


def _parse_var(_op: str, body: Any, _depth: int) -> Expr:
    if not isinstance(body, str) or body not in _VARS:
        raise UnsupportedPolicy("a variable must be principal, action, resource or context")
    return Expr("var", (body,))


def _parse_chain(op: str, body: Any, depth: int) -> Expr:
    return Expr(op, tuple(parse(part, depth + 1) for part in _chained(op, {op: body})))


def _parse_unary(op: str, body: Any, depth: int) -> Expr:
    return Expr(op, (parse(_field(body, "arg"), depth + 1),))


def _parse_if(_op: str, body: Any, depth: int) -> Expr:
    return Expr("if", tuple(parse(_field(body, part), depth + 1) for part in ("if", "then", "else")))


def _parse_attribute(op: str, body: Any, depth: int) -> Expr:
    return Expr(op, (parse(_field(body, "left"), depth + 1), _name(body, "attr")))


def _parse_like(_op: str, body: Any, depth: int) -> Expr:
    parts = [""]
    for element in _bounded(list, _field(body, "pattern")):
        if element == "Wildcard":
            parts.append("")
        else:
            parts[-1] += _name(element, "Literal")
    return Expr("like", (parse(_field(body, "left"), depth + 1), tuple(parts)))


def _parse_is(_op: str, body: Any, depth: int) -> Expr:
    within = parse(body["in"], depth + 1) if "in" in body else None
    return Expr("is", (parse(_field(body, "left"), depth + 1), _name(body, "entity_type"), within))


def _parse_set(_op: str, body: Any, depth: int) -> Expr:
    return Expr("set", tuple(parse(item, depth + 1) for item in _bounded(list, body)))


def _parse_record(_op: str, body: Any, depth: int) -> Expr:
    return Expr("record", tuple((name, parse(item, depth + 1)) for name, item in _bounded(dict, body).items()))


def _parse_call(op: str, body: Any, depth: int) -> Expr:
    if not isinstance(body, list) or len(body) != CALLS[op]:
        raise UnsupportedPolicy(f"`{op}` must have {CALLS[op]} operands")
    return Expr("call", (op, *(parse(item, depth + 1) for item in body)))


_PARSERS: dict[str, Callable[[str, Any, int], Expr]] = {
    "Value": _parse_value,
    "Var": _parse_var,
    "&&": _parse_chain,
    "||": _parse_chain,
    ".": _parse_attribute,
    "has": _parse_attribute,
    "like": _parse_like,
    "is": _parse_is,
    "Set": _parse_set,
    "Record": _parse_record,
    "if-then-else": _parse_if,
    **dict.fromkeys(_UNARY, _parse_unary),
}


def reads_any(expression: Expr, names: frozenset[str]) -> bool:
    """Whether it reads, or asks for, one of these attributes of the context, or takes the context as a whole."""
    if expression.op in (".", "has") and expression.args[0] == Expr("var", ("context",)):
        return expression.args[1] in names
    if expression.op == "var":
        return expression.args[0] == "context" and bool(names)
    parts = (arg[1] if expression.op == "record" else arg for arg in expression.args)
    return any(isinstance(part, Expr) and reads_any(part, names) for part in parts)

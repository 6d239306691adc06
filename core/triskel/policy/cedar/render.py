"""Expressions as Cedar text, for people. One rule: what is written reads back as the same expression."""

from collections.abc import Callable, Sequence

from triskel.policy.cedar.expression import Expr
from triskel.policy.cedar.values import Uid, quoted

_IF, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
"""How tightly an operator binds, from the loosest.
https://docs.cedarpolicy.com/policies/syntax-grammar.html#grammar-expr"""

_BINDS = {
    "if": _IF,
    "||": _OR,
    "&&": _AND,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "has", "like", "is"), _RELATION),
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "!": _UNARY,
    "neg": _UNARY,
}
_FUNCTIONS = frozenset({"decimal", "ip", "datetime", "duration"})
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})


def render(expression: Expr) -> str:
    """The expression as Cedar source, with no more parentheses than it needs."""
    return _write(expression, _IF)


def _write(node: Expr, at_least: int) -> str:
    text = _text(node)
    binds = _BINDS.get(node.op, _MEMBER)
    if node.op == "literal" and node.args[0].__class__ is int and node.args[0] < 0:
        binds = _UNARY
    return text if binds >= at_least else f"({text})"


def _text(node: Expr) -> str:
    op, args = node
    if op in ("&&", "||"):
        return f" {op} ".join(_write(part, _BINDS[op] + 1) for part in args)
    if op in ("==", "!=", "<", "<=", ">", ">=", "in"):
        return f"{_write(args[0], _SUM)} {op} {_write(args[1], _SUM)}"
    if op in ("+", "-", "*"):
        return f"{_write(args[0], _BINDS[op])} {op} {_write(args[1], _BINDS[op] + 1)}"
    if op in ("contains", "containsAll", "containsAny", "hasTag", "getTag"):
        return f"{_write(args[0], _MEMBER)}.{op}({_write(args[1], _IF)})"
    return _WRITERS[op](*args)


def _if(test: Expr, then: Expr, other: Expr) -> str:
    return f"if {_write(test, _IF)} then {_write(then, _IF)} else {_write(other, _IF)}"


def _attribute(base: Expr, name: str) -> str:
    return _write(base, _MEMBER) + (f".{name}" if _is_name(name) else f"[{quoted(name)}]")


def _has(base: Expr, name: str) -> str:
    return f"{_write(base, _SUM)} has {name if _is_name(name) else quoted(name)}"


def _like(base: Expr, parts: tuple[str, ...]) -> str:
    pattern = "*".join(quoted(part)[1:-1].replace("*", "\\*") for part in parts)
    return f'{_write(base, _SUM)} like "{pattern}"'


def _is(base: Expr, kind: str, inside: Expr | None) -> str:
    return f"{_write(base, _SUM)} is {kind}" + ("" if inside is None else f" in {_write(inside, _SUM)}")


def _record(*fields: tuple[str, Expr]) -> str:
    return f"{{{', '.join(f'{quoted(name)}: {_write(item, _IF)}' for name, item in fields)}}}"


def _call(name: str, *operands: Expr) -> str:
    if name in _FUNCTIONS:
        return f"{name}({_listed(operands)})"
    return f"{_write(operands[0], _MEMBER)}.{name}({_listed(operands[1:])})"


def _listed(items: Sequence[Expr]) -> str:
    return ", ".join(_write(item, _IF) for item in items)


def _literal(value: object) -> str:
    if isinstance(value, Uid):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and text not in _RESERVED


_WRITERS: dict[str, Callable[..., str]] = {
    "literal": _literal,
    "var": str,
    "!": lambda arg: f"!{_write(arg, _MEMBER)}",
    # Cedar reads `-0` as a number; the negation of a number keeps its parentheses.
    "neg": lambda arg: f"-({_write(arg, _IF)})" if arg.op == "literal" else f"-{_write(arg, _MEMBER)}",
    "isEmpty": lambda arg: f"{_write(arg, _MEMBER)}.isEmpty()",
    "set": lambda *items: f"[{_listed(items)}]",
    "if": _if,
    ".": _attribute,
    "has": _has,
    "like": _like,
    "is": _is,
    "record": _record,
    "call": _call,
}

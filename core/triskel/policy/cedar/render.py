"""Expressions as Cedar text, for people. One rule: what is written reads back as the same expression."""

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
    return _other(node)


def _other(node: Expr) -> str:
    op, args = node
    match op:
        case "literal":
            return _literal(args[0])
        case "var":
            return str(args[0])
        case "!" | "neg":
            return f"{'!' if op == '!' else '-'}{_write(args[0], _MEMBER)}"
        case "isEmpty":
            return f"{_write(args[0], _MEMBER)}.isEmpty()"
        case "if":
            return f"if {_write(args[0], _IF)} then {_write(args[1], _IF)} else {_write(args[2], _IF)}"
        case ".":
            name = f".{args[1]}" if _is_name(args[1]) else f"[{quoted(args[1])}]"
            return f"{_write(args[0], _MEMBER)}{name}"
        case "has":
            return f"{_write(args[0], _SUM)} has {args[1] if _is_name(args[1]) else quoted(args[1])}"
        case _:
            return _rare(node)


def _rare(node: Expr) -> str:
    op, args = node
    match op:
        case "like":
            pattern = "*".join(quoted(part)[1:-1].replace("*", "\\*") for part in args[1])
            return f'{_write(args[0], _SUM)} like "{pattern}"'
        case "is":
            inside = "" if args[2] is None else f" in {_write(args[2], _SUM)}"
            return f"{_write(args[0], _SUM)} is {args[1]}{inside}"
        case "set":
            return f"[{', '.join(_write(item, _IF) for item in args)}]"
        case "record":
            return f"{{{', '.join(f'{quoted(name)}: {_write(item, _IF)}' for name, item in args)}}}"
        case _:
            name, *operands = args
            if name in _FUNCTIONS:
                return f"{name}({', '.join(_write(operand, _IF) for operand in operands)})"
            receiver, *rest = operands
            return f"{_write(receiver, _MEMBER)}.{name}({', '.join(_write(operand, _IF) for operand in rest)})"


def _literal(value: object) -> str:
    if isinstance(value, Uid):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and text not in _RESERVED

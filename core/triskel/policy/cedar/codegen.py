"""Expressions to Python functions.

One rule: generated source holds no word of a document. Every constant, attribute names included, reaches the function as
an object, by a parameter of its maker; the source is drawn from the fixed words of this file. A hostile document can
choose among these words, and nothing else. Conditions of one shape therefore also share one compiled maker.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from triskel.policy.cedar import values
from triskel.policy.cedar.expression import Expr, UnsupportedPolicy
from triskel.policy.cedar.extensions import CALLS
from triskel.policy.cedar.lookups import LOOKUPS, Actions
from triskel.policy.cedar.values import Fault, Uid, set_of

Atom = Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], Any], bool]
"""(principal's attributes, resource's attributes, context, request) → whether it holds. Raises Fault or KeyError."""

_NAMESPACE: dict[str, Any] = {
    "__builtins__": {},
    "bool": bool,
    "int": int,
    "str": str,
    "dict": dict,
    "frozenset": frozenset,
    **{f.__name__: f for f in (values.mismatch, values.equal, values.freeze, values.set_of, values.like)},
    **{f.__name__: f for f in (values.add, values.subtract, values.multiply, values.negate)},
    **{f.__name__: f for f in (values.less, values.less_or_equal)},
    **{f.__name__: f for f in (values.contains, values.contains_all, values.contains_any)},
    **LOOKUPS,
}
"""All that generated code can name."""

_BINARY = {
    "==": "equal({0}, {1})",
    "!=": "not equal({0}, {1})",
    "<": "less({0}, {1})",
    "<=": "less_or_equal({0}, {1})",
    ">": "less({1}, {0})",
    ">=": "less_or_equal({1}, {0})",
    "+": "add({0}, {1})",
    "-": "subtract({0}, {1})",
    "*": "multiply({0}, {1})",
    "in": "within(q, actions, {0}, {1})",
    "contains": "contains({0}, {1})",
    "containsAll": "contains_all({0}, {1})",
    "containsAny": "contains_any({0}, {1})",
    "hasTag": "has_tag(q, {0}, {1})",
    "getTag": "get_tag(q, {0}, {1})",
}
_RESULT = {"+": "int", "-": "int", "*": "int", "getTag": ""}
_VARIABLES = {"context": "c", "principal": "q.principal.uid", "resource": "q.resource.uid", "action": "q.action"}
_ATTRIBUTES = {"context": "c", "principal": "p", "resource": "r"}
_PYTHON_TYPES = {bool: "bool", int: "int", str: "str", Uid: "Uid", frozenset: "frozenset"}
_EXPECTED = {"bool": "Bool", "int": "Long", "str": "String", "frozenset": "Set"}


def compile_atom(expression: Expr, actions: Actions) -> Atom:
    """The function that says whether the condition holds. Raises UnsupportedPolicy where Python cannot hold it."""
    writer = _Writer()
    code = writer.typed(expression, "bool")
    atom: Atom = _maker(code, len(writer.constants))(actions, *writer.constants)
    return atom


@lru_cache(maxsize=4096)
def _maker(code: str, constants: int) -> Callable[..., Any]:
    parameters = ", ".join(("actions", *(f"k{i}" for i in range(constants))))
    source = f"def maker({parameters}):\n def atom(p, r, c, q):\n  return {code}\n return atom\n"
    namespace = dict(_NAMESPACE)
    try:
        exec(compile(source, "<policy>", "exec", dont_inherit=True), namespace)  # noqa: S102 see the rule of this file
    except (SyntaxError, MemoryError, RecursionError):
        raise UnsupportedPolicy("a condition is too large or too deep to be compiled") from None
    maker: Callable[..., Any] = namespace["maker"]
    return maker


class _Writer:
    """The source of one condition, and the constants that it refers to as k0, k1, …"""

    def __init__(self) -> None:
        self.constants: list[Any] = []
        self.temporaries = 0

    def constant(self, value: Any) -> str:
        """The name by which the source refers to the value."""
        self.constants.append(value)
        return f"k{len(self.constants) - 1}"

    def temporary(self) -> str:
        """The name of a local variable that nothing else uses."""
        self.temporaries += 1
        return f"t{self.temporaries - 1}"

    def typed(self, node: Expr, expected: str) -> str:
        """Source of a value that is an `expected`, or a type error when it is evaluated."""
        code, kind = self.write(node)
        if kind == expected:
            return code
        t = self.temporary()
        return f"({t} if ({t} := {code}).__class__ is {expected} else mismatch({self.constant(_EXPECTED[expected])}, {t}))"

    def value(self, node: Expr) -> str:
        """Source of a value of any type."""
        return self.write(node)[0]

    def write(self, node: Expr) -> tuple[str, str]:
        """Source of a value, and the Python type that it surely has, or the empty string."""
        method: Callable[[Expr], tuple[str, str]] | None = getattr(self, _METHODS.get(node.op, "_binary"))
        if method is None:
            raise UnsupportedPolicy(f"`{node.op}` cannot be compiled")
        return method(node)

    def _literal(self, node: Expr) -> tuple[str, str]:
        (value,) = node.args
        if value is True or value is False:
            return ("True" if value else "False"), "bool"
        return self.constant(value), _PYTHON_TYPES[value.__class__]

    def _var(self, node: Expr) -> tuple[str, str]:
        (name,) = node.args
        return _VARIABLES[name], "dict" if name == "context" else "Uid"

    def _chain(self, node: Expr) -> tuple[str, str]:
        joint = " and " if node.op == "&&" else " or "
        return f"({joint.join(self.typed(part, 'bool') for part in node.args)})", "bool"

    def _not(self, node: Expr) -> tuple[str, str]:
        return f"(not {self.typed(node.args[0], 'bool')})", "bool"

    def _negate(self, node: Expr) -> tuple[str, str]:
        return f"negate({self.value(node.args[0])})", "int"

    def _is_empty(self, node: Expr) -> tuple[str, str]:
        return f"(not {self.typed(node.args[0], 'frozenset')})", "bool"

    def _if(self, node: Expr) -> tuple[str, str]:
        test = self.typed(node.args[0], "bool")
        (then, then_kind), (other, other_kind) = self.write(node.args[1]), self.write(node.args[2])
        return f"({then} if {test} else {other})", then_kind if then_kind == other_kind else ""

    def _attribute(self, node: Expr) -> tuple[str, str]:
        base, name = node.args
        key = self.constant(name)
        if base.op == "var" and base.args[0] in _ATTRIBUTES:
            return f"{_ATTRIBUTES[base.args[0]]}[{key}]", ""
        t = self.temporary()
        return f"({t}[{key}] if ({t} := {self.value(base)}).__class__ is dict else attribute(q, {t}, {key}))", ""

    def _has(self, node: Expr) -> tuple[str, str]:
        base, name = node.args
        if base.op == "var" and base.args[0] in _ATTRIBUTES:
            return f"({self.constant(name)} in {_ATTRIBUTES[base.args[0]]})", "bool"
        return f"has_attribute(q, {self.value(base)}, {self.constant(name)})", "bool"

    def _like(self, node: Expr) -> tuple[str, str]:
        base, parts = node.args
        return f"like({self.value(base)}, {self.constant(parts)})", "bool"

    def _is(self, node: Expr) -> tuple[str, str]:
        base, kind, inside = node.args
        code = self.value(base)
        if inside is None:
            return f"is_type({code}, {self.constant(kind)})", "bool"
        t = self.temporary()
        test = f"is_type(({t} := {code}), {self.constant(kind)})"
        return f"({test} and within(q, actions, {t}, {self.value(inside)}))", "bool"

    def _set(self, node: Expr) -> tuple[str, str]:
        if all(item.op == "literal" for item in node.args):
            return self.constant(set_of(item.args[0] for item in node.args)), "frozenset"
        return f"set_of(({', '.join(self.value(item) for item in node.args)},))", "frozenset"

    def _record(self, node: Expr) -> tuple[str, str]:
        return f"{{{', '.join(f'{self.constant(name)}: {self.value(item)}' for name, item in node.args)}}}", "dict"

    def _call(self, node: Expr) -> tuple[str, str]:
        name, *operands = node.args
        function = CALLS.get(name)
        if function is None:
            raise UnsupportedPolicy(f"`{name}` cannot be compiled")
        if len(operands) == 1 and operands[0].op == "literal":
            try:
                return self.constant(function(operands[0].args[0])), ""
            except Fault:
                pass  # an error in Cedar too, but only where it is evaluated
        return f"{self.constant(function)}({', '.join(self.value(operand) for operand in operands)})", ""

    def _binary(self, node: Expr) -> tuple[str, str]:
        left, right = node.args
        code = self._equality(node) or self._comparison(node) or self._membership(node)
        if code is None:
            code = f"({_BINARY[node.op].format(self.value(left), self.value(right))})"
        return code, _RESULT.get(node.op, "bool")

    def _equality(self, node: Expr) -> str | None:
        """`==` and `!=` with a literal beside a value, without a call."""
        if node.op not in ("==", "!="):
            return None
        left, right = node.args
        if left.op == "literal":
            left, right = right, left
        if right.op != "literal":
            return None
        value, code = right.args[0], self.value(left)
        if value is True or value is False:
            test = f"({code} is {value})"
        elif value.__class__ is int:
            t = self.temporary()
            test = f"(({t} := {code}) == {self.constant(value)} and {t}.__class__ is int)"
        else:
            # A str equals only a str. A Uid equals only a tuple of two, and no other value that stands alone is one.
            test = f"({code} == {self.constant(value)})"
        return test if node.op == "==" else f"(not {test})"

    def _comparison(self, node: Expr) -> str | None:
        """`< <= > >=` with an integer literal on the right, without a call."""
        right = node.args[1]
        if node.op not in ("<", "<=", ">", ">=") or right.op != "literal" or right.args[0].__class__ is not int:
            return None
        return f"({self.typed(node.args[0], 'int')} {node.op} {self.constant(right.args[0])})"

    def _membership(self, node: Expr) -> str | None:
        """`principal in` a literal and `….contains(literal)`, without a call."""
        left, right = node.args
        if right.op != "literal":
            return None
        value = right.args[0]
        if node.op == "contains" and value is not True and value is not False:
            return f"({self.constant(value)} in {self.typed(left, 'frozenset')})"
        if node.op == "in" and value.__class__ is Uid and left.op == "var" and left.args[0] in ("principal", "resource"):
            key = self.constant(value)
            return f"(q.{left.args[0]}.uid == {key} or {key} in q.{left.args[0]}.ancestors)"
        return None


_METHODS = {
    "literal": "_literal",
    "var": "_var",
    "&&": "_chain",
    "||": "_chain",
    "!": "_not",
    "neg": "_negate",
    "isEmpty": "_is_empty",
    "if": "_if",
    ".": "_attribute",
    "has": "_has",
    "like": "_like",
    "is": "_is",
    "set": "_set",
    "record": "_record",
    "call": "_call",
}

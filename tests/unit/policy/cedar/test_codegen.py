"""A document cannot make the generator write anything but its own words."""

import builtins

import pytest

from triskel.policy.cedar.codegen import compile_atom
from triskel.policy.cedar.expression import MAX_DEPTH, MAX_OPERANDS, Expr, UnsupportedPolicy, parse, split_conditions

CONTEXT = {"Var": "context"}
HOSTILE = (
    "__import__('os').system('false')", "'); import os #", '"""', "\n  raise SystemExit", "k0", "c.__class__", "{0}", "%s", "\\",
    "\0", "lambda: 0", "x" * 10_000,
)  # fmt: skip


def value(literal):
    return {"Value": literal}


def holds(est, context=None):
    """Whether the condition holds, in this context."""
    return compile_atom(parse(est), {})({}, {}, context or {}, None)


@pytest.mark.parametrize("text", HOSTILE)
def test_strings_and_names_are_only_data(text):
    """Wherever a document has a string, it arrives as that string."""
    assert holds({"==": {"left": value(text), "right": value(text)}})
    assert holds({".": {"left": CONTEXT, "attr": text}}, {text: True})
    assert holds({"has": {"left": CONTEXT, "attr": text}}, {text: 1})
    assert holds({"like": {"left": value(text), "pattern": [{"Literal": text}]}})
    assert holds({".": {"left": {"Record": {text: value(True)}}, "attr": text}})
    entity = {"__entity": {"type": text, "id": text}}
    assert holds({"is": {"left": value(entity), "entity_type": text}})
    assert holds({"contains": {"left": {"Set": [value(text)]}, "right": value(text)}})


@pytest.mark.parametrize("text", HOSTILE)
def test_unknown_operators_are_refused(text):
    """An operator, a variable or a function that this version does not know ends the reading."""
    for est in ({text: []}, {text: {"left": value(1), "right": value(1)}}, {"Var": text}, {"!": {"arg": {text: value(True)}}}):
        with pytest.raises(UnsupportedPolicy):
            parse(est)


@pytest.mark.parametrize(
    "est",
    [
        None, [], "x", 1, {}, {"Value": 1, "Var": "context"}, value(None), value(1.5), value(2**63), value([1]), value({"a": 1}),
        value({"__entity": {"type": 1, "id": "x"}}), {"Var": ["context"]}, {"==": {"left": value(1)}}, {"==": [value(1), value(1)]},
        {".": {"left": CONTEXT, "attr": 1}}, {"like": {"left": value("x"), "pattern": "x"}}, {"like": {"left": value("x"), "pattern": [1]}},
        {"is": {"left": CONTEXT, "entity_type": 7}}, {"Set": {"a": value(1)}}, {"Record": [value(1)]}, {"ip": [value("x"), value("y")]},
        {"isInRange": value("x")}, {"if-then-else": {"if": value(True), "then": value(True)}}, {"!": {}}, {"&&": {"left": value(True)}},
        {"Set": [value(1)] * (MAX_OPERANDS + 1)}, {"unknown": []}, {"Slot": "?principal"},
    ],
)  # fmt: skip
def test_malformed_expressions_are_refused(est):
    """What is not of the format is refused, not guessed at."""
    with pytest.raises(UnsupportedPolicy):
        parse(est)


def test_depth_is_bounded():
    """A level too many is refused, and as many as are allowed can be compiled."""

    def nested(levels):
        est = value(True)
        for _ in range(levels):
            est = {"if-then-else": {"if": {"!": {"arg": est}}, "then": value(False), "else": value(True)}}
        return est

    assert holds(nested(MAX_DEPTH // 2))
    with pytest.raises(UnsupportedPolicy, match="nested"):
        parse(nested(MAX_DEPTH))


def test_long_chains_are_not_deep():
    """A chain of operators counts once, however long within its limit."""
    est = value(True)
    for _ in range(MAX_OPERANDS - 1):
        est = {"||": {"left": est, "right": value(False)}}
    assert holds(est)
    with pytest.raises(UnsupportedPolicy, match="chain"):
        parse({"||": {"left": est, "right": value(False)}})


def test_generated_code_reaches_no_builtin():
    """Its globals are the operators, without a way to the rest of Python."""
    atom = compile_atom(parse({"==": {"left": value(1), "right": value(1)}}), {})
    names = atom.__globals__
    assert names["__builtins__"] == {}
    dangerous = {"eval", "exec", "compile", "open", "getattr", "setattr", "__import__", "globals", "vars", "type", "object"}
    assert not dangerous & names.keys()
    assert not any(found is getattr(builtins, name) for name in dangerous for found in names.values() if hasattr(builtins, name))


def test_an_unknown_call_is_refused_by_the_generator_too():
    """Even where it did not come through the reader."""
    with pytest.raises(UnsupportedPolicy):
        compile_atom(Expr("call", ("system", Expr("literal", ("x",)))), {})


def test_conditions_split_in_order():
    """`when` by its `&&`, `unless` by its `||`, in the order in which Cedar evaluates them."""
    a, b, c = (value(name) for name in "abc")
    conditions = [
        {"kind": "when", "body": {"&&": {"left": {"&&": {"left": a, "right": b}}, "right": c}}},
        {"kind": "unless", "body": {"||": {"left": a, "right": {"||": {"left": b, "right": c}}}}},
    ]
    negated = [{"!": {"arg": part}} for part in (a, b, c)]
    assert split_conditions(conditions) == [a, b, c, *negated]
    with pytest.raises(UnsupportedPolicy):
        split_conditions([{"kind": "whenever", "body": a}])

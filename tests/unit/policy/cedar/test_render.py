"""Expressions as text."""

import json

import cedarpy
import pytest
from hypothesis import given, settings
from tests.unit.policy.cedar import generated

from triskel.policy.cedar.expression import Expr, parse, split_conditions
from triskel.policy.cedar.render import render


def conditions(text: str) -> list[Expr]:
    """The conditions of the one policy in `text`."""
    est = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"]
    return [parse(part) for part in split_conditions(est["conditions"])]


@settings(max_examples=100, deadline=None)
@given(generated.policies)
def test_reads_back_as_itself(policy):
    """What is rendered is the expression, whatever its operators."""
    for expression in conditions(policy):
        again = conditions(f"permit (principal, action, resource) when {{ {render(expression)} }};")
        assert again == (list(expression.args) if expression.op == "&&" else [expression])


@pytest.mark.parametrize(
    "text",
    [
        "context.injection_risk >= 700",
        'context.data_classes.contains("secret")',
        'context has region && !(context.region == "eu")'.partition(" && ")[2],
        'principal in Team::"a" || resource is Model in Cloud::"aws"',
        'context["x y"] like "a*b\\*c"',
        "(1 + 2) * 3 - -4 == 5",
        'if context.flag then [1, 2].contains(3) else {"a": true}.a',
        'ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))',
        'context.label == "line\\n\\"quoted\\"\\u{1f}"',
        "(context.a - (context.b - context.c)).lessThan(context.d)",
    ],
)
def test_reads_as_a_person_writes_it(text):
    """Only parentheses that are needed, strings with their escapes."""
    (expression,) = conditions(f"permit (principal, action, resource) when {{ {text} }};")
    assert render(expression) == text

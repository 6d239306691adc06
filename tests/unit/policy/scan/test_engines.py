"""Hyperscan and RE2 find what `re` finds, to the character."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.scan.cases import LONG, SHORT
from tests.unit.policy.scan.conftest import examples

from triskel.model.call import Surface
from triskel.policy.scan.scanner import Scanner

TEXTS = [parameter.values[1] for kind in ("match", "pass") for parameter in examples(kind)]


@pytest.mark.parametrize("surface", list(Surface))
def test_the_engines_agree_on_examples_put_together(
    scanner: Scanner, fallback: Scanner, oracle: Scanner, surface: Surface
) -> None:
    rng = random.Random(surface)
    texts = [*TEXTS]
    rng.shuffle(texts)
    for start in range(0, len(texts), 6):
        text = rng.choice([" ", "\n", ", ", " and "]).join(texts[start : start + 6])
        expected = oracle.scan(text, surface)
        assert scanner.scan(text, surface) == expected
        assert fallback.scan(text, surface) == expected


@pytest.mark.parametrize("text", [*SHORT, *LONG[:10]])
def test_the_engines_agree_on_hard_texts(scanner: Scanner, fallback: Scanner, text: str) -> None:
    for surface in (Surface.OUTPUT, Surface.TOOL_ARGUMENT):
        assert scanner.scan(text, surface) == fallback.scan(text, surface)


@given(text=st.text(alphabet="0123456789 -.+()@abEYZ=:/'\"\nSELCT;union", max_size=80))
@settings(max_examples=60, deadline=None)
def test_the_engines_agree_on_noise(scanner: Scanner, fallback: Scanner, text: str) -> None:
    assert scanner.scan(text, Surface.TOOL_ARGUMENT) == fallback.scan(text, Surface.TOOL_ARGUMENT)

"""Estimates of tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triskel.model.call import Part, Surface
from triskel.routing.tokens import TOKENS_A_PART, TOKENS_A_PART_AT_MOST, estimated_tokens, upper_bound_tokens


def parts(*texts):
    return [Part(Surface.PROMPT, ("messages", n, "content"), text) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "estimate", "bound"),
    [
        ("", 0, 0),
        ("a" * 400, 100, 200),
        ("д" * 400, 250, 500),
        ("中" * 400, 400, 800),
        ("🙂" * 400, 550, 1_100),
        ("a" * 399, 100, 200),
    ],
)
def test_a_text_has_tokens_by_its_length(text, estimate, bound):
    assert estimated_tokens(parts(text)) == estimate + TOKENS_A_PART
    assert upper_bound_tokens(parts(text)) == bound + TOKENS_A_PART_AT_MOST


def test_parts_add_up():
    assert estimated_tokens([]) == upper_bound_tokens([]) == 0
    assert estimated_tokens(parts("abcd" * 10, "中中")) == 10 + 2 + 2 * TOKENS_A_PART


def test_a_lone_surrogate_is_counted():
    assert upper_bound_tokens(parts("\ud800" * 4)) > 4


@given(st.lists(st.text(max_size=200), max_size=5))
@settings(max_examples=100, deadline=None)
def test_the_bound_is_never_less_than_half_the_bytes_nor_than_the_estimate(texts):
    """A byte-level tokenizer makes at most one token of a byte, so the bound is short by a factor of two at most."""
    size = sum(len(text.encode()) for text in texts)
    assert upper_bound_tokens(parts(*texts)) * 2 >= size
    assert upper_bound_tokens(parts(*texts)) >= estimated_tokens(parts(*texts))

"""What policy is measured with: texts, shapes, policies and requests."""

from random import Random

import pytest
from bench import policy_sets
from bench.policy import timed_us
from bench.policy_texts import SHAPES, adversarial, pieces, texts
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("size", [200, 2_000])
def test_texts_are_distinct_repeatable_and_of_their_size(size: int) -> None:
    """No text is remembered from an earlier one, and each has so many bytes."""
    made = texts(60, size)
    assert len(set(made)) == 60
    assert {len(text.encode()) for text in made} == {size}
    assert made == texts(60, size)
    assert set(made).isdisjoint(texts(60, size, seed=1))


def test_every_shape_fills_its_size() -> None:
    """All but a last character that did not fit; and at least a dozen shapes."""
    shapes = adversarial(20_000)
    assert len(shapes) == len(SHAPES) >= 12
    for name, text in shapes.items():
        assert 19_000 <= len(text.encode()) <= 20_000, name


@given(st.text(max_size=200), st.integers(0, 9))
def test_pieces_are_the_text(text: str, seed: int) -> None:
    """Nothing is lost, and no piece is longer than asked."""
    cut = pieces(Random(seed), text, 12)
    assert "".join(cut) == text
    assert all(1 <= len(piece) <= 12 for piece in cut)


def test_both_evaluators_agree_on_what_is_compared() -> None:
    """Cedar's own evaluator gives the same decisions for the same reasons, and neither always says the same."""
    text = policy_sets.policies(150)
    bundle, engine = policy_sets.loaded(policy_sets.document(text)), policy_sets.CedarEngine(text)
    asked = [(request, engine.question(request)) for request in policy_sets.requests(60)]
    assert policy_sets.agreed(bundle, engine, asked) == [1.0] * 60
    assert {bundle.evaluator.evaluate(request).allowed for request in policy_sets.requests(2_000)} == {True, False}


def test_so_many_policies_are_asked_for_and_made() -> None:
    """A figure for 1,000 policies is one for 1,000; of the broad ones each holds every request."""
    assert len(policy_sets.loaded(policy_sets.document(policy_sets.policies(50))).evaluator.policies) == 50
    broad = policy_sets.loaded(policy_sets.document(policy_sets.broad_policies(50))).evaluator
    assert all(len(broad.candidates(request)) == 50 for request in policy_sets.requests(20))


def test_strangers_have_not_called_before() -> None:
    """No principal of theirs is known from other requests."""
    known = {request.principal.uid for request in policy_sets.requests(500)}
    unknown = {request.principal.uid for request in policy_sets.strangers(50)}
    assert len(unknown) == 50
    assert known.isdisjoint(unknown)


def test_a_time_is_taken_for_each_call() -> None:
    """In order, one by one."""
    seen: list[int] = []
    taken = timed_us(seen.append, [(n,) for n in range(5)])
    assert seen == [0, 1, 2, 3, 4]
    assert len(taken) == 5
    assert all(us >= 0 for us in taken)

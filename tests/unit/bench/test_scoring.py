"""Scoring of detectors: what counts as right, and what is named as an error."""

from collections.abc import Sequence

import pytest
from bench.accuracy_sets import Span
from bench.scoring import Entities, Score, lowest_threshold, overlap, score_spans, score_text
from hypothesis import given
from hypothesis import strategies as st

from triskel.model.finding import Category, Finding

TYPES = ("us_ssn", "phone", "credit_card", "date_of_birth")
ENTITIES = Entities({"US_SSN": ["us_ssn"], "PHONE_NUMBER": ["phone"]}, {"DATE_TIME": ["date_of_birth"]}, TYPES)
PLACES = st.tuples(st.integers(0, 30), st.integers(1, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def found(type_: str, start: int, end: int) -> Finding:
    """A finding of personal data."""
    return Finding(type_, Category.PII, start, end, 900)


def scored(labels: Sequence[Span], findings: Sequence[Finding]) -> Score:
    """One text's score."""
    score = Score()
    score_spans(score, labels, findings, ENTITIES)
    return score


def test_a_finding_of_the_right_type_at_the_right_place_is_right() -> None:
    """Exact spans score fully."""
    score = scored([Span(3, 14, "US_SSN")], [found("us_ssn", 3, 14)])
    assert (score.right, score.wrong, score.missed) == (1, 0, 0)


@pytest.mark.parametrize(("end", "right"), [(10, 1), (5, 1), (4, 0)])
def test_half_of_the_characters_must_be_shared(end: int, right: int) -> None:
    """Intersection over union of one half is enough, less is not."""
    assert scored([Span(0, 10, "US_SSN")], [found("us_ssn", 0, end)]).right == right


def test_another_type_is_both_a_miss_and_a_false_finding() -> None:
    """A number that is taken for another is named from both sides."""
    score = scored([Span(0, 11, "US_SSN")], [found("phone", 0, 11)])
    assert (score.right, score.wrong, score.missed) == (0, 1, 1)
    assert dict(score.errors) == {"missed US_SSN, found as phone": 1, "false phone at US_SSN": 1}


def test_a_finding_answers_to_one_label_only() -> None:
    """Two labels are not found by one finding that covers both."""
    score = scored([Span(0, 10, "US_SSN"), Span(0, 10, "US_SSN")], [found("us_ssn", 0, 10)])
    assert (score.right, score.missed) == (1, 1)


def test_what_we_do_not_claim_is_not_missed_and_excuses_nothing() -> None:
    """An entity without a type of ours is counted apart; a finding in it is still false."""
    score = scored([Span(0, 10, "PERSON")], [found("phone", 0, 10)])
    assert (score.right, score.wrong, score.missed) == (0, 1, 0)
    assert dict(score.unclaimed) == {"PERSON": 1}


def test_what_may_be_found_need_not_be() -> None:
    """A date may be a date of birth: neither finding it nor passing it over is an error."""
    for findings in ([], [found("date_of_birth", 0, 10)]):
        score = scored([Span(0, 10, "DATE_TIME")], findings)
        assert (score.right, score.wrong, score.missed) == (0, 0, 0)


def test_a_type_of_ours_is_its_own_name() -> None:
    """Labels in our own words, and in capitals, need no table; a table cannot name a type that does not exist."""
    assert ENTITIES.meant("credit_card") == ENTITIES.meant("CREDIT_CARD") == {"credit_card"}
    assert ENTITIES.meant("STREET_ADDRESS") == frozenset()
    assert Entities({"X": ["no_such_type"]}, {}, TYPES).meant("X") == frozenset()


@pytest.mark.parametrize(
    ("label", "types", "expected"),
    [(1, ["a"], (1, 0, 0, 0)), (1, [], (0, 0, 1, 0)), (0, ["a", "a"], (0, 1, 0, 0)), (0, [], (0, 0, 0, 1))],
)
def test_a_whole_text_is_found_or_not(label: int, types: list[str], expected: tuple[int, ...]) -> None:
    """Each of the four outcomes is counted once, however many findings there are."""
    score = Score()
    score_text(score, label, types, "it")
    assert (score.right, score.wrong, score.missed, score.passed) == expected


def test_the_flags_average_to_the_figures() -> None:
    """Precision, recall, F1 and the share of clean texts are means of samples, so that a row can be made of them."""
    score = Score(right=6, wrong=2, missed=3, passed=8)
    flags = score.found_flags(), score.asked_flags(), score.f1_flags(), score.clean_flags()
    assert [sum(each) / len(each) for each in flags] == pytest.approx([6 / 8, 6 / 9, 12 / 17, 8 / 10])


def test_scores_add_up() -> None:
    """All counts of a second set are taken in."""
    first, second = scored([Span(0, 9, "US_SSN")], []), scored([Span(0, 9, "PERSON")], [found("phone", 20, 30)])
    first.add(second)
    assert (first.right, first.wrong, first.missed) == (0, 1, 1)
    assert first.errors.total() == 2
    assert first.unclaimed.total() == 1


@given(PLACES, PLACES)
def test_overlap_is_symmetric_and_at_most_one(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Intersection over union, on any two spans."""
    value = overlap(found("phone", *one), Span(*other, "phone"))
    assert value == overlap(found("phone", *other), Span(*one, "phone"))
    assert 0 <= value <= 1
    assert (value == 1) == (one == other)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.floats(0, 1))
def test_the_threshold_keeps_its_promise_and_none_below_does(risks: list[int], share: float) -> None:
    """No more than the share reach it, and it could not be lower."""
    least = lowest_threshold(risks, share)
    assert sum(risk >= least for risk in risks) <= share * len(risks)
    assert least == 1 or sum(risk >= least - 1 for risk in risks) > share * len(risks)

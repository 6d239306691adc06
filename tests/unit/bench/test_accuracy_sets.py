"""The generated sets: repeatable, labelled where the values are, with check digits that hold and others that do not."""

from random import Random

import pytest
from bench.accuracy_sets import Labelled, generated
from bench.accuracy_sets.digits import iso_7064_mod_97, luhn, spoiled, verhoeff
from bench.accuracy_sets.identifiers import CHECKED, UNCHECKED, credit_card, iban
from bench.accuracy_sets.personal import CALLED
from bench.accuracy_sets.sets import SEED
from hypothesis import given
from hypothesis import strategies as st

from triskel.policy.scan.validators.checksums import digits_of, mod_97
from triskel.policy.scan.validators.checksums import luhn as luhn_holds
from triskel.policy.scan.validators.checksums import verhoeff as verhoeff_holds

NUMBERS = st.text("0123456789", min_size=2, max_size=20)


@pytest.fixture(scope="module")
def sets() -> dict[str, list[Labelled]]:
    """The sets as measured."""
    return generated()


def test_the_sets_are_the_same_every_time(sets: dict[str, list[Labelled]]) -> None:
    """A figure of today can be compared with one of tomorrow."""
    assert generated(SEED) == sets


def test_no_text_comes_twice(sets: dict[str, list[Labelled]]) -> None:
    """A set is as large as it looks, and a text has one label."""
    for name, texts in sets.items():
        assert len({each.text for each in texts}) == len(texts), name


def test_both_labels_are_there(sets: dict[str, list[Labelled]]) -> None:
    """Every set but the benign one has texts in which there is something to find, and others."""
    for name, texts in sets.items():
        labels = {bool(each.label) for each in texts}
        assert labels == ({False} if name.startswith("benign_") else {False, True}), name


def test_spans_hold_values_of_every_type(sets: dict[str, list[Labelled]]) -> None:
    """A span has no space at its ends, and each type that has a name is in the set."""
    seen = set()
    for each in sets["pii_records"]:
        assert isinstance(each.label, tuple)
        for span in each.label:
            value = each.text[span.start : span.end]
            assert value == value.strip() != ""
            seen.add(span.entity)
    assert seen == set(CALLED)


@given(NUMBERS)
def test_check_digits_hold_by_another_reckoning(number: str) -> None:
    """Forwards here, backwards in the checks: two ways to the same rules."""
    assert luhn_holds([int(digit) for digit in number + luhn(number)])
    assert verhoeff_holds([int(digit) for digit in number + verhoeff(number)])
    assert mod_97((number + iso_7064_mod_97(number)).encode()) == 1


@pytest.mark.parametrize("name", [*CHECKED, *UNCHECKED])
def test_a_slip_changes_one_character(name: str) -> None:
    """A near miss looks like the value and is another one."""
    source = Random(name)
    value = {**CHECKED, **UNCHECKED}[name](source)
    slip = spoiled(source, value)
    assert len(slip) == len(value)
    assert sum(one != other for one, other in zip(value, slip, strict=True)) == 1


def test_known_numbers_have_their_known_checks() -> None:
    """From ISO/IEC 7812-1 and the IBAN registry's own examples."""
    assert luhn("411111111111111") == "1"
    assert iso_7064_mod_97("WEST12345698765432" + "GB") == "82"
    source = Random(1)
    assert all(luhn_holds(digits_of(credit_card(source).encode())) for _ in range(50))
    plain = [iban(source).replace(" ", "").encode() for _ in range(50)]
    assert all(mod_97(each[4:] + each[:4]) == 1 for each in plain)

"""Check digits: one changed digit, or two swapped ones, is no longer the number."""

import pytest

from triskel.policy.scan.validators import VALIDATORS
from triskel.policy.scan.validators.checksums import luhn, mod_97, verhoeff
from triskel.policy.scan.validators.sql import sql_structure

GOOD = {
    "aadhaar": b"234567890124",
    "aba": b"021000021",
    "abn": b"51824753556",
    "acn": b"004085616",
    "ahv": b"7569217076985",
    "bsn": b"111222333",
    "card": b"4111111111111111",
    "clabe": b"002010077777777771",
    "cnpj": b"11222333000181",
    "cpf": b"52998224725",
    "cuit": b"20123456786",
    "iban": b"GB82WEST12345698765432",
    "imei": b"490154203237518",
    "isikukood": b"37605030299",
    "nhs": b"9434765919",
    "nip": b"5260001246",
    "npi": b"1234567893",
    "oib": b"69435151530",
    "pesel": b"44051401359",
    "pis": b"12056874107",
    "resident_id_cn": b"110105194912310021"[:17] + b"X",
    "sin": b"130692544",
    "steuer_id": b"86095742719",
    "taj": b"111111110",
    "tckn": b"10000000146",
    "tfn": b"123456782",
    "utr": b"1955839661",
}


@pytest.mark.parametrize("name", [name for name in sorted(GOOD) if name not in {"resident_id_cn", "utr"}])
def test_the_last_digit_is_checked(name: str) -> None:
    value = GOOD[name]
    passing = [digit for digit in b"0123456789" if VALIDATORS[name](value[:-1] + bytes((digit,)))]
    assert passing == [value[-1]]


def test_every_validator_answers_for_anything_its_expression_lets_through() -> None:
    assert len(VALIDATORS) >= 80
    assert all(callable(check) for check in VALIDATORS.values())


def test_the_algorithms_on_their_own_examples() -> None:
    assert luhn([7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3])
    assert verhoeff([2, 3, 6, 3])
    assert mod_97(b"3214282912345698765432161182") == 1


@pytest.mark.parametrize("text", ["1 or 1=1", "' or ''='", "x') union select 1 --", "1--", "') or sleep(5)#"])
def test_expressions_to_splice_into_sql_are_told_by_their_shape(text: str) -> None:
    assert sql_structure(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "O'Brien",
        "rock 'n' roll",
        "price > 100 and category = 'books'",
        "SELECT name FROM users WHERE id = 3",
        "don't stop",
        '{"where": {"name": "x"}}',
        "2 + 2",
        "1 Union Square, San Francisco",
        "'Hello ' + name + '!'",
        "# Heading",
        "5 -- five",
    ],
)
def test_what_people_and_programs_write_is_not(text: str) -> None:
    assert not sql_structure(text.encode())

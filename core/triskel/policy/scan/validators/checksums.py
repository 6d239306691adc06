"""Check digits, each over the plain digits of a number. Every function says whose rule it is."""

from collections.abc import Sequence

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_BASE_36 = {byte: str(int(chr(byte), 36)) for byte in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_COUNTS = "0123456789" * 3
_COUNTS_DOWN = _COUNTS[::-1]
_VERHOEFF_PRODUCT = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_VERHOEFF_TURNED = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip


def digits_of(value: bytes) -> list[int]:
    """The decimal digits in a value, whatever stands between them."""
    return [byte - 48 for byte in value if 48 <= byte <= 57]


def luhn(digits: Sequence[int]) -> bool:
    """ISO/IEC 7812-1 annex B."""
    return (sum(digits[-1::-2]) + sum([_DOUBLED[digit] for digit in digits[-2::-2]])) % 10 == 0


def verhoeff(digits: Sequence[int]) -> bool:
    """J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group of order ten."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _VERHOEFF_PRODUCT[check][_VERHOEFF_TURNED[place % 8][digit]]
    return check == 0


def weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    """The sum of digits times weights, as far as the shorter of both goes."""
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def mod_97(text: bytes) -> int:
    """ISO 7064 MOD 97-10 over digits and letters, A = 10."""
    return int("".join([_BASE_36[byte] for byte in text])) % 97


def mod_11_10(digits: Sequence[int]) -> bool:
    """ISO 7064 MOD 11,10 (Germany's tax number, Croatia's OIB)."""
    product = 10
    for digit in digits[:-1]:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == digits[-1]


def varied(digits: Sequence[int]) -> bool:
    """Whether the digits are not all the same."""
    return len(set(digits)) > 1


def counted(digits: Sequence[int]) -> bool:
    """Whether the digits only count up or down: such numbers are examples."""
    text = "".join(map(str, digits))
    return text in _COUNTS or text in _COUNTS_DOWN

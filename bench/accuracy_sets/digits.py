"""Check digits, worked out forwards: from a number without its check to the check. One rule: nothing of `triskel` is used."""

from collections.abc import Sequence
from random import Random

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def some(source: Random, count: int, characters: str = DIGITS) -> str:
    """So many characters, not all alike."""
    while True:
        text = "".join(source.choice(characters) for _ in range(count))
        if count < 3 or len(set(text)) > 2:
            return text


def luhn(number: str) -> str:
    """The check digit that follows `number` (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


def weighted(number: str, weights: Sequence[int]) -> int:
    """The sum of the digits, each times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True))


def iso_7064_mod_97(text: str) -> str:
    """The two digits that make `text` and them 1 modulo 97, letters being worth 10 to 35."""
    return f"{98 - int(''.join(str(int(c, 36)) for c in text + '00')) % 97:02}"


def iso_7064_mod_11_10(number: str) -> str:
    """The check digit of ISO 7064 MOD 11,10."""
    carried = 10
    for digit in number:
        carried = ((carried + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - carried) % 10)


def verhoeff(number: str) -> str:
    """The check digit of Verhoeff's scheme: the dihedral group of order ten, reckoned as rotations and reflections."""
    check = 0
    for place, digit in enumerate(reversed(number), start=1):
        turned = int(digit)
        for _ in range(place % 8):
            turned = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[turned]
        check = _together(check, turned)
    return next(digit for digit in DIGITS if _together(check, int(digit)) == 0)


def _together(first: int, second: int) -> int:
    """First one symmetry of the pentagon, then another; from 5 on they are reflections."""
    sign = 1 if first < 5 else -1
    turn = (first + sign * second) % 5
    return turn if (first < 5) == (second < 5) else turn + 5


def spoiled(source: Random, value: str) -> str:
    """The value with its last digit, or last letter, another one: what a slip of the finger makes of it."""
    for place in range(len(value) - 1, -1, -1):
        character = value[place]
        if character.isdigit():
            other = str((int(character) + source.randint(1, 9)) % 10)
        elif character in LETTERS:
            other = LETTERS[(LETTERS.index(character) + source.randint(1, 25)) % 26]
        else:
            continue
        return value[:place] + other + value[place + 1 :]
    raise ValueError("there is no digit and no letter to change")


def grouped(number: str, *lengths: int, by: str = " ") -> str:
    """The number in groups of these lengths."""
    groups, position = [], 0
    for length in lengths:
        groups.append(number[position : position + length])
        position += length
    return by.join(groups)


def day(source: Random, first: int = 1940, last: int = 2004) -> tuple[int, int, int]:
    """A year, month and day that every calendar has."""
    return source.randint(first, last), source.randint(1, 12), source.randint(1, 28)

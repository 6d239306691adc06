"""Numbers of persons in the United States and Canada."""

from triskel.policy.scan.validators.checksums import digits_of, luhn, varied, weighted

_PUBLISHED_SSN = frozenset({"078051120", "219099999", "457555462", "123456789", "111223333"})
"""Printed on a wallet insert, in a pamphlet, in advertisements: no longer anyone's."""


def ssn(value: bytes) -> bool:
    """A social security number: no area 000, 666 or above 899, no group 00, no serial 0000 (ssa.gov/employer/randomization)."""
    digits = value.replace(b"-", b"").replace(b" ", b"").replace(b".", b"").decode("latin-1")
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in {"000", "666"} or area >= "900" or group == "00" or serial == "0000":
        return False
    return digits not in _PUBLISHED_SSN and len(set(digits)) > 1


def itin(value: bytes) -> bool:
    """A taxpayer number of the IRS: 9xx with groups 50-65, 70-88, 90-92, 94-99."""
    digits = digits_of(value)
    group = digits[3] * 10 + digits[4]
    return digits[0] == 9 and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


_EIN_PREFIXES = frozenset(
    [*range(1, 7), *range(10, 17), *range(20, 28), *range(30, 69), *range(71, 78), *range(80, 89), *range(90, 96), 98, 99]
)
"""irs.gov, "How EINs are assigned and valid EIN prefixes"."""


def ein(value: bytes) -> bool:
    """An employer's number with a prefix that the IRS gives out."""
    digits = digits_of(value)
    return digits[0] * 10 + digits[1] in _EIN_PREFIXES and varied(digits)


def npi(value: bytes) -> bool:
    """A provider's number: Luhn over 80840 and the ten digits (45 CFR 162.406)."""
    return luhn([8, 0, 8, 4, 0, *digits_of(value)])


def dea(value: bytes) -> bool:
    """A prescriber's number: the sum of digits 1, 3, 5 and twice that of 2, 4, 6 ends in the seventh."""
    digits = digits_of(value)[-7:]
    return len(digits) == 7 and any(digits) and weighted(digits[:6], (1, 2, 1, 2, 1, 2)) % 10 == digits[6]


def sin(value: bytes) -> bool:
    """Canada's social insurance number: Luhn, first digit neither 0 nor 8."""
    digits = digits_of(value)
    return digits[0] not in {0, 8} and varied(digits) and luhn(digits)


_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(value: bytes) -> bool:
    """A vehicle's number with the check character of 49 CFR 565.15."""
    text = value.decode("latin-1").upper()
    if text.isdigit() or text.isalpha():
        return False
    numbers = [int(c) if c.isdigit() else _VIN_VALUES.get(c, -1) for c in text]
    return -1 not in numbers and "0123456789X"[weighted(numbers, _VIN_WEIGHTS) % 11] == text[8]

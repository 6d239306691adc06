"""Numbers that move money: cards, accounts, routing."""

from functools import cache

from triskel.policy.scan.validators.checksums import digits_of, luhn, mod_97, weighted

_CARD_RANGES: tuple[tuple[int, int, int, tuple[int, ...]], ...] = (
    # prefix length, from, to, lengths
    (1, 4, 4, (16, 19)),  # Visa
    (2, 51, 55, (16,)),  # Mastercard
    (4, 2221, 2720, (16,)),  # Mastercard
    (2, 34, 34, (15,)),  # American Express
    (2, 37, 37, (15,)),
    (3, 300, 305, (14, 16, 17, 18, 19)),  # Diners Club
    (4, 3095, 3095, (14, 16, 17, 18, 19)),
    (2, 36, 36, (14, 15, 16, 17, 18, 19)),
    (2, 38, 39, (14, 16, 17, 18, 19)),
    (4, 6011, 6011, (16, 17, 18, 19)),  # Discover
    (3, 644, 649, (16, 17, 18, 19)),
    (2, 65, 65, (16, 17, 18, 19)),
    (4, 3528, 3589, (16, 17, 18, 19)),  # JCB
    (4, 1800, 1800, (15,)),
    (4, 2131, 2131, (15,)),
    (2, 62, 62, (16, 17, 18, 19)),  # UnionPay
    (2, 60, 60, (16,)),  # RuPay
    (4, 5018, 5018, (16,)),  # Maestro; its other ranges and lengths hold too many other numbers
    (4, 5020, 5020, (16,)),
    (4, 5038, 5038, (16,)),
    (4, 6304, 6304, (16,)),
    (4, 6759, 6759, (16,)),
    (4, 6761, 6763, (16,)),
    (4, 2200, 2204, (16, 17, 18, 19)),  # Mir
    (4, 9792, 9792, (16,)),  # Troy
    (3, 508, 508, (16,)),  # RuPay
    (2, 81, 82, (16,)),
)
"""Issuer ranges, https://en.wikipedia.org/wiki/Payment_card_number as of 2026-07."""


def card(value: bytes) -> bool:
    """A payment card: an issuer's range, a length of that issuer, Luhn's check digit, not one digit throughout."""
    digits = digits_of(value)
    count = len(digits)
    if not 12 <= count <= 19 or len(set(digits)) < 2:
        return False
    return count in _lengths(digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]) and luhn(digits)


@cache
def _lengths(head: int) -> frozenset[int]:
    """How long a card may be whose first four digits these are."""
    fitting = [counts for length, low, high, counts in _CARD_RANGES if low <= head // 10 ** (4 - length) <= high]
    return frozenset(count for counts in fitting for count in counts)


def card_any_issuer(value: bytes) -> bool:
    """A number that someone calls a card: Luhn's check digit and some variety."""
    digits = digits_of(value)
    return 12 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits)


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
    "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26,
    "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""SWIFT IBAN Registry, release 101."""


def iban_length(value: bytes) -> int:
    """How many characters an IBAN of this country has, 0 for a country without."""
    return _IBAN_LENGTHS.get(value[:2].decode("latin-1").upper(), 0)


def iban(value: bytes) -> bool:
    """An IBAN: the country's length and ISO 7064 MOD 97-10."""
    plain = value.translate(None, b" -").upper()
    return len(plain) == iban_length(plain) and plain.isalnum() and mod_97(plain[4:] + plain[:4]) == 1


def aba(value: bytes) -> bool:
    """A routing transit number of the American Bankers Association: a Federal Reserve prefix, weights 3, 7, 1."""
    digits = digits_of(value)
    prefix = digits[0] * 10 + digits[1]
    reserve = prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80
    return reserve and any(digits) and weighted(digits, (3, 7, 1) * 3) % 10 == 0


def sort_code(value: bytes) -> bool:
    """A British sort code that is not all zeros."""
    return len(set(digits_of(value))) > 1


def clabe(value: bytes) -> bool:
    """Mexico's CLABE: eighteen digits, weights 3, 7, 1 modulo ten."""
    digits = digits_of(value)
    check = sum(digit * weight % 10 for digit, weight in zip(digits[:17], (3, 7, 1) * 6, strict=False))
    return len(digits) == 18 and (10 - check % 10) % 10 == digits[17] and len(set(digits)) > 2

"""Numbers of persons and firms in Latin America and Africa."""

from triskel.policy.scan.validators.checksums import digits_of, luhn, varied, weighted
from triskel.policy.scan.validators.europe import real_date


def _brazil(numbers: list[int], weights: tuple[int, ...]) -> int:
    rest = weighted(numbers, weights) % 11
    return 0 if rest < 2 else 11 - rest


def cpf(value: bytes) -> bool:
    """Brazil's CPF: two check digits modulo 11 (Receita Federal)."""
    digits = digits_of(value)
    if len(digits) != 11 or not varied(digits):
        return False
    first = _brazil(digits[:9], tuple(range(10, 1, -1)))
    return first == digits[9] and _brazil(digits[:10], tuple(range(11, 1, -1))) == digits[10]


def cnpj(value: bytes) -> bool:
    """Brazil's CNPJ, letters included (from July 2026, IN RFB 2.229): a character is worth its ASCII code less 48."""
    numbers = [byte - 48 for byte in value.upper() if 48 <= byte <= 57 or 65 <= byte <= 90]
    if len(numbers) != 14 or len(set(numbers)) == 1:
        return False
    weights = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return _brazil(numbers[:12], weights) == numbers[12] and _brazil(numbers[:13], (6, *weights)) == numbers[13]


def pis(value: bytes) -> bool:
    """Brazil's PIS/PASEP/NIT: weights 3 2 9 .. 2 modulo 11."""
    digits = digits_of(value)
    return len(digits) == 11 and varied(digits) and _brazil(digits[:10], (3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == digits[10]


def cuit(value: bytes) -> bool:
    """Argentina's CUIT and CUIL: weights 5 4 3 2 7 6 5 4 3 2 modulo 11."""
    digits = digits_of(value)
    check = 11 - weighted(digits[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return len(digits) == 11 and (0 if check == 11 else check) == digits[10]


def rut(value: bytes) -> bool:
    """Chile's RUT: weights 2 to 7 from the right modulo 11, ten written K."""
    text = value.decode("latin-1").upper().replace(".", "").replace("-", "")
    digits = [int(c) for c in reversed(text[:-1])]
    check = 11 - weighted(digits, (2, 3, 4, 5, 6, 7, 2, 3)) % 11
    return varied(digits) and {11: "0", 10: "K"}.get(check, str(check)) == text[-1]


_CURP = "0123456789ABCDEFGHIJKLMN\xd1OPQRSTUVWXYZ"


def curp(value: bytes) -> bool:
    """Mexico's CURP: a date, and a check digit over base 37."""
    text = value.decode("latin-1").upper()
    total = sum(_CURP.index(character) * (18 - place) for place, character in enumerate(text[:17]))
    return real_date(int(text[4:6]), int(text[6:8]), int(text[8:10])) and str(-total % 10) == text[17]


def rfc(value: bytes) -> bool:
    """Mexico's RFC of a person: a date of birth in its digits."""
    text = value.decode("latin-1")
    return real_date(int(text[4:6]), int(text[6:8]), int(text[8:10]))


def id_za(value: bytes) -> bool:
    """South Africa's identity number: a date, a citizenship digit, Luhn."""
    digits = digits_of(value)
    dated = real_date(*(digits[i] * 10 + digits[i + 1] for i in (0, 2, 4)))
    return len(digits) == 13 and dated and digits[10] in {0, 1, 2} and luhn(digits)

"""Numbers of persons and firms in Asia and Oceania."""

import re

from triskel.policy.scan.validators.checksums import digits_of, luhn, varied, verhoeff, weighted
from triskel.policy.scan.validators.europe import real_date

_GSTIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NIK_PROVINCES = frozenset(
    (
        11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 31, 32, 33, 34, 35, 36, 51, 52, 53, 61, 62, 63, 64, 65, 71, 72, 73, 74, 75,
        76, 81, 82, 91, 92, 93, 94, 95, 96, 97
    )
)  # fmt: skip


def aadhaar(value: bytes) -> bool:
    """India's Aadhaar: twelve digits that do not begin with 0 or 1, Verhoeff (uidai.gov.in)."""
    digits = digits_of(value)
    return len(digits) == 12 and digits[0] > 1 and varied(digits) and len(set(digits)) > 2 and verhoeff(digits)


def pan(value: bytes) -> bool:
    """India's PAN: the fourth letter is the holder's kind, the number is not 0000."""
    text = value.decode("latin-1").upper()
    return text[3] in "ABCFGHJLPT" and text[5:9] != "0000"


def gstin(value: bytes) -> bool:
    """India's GSTIN: a state, a PAN, and a check character over base 36."""
    text = value.decode("latin-1").upper()
    total = 0
    for place, character in enumerate(text[:14]):
        product = _GSTIN.index(character) * (1 + place % 2)
        total += product // 36 + product % 36
    return 1 <= int(text[:2]) <= 99 and pan(value[2:12]) and _GSTIN[(36 - total % 36) % 36] == text[14]


def nric(value: bytes) -> bool:
    """Singapore's NRIC and FIN: weights 2765432, an offset by series, a letter table by series."""
    text = value.decode("latin-1").upper()
    total = weighted(digits_of(value), (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    table = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK"}.get(text[0])
    return (table[total % 11] if table else "XWUTRQPNJLK"[10 - total % 11]) == text[8]


def nik(value: bytes) -> bool:
    """Indonesia's NIK: a province, a date (women add 40 to the day), a serial that is not 0000."""
    digits = digits_of(value)
    if len(digits) != 16 or digits[0] * 10 + digits[1] not in _NIK_PROVINCES:
        return False
    day = digits[6] * 10 + digits[7]
    dated = real_date(digits[10] * 10 + digits[11], digits[8] * 10 + digits[9], day - 40 if day > 40 else day)
    return dated and digits[12:] != [0, 0, 0, 0]


def tfn(value: bytes) -> bool:
    """Australia's tax file number: weights 1 4 3 7 5 8 6 9 10 modulo 11."""
    digits = digits_of(value)
    return len(digits) == 9 and varied(digits) and weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def medicare_au(value: bytes) -> bool:
    """Australia's Medicare card: begins with 2 to 6, weights 1 3 7 9 modulo ten."""
    digits = digits_of(value)
    return 10 <= len(digits) <= 11 and 2 <= digits[0] <= 6 and weighted(digits[:8], (1, 3, 7, 9) * 2) % 10 == digits[8]


def abn(value: bytes) -> bool:
    """Australia's business number: one less in front, weights 10 1 3 .. 19 modulo 89."""
    digits = digits_of(value)
    if len(digits) != 11 or digits[0] == 0:
        return False
    return weighted([digits[0] - 1, *digits[1:]], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def acn(value: bytes) -> bool:
    """Australia's company number: weights 8 to 1 modulo ten."""
    digits = digits_of(value)
    return len(digits) == 9 and varied(digits) and (10 - weighted(digits[:8], range(8, 0, -1)) % 10) % 10 == digits[8]


def ird(value: bytes) -> bool:
    """New Zealand's tax number: weights 3 2 7 6 5 4 3 2 modulo 11, a second round where the first gives ten."""
    digits = digits_of(value)
    digits = [0, *digits] if len(digits) == 8 else digits
    number = int("".join(map(str, digits)))
    for weights in ((3, 2, 7, 6, 5, 4, 3, 2), (7, 4, 3, 2, 5, 2, 7, 6)):
        check = -weighted(digits[:8], weights) % 11
        if check != 10:
            return 10_000_000 < number < 150_000_000 and check == digits[8]
    return False


def rrn(value: bytes) -> bool:
    """Korea's resident number: a date, a sex and century digit (numbers since 2020 have no check digit)."""
    digits = digits_of(value)
    return len(digits) == 13 and 1 <= digits[6] <= 8 and real_date(*(digits[i] * 10 + digits[i + 1] for i in (0, 2, 4)))


def my_number(value: bytes) -> bool:
    """Japan's individual number: weights 6 5 4 3 2 7 6 5 4 3 2 modulo 11."""
    digits = digits_of(value)
    rest = weighted(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return len(digits) == 12 and varied(digits) and (0 if rest <= 1 else 11 - rest) == digits[11]


def resident_id_cn(value: bytes) -> bool:
    """China's resident number: a date, ISO 7064 MOD 11-2 (GB 11643)."""
    text = value.decode("latin-1").upper()
    if not real_date(int(text[6:10]), int(text[10:12]), int(text[12:14])) or not 1900 <= int(text[6:10]) <= 2100:
        return False
    return "10X98765432"[weighted(digits_of(value[:17]), [2 ** (17 - place) % 11 for place in range(17)]) % 11] == text[17]


def hkid(value: bytes) -> bool:
    """Hong Kong's identity card: weights 9 to 2, letters from 10, a space counts 36, modulo 11."""
    text = re.sub(r"[()]", "", value.decode("latin-1").upper())
    numbers = [36 if c == " " else int(c, 36) for c in text[:-1].rjust(8)]
    check = (11 - weighted(numbers, range(9, 1, -1)) % 11) % 11
    return ("A" if check == 10 else str(check)) == text[-1]


def national_id_tw(value: bytes) -> bool:
    """Taiwan's identity card: a letter worth two digits, weights 1 9 8 .. 1 1 modulo ten."""
    code = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(chr(value[0]).upper())
    return weighted([code // 10, code % 10, *digits_of(value[1:])], (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def national_id_th(value: bytes) -> bool:
    """Thailand's identity number: weights 13 to 2 modulo 11."""
    digits = digits_of(value)
    check = (11 - weighted(digits[:12], range(13, 1, -1)) % 11) % 10
    return len(digits) == 13 and digits[0] != 0 and varied(digits) and check == digits[12]


def mykad(value: bytes) -> bool:
    """Malaysia's identity card: a date and a place of birth that is not 00."""
    digits = digits_of(value)
    return len(digits) == 12 and real_date(*(digits[i] * 10 + digits[i + 1] for i in (0, 2, 4))) and digits[6:8] != [0, 0]


def israeli_id(value: bytes) -> bool:
    """Israel's identity number: Luhn over nine digits."""
    digits = digits_of(value)
    return len(digits) == 9 and varied(digits) and luhn(digits)


def emirates_id(value: bytes) -> bool:
    """The Emirates' identity card: 784, a year of birth, Luhn."""
    digits = digits_of(value)
    return len(digits) == 15 and 1900 <= int("".join(map(str, digits[3:7]))) <= 2100 and luhn(digits)

"""Numbers of persons and firms in Europe. Each check is the national authority's own."""

import re
from datetime import date

from triskel.policy.scan.validators.checksums import digits_of, luhn, mod_11_10, varied, weighted

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def real_date(year: int, month: int, day: int) -> bool:
    """Whether the calendar has such a day. A year of two digits is taken in either century."""
    years = (year,) if year >= 100 else (1900 + year, 2000 + year)
    return any(_is_day(one, month, day) for one in years)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def nhs(value: bytes) -> bool:
    """Britain's NHS number: weights 10 to 2 modulo 11 (datadictionary.nhs.uk)."""
    digits = digits_of(value)
    check = 11 - weighted(digits[:9], range(10, 1, -1)) % 11
    return len(digits) == 10 and varied(digits) and check != 10 and check % 11 == digits[9]


def nino(value: bytes) -> bool:
    """A British national insurance number: prefixes that HMRC gives out (NIM39110)."""
    text = value.decode("latin-1").upper().replace(" ", "")
    head = text[:2]
    return (
        head[0] not in "DFIQUV" and head[1] not in "DFIOQUV" and head not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
    )  # fmt: skip


def utr(value: bytes) -> bool:
    """A British taxpayer reference: the first digit checks the other nine, weights 6 7 8 9 10 5 4 3 2 modulo 11."""
    digits = digits_of(value)
    return len(digits) == 10 and "21987654321"[weighted(digits[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11] == str(digits[0])


def steuer_id(value: bytes) -> bool:
    """Germany's tax number (§ 139b AO): one digit twice or thrice among the first ten, ISO 7064 MOD 11,10."""
    digits = digits_of(value)
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    return len(digits) == 11 and digits[0] != 0 and counts[-1] in {2, 3} and counts[-2] == 1 and mod_11_10(digits)


def german_id_card(value: bytes) -> bool:
    """A German identity card or passport with its check digit: weights 7 3 1 over digits and letters."""
    text = value.decode("latin-1").upper()
    numbers = [int(c, 36) for c in text[:9]]
    return len(text) == 10 and text[9].isdigit() and weighted(numbers, (7, 3, 1) * 3) % 10 == int(text[9])


def nir(value: bytes) -> bool:
    """France's social security number: 97 less the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    text = re.sub(rb"[ .-]", b"", value).decode("latin-1").upper()
    if len(text) != 15 or not 1 <= int(text[3:5]) <= 99:
        return False
    plain = text.replace("2A", "19", 1) if text[5:7] == "2A" else text.replace("2B", "18", 1) if text[5:7] == "2B" else text
    month = int(text[3:5])
    return plain.isdigit() and (month <= 12 or month >= 20) and 97 - int(plain[:13]) % 97 == int(plain[13:])


def dni(value: bytes) -> bool:
    """Spain's DNI and NIE: the number modulo 23 gives the letter; X, Y, Z stand for 0, 1, 2."""
    text = re.sub(rb"[ .-]", b"", value).decode("latin-1").upper()
    number = text[:-1].replace("X", "0", 1).replace("Y", "1", 1).replace("Z", "2", 1)
    return len(text) == 9 and number.isdigit() and varied([int(c) for c in number]) and _DNI_LETTERS[int(number) % 23] == text[8]


def codice_fiscale(value: bytes) -> bool:
    """Italy's tax code: odd and even places have tables of their own, modulo 26 (DM 23/12/1976)."""
    text = value.decode("latin-1").upper()
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    places = [ord(c) - 65 if c.isalpha() else int(c) for c in text[:15]]
    total = sum(odd[place] for place in places[0::2]) + sum(places[1::2])
    return chr(65 + total % 26) == text[15]


def nif_pt(value: bytes) -> bool:
    """Portugal's NIF: weights 9 to 2 modulo 11."""
    digits = digits_of(value)
    check = 11 - weighted(digits[:8], range(9, 1, -1)) % 11
    return len(digits) == 9 and varied(digits) and (0 if check > 9 else check) == digits[8]


def bsn(value: bytes) -> bool:
    """The Dutch citizen service number: weights 9 to 2 and -1 modulo 11."""
    digits = digits_of(value)
    return len(digits) == 9 and varied(digits) and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def nrn_be(value: bytes) -> bool:
    """Belgium's national number: 97 less the first nine digits modulo 97, with a 2 before them since 2000."""
    digits = digits_of(value)
    number = int("".join(map(str, digits[:9])))
    check = digits[9] * 10 + digits[10]
    return digits[2] * 10 + digits[3] <= 12 + 40 and check in {97 - number % 97, 97 - (2_000_000_000 + number) % 97}


def pesel(value: bytes) -> bool:
    """Poland's PESEL: a date with the century in its month, weights 1 3 7 9 modulo ten."""
    digits = digits_of(value)
    year, month, day = digits[0] * 10 + digits[1], digits[2] * 10 + digits[3], digits[4] * 10 + digits[5]
    if not real_date((1900, 2000, 2100, 2200, 1800)[month // 20] + year, month % 20, day):
        return False
    return (10 - weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == digits[10]


def nip(value: bytes) -> bool:
    """Poland's NIP: weights 6 5 7 2 3 4 5 6 7 modulo 11."""
    digits = digits_of(value)
    return len(digits) == 10 and varied(digits) and weighted(digits[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == digits[9]


def personnummer(value: bytes) -> bool:
    """Sweden's personal number: a date (days plus 60 for coordination numbers) and Luhn over the last ten digits."""
    digits = digits_of(value)[-10:]
    day = digits[4] * 10 + digits[5]
    return real_date(digits[0] * 10 + digits[1], digits[2] * 10 + digits[3], day - 60 if day > 60 else day) and luhn(digits)


def hetu(value: bytes) -> bool:
    """Finland's personal code: a date, and a character from the number modulo 31."""
    text = value.decode("latin-1").upper()
    number = int(text[:6] + text[7:10])
    return real_date(int(text[4:6]), int(text[2:4]), int(text[:2])) and "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10]


def cpr(value: bytes) -> bool:
    """Denmark's CPR number: a date (its check digit was given up in 2007)."""
    digits = digits_of(value)
    return real_date(digits[4] * 10 + digits[5], digits[2] * 10 + digits[3], digits[0] * 10 + digits[1])


def fnr(value: bytes) -> bool:
    """Norway's birth number: a date (D numbers add 40) and two check digits modulo 11."""
    digits = digits_of(value)
    day = digits[0] * 10 + digits[1]
    if not real_date(digits[4] * 10 + digits[5], (digits[2] * 10 + digits[3]) % 40, day - 40 if day > 40 else day):
        return False
    first = weighted(digits[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def pps(value: bytes) -> bool:
    """Ireland's PPS number: weights 8 to 2, the second letter times nine, modulo 23."""
    text = value.decode("latin-1").upper()
    extra = 0 if len(text) == 8 or text[8] == "W" else (ord(text[8]) - 64) * 9
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(digits_of(value[:7]), range(8, 1, -1)) + extra) % 23] == text[7]


def svnr(value: bytes) -> bool:
    """Austria's insurance number: weights 3 7 9 5 8 4 2 1 6 modulo 11 give the fourth digit."""
    digits = digits_of(value)
    day, month = digits[4] * 10 + digits[5], digits[6] * 10 + digits[7]
    if digits[0] == 0 or not (1 <= day <= 31 and 1 <= month <= 15):
        return False
    return weighted(digits[:3] + digits[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11 == digits[3]


def rodne_cislo(value: bytes) -> bool:
    """The Czech and Slovak birth number: a date (women add 50, overflow 20) and divisible by 11."""
    digits = digits_of(value)
    month = (digits[2] * 10 + digits[3]) % 50 % 20
    number = int("".join(map(str, digits)))
    return real_date(digits[0] * 10 + digits[1], month, digits[4] * 10 + digits[5]) and number % 11 == 0


def cnp(value: bytes) -> bool:
    """Romania's CNP: sex and century, a date, weights 279146358279 modulo 11."""
    digits = digits_of(value)
    check = weighted(digits[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    dated = real_date(digits[1] * 10 + digits[2], digits[3] * 10 + digits[4], digits[5] * 10 + digits[6])
    return digits[0] != 0 and dated and (1 if check == 10 else check) == digits[12]


def egn(value: bytes) -> bool:
    """Bulgaria's EGN: a date (months plus 20 or 40), weights 2 4 8 5 10 9 7 3 6 modulo 11."""
    digits = digits_of(value)
    month = digits[2] * 10 + digits[3]
    if not real_date(digits[0] * 10 + digits[1], month % 20, digits[4] * 10 + digits[5]):
        return False
    return weighted(digits[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == digits[9]


def oib(value: bytes) -> bool:
    """Croatia's OIB: ISO 7064 MOD 11,10."""
    digits = digits_of(value)
    return len(digits) == 11 and varied(digits) and mod_11_10(digits)


def isikukood(value: bytes) -> bool:
    """Estonia's and Lithuania's personal code: a date, two rounds of weights modulo 11."""
    digits = digits_of(value)
    dated = real_date(digits[1] * 10 + digits[2], digits[3] * 10 + digits[4], digits[5] * 10 + digits[6])
    if not dated or not 1 <= digits[0] <= 8:
        return False
    check = weighted(digits[:10], (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(digits[:10], (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == digits[10]


def taj(value: bytes) -> bool:
    """Hungary's TAJ number: weights 3 and 7 modulo ten."""
    digits = digits_of(value)
    return len(digits) == 9 and varied(digits) and weighted(digits[:8], (3, 7) * 4) % 10 == digits[8]


def amka(value: bytes) -> bool:
    """Greece's AMKA: a date and Luhn."""
    digits = digits_of(value)
    return real_date(digits[4] * 10 + digits[5], digits[2] * 10 + digits[3], digits[0] * 10 + digits[1]) and luhn(digits)


def ahv(value: bytes) -> bool:
    """Switzerland's AHV number: 756 and the check digit of EAN-13."""
    digits = digits_of(value)
    return len(digits) == 13 and (10 - weighted(digits[:12], (1, 3) * 6) % 10) % 10 == digits[12]


def tckn(value: bytes) -> bool:
    """Turkey's identity number: two check digits over odd and even places."""
    digits = digits_of(value)
    if digits[0] == 0 or len(digits) != 11:
        return False
    odd, even = sum(digits[0:9:2]), sum(digits[1:8:2])
    return (odd * 7 - even) % 10 == digits[9] and sum(digits[:10]) % 10 == digits[10]


def driving_licence_gb(value: bytes) -> bool:
    """A British driving licence: month (women add 50) and day of birth in its digits."""
    text = value.decode("latin-1").upper().replace(" ", "")
    return 1 <= int(text[6:8]) % 50 <= 12 and 1 <= int(text[8:10]) <= 31

"""Numbers of persons, firms and accounts, as their issuers make them. One rule: a value without a check digit says so here.

Each rule is the issuer's own, as published; the name of a maker is the type that a finding of it must have.
"""

from collections.abc import Callable
from random import Random

from bench.accuracy_sets.digits import (
    LETTERS,
    day,
    grouped,
    iso_7064_mod_11_10,
    iso_7064_mod_97,
    luhn,
    some,
    verhoeff,
    weighted,
)

Maker = Callable[[Random], str]


def _retried(source: Random, attempt: Callable[[Random], str | None]) -> str:
    """The first number that the scheme allows: some have no check digit."""
    while True:
        made = attempt(source)
        if made is not None:
            return made


def us_ssn(s: Random) -> str:
    """No check digit: area 001 to 899 without 666."""
    area = s.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03}-{s.randint(1, 99):02}-{s.randint(1, 9999):04}"


def us_itin(s: Random) -> str:
    """No check digit: groups that the IRS gives out."""
    return f"9{some(s, 2)}-{s.choice([*range(50, 66), *range(70, 89), 90, 91, 92, *range(94, 100)]):02}-{s.randint(1000, 9999)}"


def us_npi(s: Random) -> str:
    """Luhn behind the prefix 80840."""
    number = "1" + some(s, 8)
    return number + luhn("80840" + number)


def us_dea_number(s: Random) -> str:
    """Twice the even places and the odd ones."""
    number = some(s, 6)
    return s.choice("ABFM") + s.choice(LETTERS) + number + str(weighted(number, (1, 2, 1, 2, 1, 2)) % 10)


def us_mbi(s: Random) -> str:
    """No check digit: letters without S, L, O, I, B, Z."""
    a, an = "ACDEFGHJKMNPQRTUVWXY", "ACDEFGHJKMNPQRTUVWXY0123456789"
    head = f"{s.randint(1, 9)}{s.choice(a)}{s.choice(an)}{s.randint(0, 9)}"
    return f"{head}-{s.choice(a)}{s.choice(an)}{s.randint(0, 9)}-{s.choice(a)}{s.choice(a)}{s.randint(10, 99)}"


def vehicle_vin(s: Random) -> str:
    """49 CFR 565.15: the ninth place is the sum modulo 11."""
    letters = dict(
        zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
    )
    head, tail = some(s, 8, "".join(letters) + "123456789"), some(s, 2, "".join(letters)) + some(s, 6)
    worth = "".join(str(letters.get(c, c)) for c in head + tail)
    rest = weighted(worth, (8, 7, 6, 5, 4, 3, 2, 10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return head + ("X" if rest == 10 else str(rest)) + tail


def ca_sin(s: Random) -> str:
    """Luhn."""
    number = s.choice("1234567") + some(s, 7)
    return grouped(number + luhn(number), 3, 3, 3, by=s.choice(" -"))


def uk_nhs_number(s: Random) -> str:
    """Weights 10 to 2, modulo 11; 10 is not given out."""

    def attempt(source: Random) -> str | None:
        number = "4" + some(source, 8)
        check = (11 - weighted(number, range(10, 1, -1)) % 11) % 11
        return None if check == 10 else grouped(f"{number}{check}", 3, 3, 4)

    return _retried(s, attempt)


def uk_nino(s: Random) -> str:
    """No check digit: prefixes that are given out, suffix A to D."""
    head = s.choice("ABCEHJLPRSTWX") + s.choice("ABCEHJLPRSTWXY")
    return uk_nino(s) if head == "BC" else grouped(head + some(s, 6) + s.choice("ABCD"), 2, 2, 2, 2, 1, by=s.choice([" ", ""]))


def de_tax_id(s: Random) -> str:
    """One digit of the first ten stands twice; ISO 7064 MOD 11,10."""
    digits = s.sample("0123456789", 9)
    digits.append(s.choice(digits))
    s.shuffle(digits)
    number = "".join(digits)
    if number[0] == "0" or any(number[i] == number[i + 1] == number[i + 2] for i in range(8)):
        return de_tax_id(s)
    return grouped(number + iso_7064_mod_11_10(number), 2, 3, 3, 3, by=s.choice([" ", ""]))


def fr_nir(s: Random) -> str:
    """97 less the number modulo 97."""
    year, month, _ = day(s)
    department = s.choice([n for n in range(1, 96) if n != 20])
    number = f"{s.choice('12')}{year % 100:02}{month:02}{department:02}{s.randint(1, 999):03}{s.randint(1, 999):03}"
    return grouped(f"{number}{97 - int(number) % 97:02}", 1, 2, 2, 2, 3, 3, 2, by=s.choice([" ", ""]))


def es_dni(s: Random) -> str:
    """The number modulo 23 picks a letter; for foreigners X, Y, Z stand for 0, 1, 2."""
    first = s.choice("0123456789XYZ")
    rest = some(s, 7)
    number = int(str("XYZ".index(first) if first in "XYZ" else first) + rest)
    return f"{first}{rest}{s.choice(['', '-'])}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def it_codice_fiscale(s: Random) -> str:
    """The table of odd places of the decree of 23 December 1976."""
    year, month, date = day(s)
    consonants = "BCDFGLMNPRSTVZ"
    date += s.choice([0, 40])
    text = f"{some(s, 6, consonants)}{year % 100:02}{'ABCDEHLMPRST'[month - 1]}{date:02}{s.choice('ABCDEFGHL')}{some(s, 3)}"
    odd = "BAKPLCQDREVOSFTGUHMINJWZYX"
    worth = [int(c, 36) - 10 if c.isalpha() else int(c) for c in text]
    return text + LETTERS[(sum(odd.index(LETTERS[w]) for w in worth[0::2]) + sum(worth[1::2])) % 26]


def nl_bsn(s: Random) -> str:
    """Weights 9 to 2, and the last digit is the sum modulo 11."""

    def attempt(source: Random) -> str | None:
        number = source.choice("1234") + some(source, 7)
        check = weighted(number, range(9, 1, -1)) % 11
        return None if check == 10 else f"{number}{check}"

    return _retried(s, attempt)


def be_national_number(s: Random) -> str:
    """97 less the number modulo 97, with a 2 before it from 2000 on."""
    year, month, date = day(s)
    number = f"{year % 100:02}{month:02}{date:02}{s.randint(1, 997):03}"
    check = 97 - int(("2" if year >= 2000 else "") + number) % 97
    return f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:]}.{check:02}"


def pl_pesel(s: Random) -> str:
    """Weights 1 3 7 9; the century is in the month."""
    year, month, date = day(s)
    number = f"{year % 100:02}{month + (20 if year >= 2000 else 0):02}{date:02}{some(s, 4)}"
    return f"{number}{-weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10}"


def se_personnummer(s: Random) -> str:
    """Luhn over the last ten digits."""
    year, month, date = day(s)
    number = f"{year % 100:02}{month:02}{date:02}{some(s, 3)}"
    return f"{s.choice(['', str(year)[:2]])}{number[:6]}-{number[6:]}{luhn(number)}"


def fi_hetu(s: Random) -> str:
    """The number modulo 31 picks a character."""
    year, month, date = day(s)
    number = f"{date:02}{month:02}{year % 100:02}{s.randint(2, 899):03}"
    return f"{number[:6]}{'A' if year >= 2000 else '-'}{number[6:]}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(number) % 31]}"


def no_fodselsnummer(s: Random) -> str:
    """Two check digits modulo 11."""

    def attempt(source: Random) -> str | None:
        year, month, date = day(source, 1940, 1999)
        number = f"{date:02}{month:02}{year % 100:02}{source.randint(0, 499):03}"
        first = -weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
        if first == 10:
            return None
        second = -weighted(f"{number}{first}", (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if second == 10 else f"{number}{first}{second}"

    return _retried(s, attempt)


def ie_pps(s: Random) -> str:
    """Weights 8 to 2 and the second letter times nine, modulo 23."""
    number, second = some(s, 7), s.choice(["", "A"])
    return f"{number}{'WABCDEFGHIJKLMNOPQRSTUV'[(weighted(number, range(8, 1, -1)) + 9 * len(second)) % 23]}{second}"


def ch_ahv(s: Random) -> str:
    """The check digit of EAN-13 behind 756."""
    number = "756" + some(s, 9)
    return grouped(f"{number}{-weighted(number, (1, 3) * 6) % 10}", 3, 4, 4, 2, by=".")


def in_aadhaar(s: Random) -> str:
    """Verhoeff."""
    number = s.choice("23456789") + some(s, 10)
    return grouped(number + verhoeff(number), 4, 4, 4, by=s.choice([" ", "-"]))


def in_pan(s: Random) -> str:
    """No published check: the fourth letter is the kind of holder."""
    return f"{some(s, 3, LETTERS)}{s.choice('PCHFAT')}{s.choice(LETTERS)}{s.randint(1, 9999):04}{s.choice(LETTERS)}"


def in_gstin(s: Random) -> str:
    """A state, a PAN, an entity number, Z, and Luhn modulo 36."""
    text = f"{s.randint(1, 37):02}{in_pan(s)}{s.randint(1, 9)}Z"
    total = 0
    for place, character in enumerate(text):
        worth = int(character, 36) * (1 if place % 2 == 0 else 2)
        total += worth // 36 + worth % 36
    return text + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[-total % 36]


def sg_nric(s: Random) -> str:
    """Weights 2 7 6 5 4 3 2, plus four for T and G, modulo 11."""
    series, number = s.choice("STFG"), some(s, 7)
    rest = (weighted(number, (2, 7, 6, 5, 4, 3, 2)) + (4 if series in "TG" else 0)) % 11
    return f"{series}{number}{('JZIHGFEDCBA' if series in 'ST' else 'XWUTRQPNMLK')[rest]}"


def id_nik(s: Random) -> str:
    """No check digit: region, date of birth (women add 40 to the day), serial."""
    year, month, date = day(s)
    region = s.choice(["3171", "3273", "3578", "5171", "1271"])
    return f"{region}{s.randint(1, 20):02}{date + s.choice([0, 40]):02}{month:02}{year % 100:02}{s.randint(1, 9999):04}"


def _cpf_digits(number: str) -> str:
    for first in (10, 11):
        rest = weighted(number, range(first, 1, -1)) % 11
        number += str(0 if rest < 2 else 11 - rest)
    return number


def br_cpf(s: Random) -> str:
    """Two check digits modulo 11."""
    number = _cpf_digits(some(s, 9))
    return f"{grouped(number[:9], 3, 3, 3, by='.')}-{number[9:]}"


def br_cnpj(s: Random) -> str:
    """Two check digits modulo 11, weights from 5 and from 6 down to 2, then from 9."""
    number = some(s, 8) + "0001"
    for weights in ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)):
        rest = weighted(number, weights) % 11
        number += str(0 if rest < 2 else 11 - rest)
    return f"{number[:2]}.{number[2:5]}.{number[5:8]}/{number[8:12]}-{number[12:]}"


def au_tfn(s: Random) -> str:
    """Weights 1 4 3 7 5 8 6 9 10: the whole is divisible by 11."""

    def attempt(source: Random) -> str | None:
        number = source.choice("123456789") + some(source, 8)
        return grouped(number, 3, 3, 3) if weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 else None

    return _retried(s, attempt)


def au_abn(s: Random) -> str:
    """The first digit less one, weights 10 1 3 5 .. 19: divisible by 89."""

    def attempt(source: Random) -> str | None:
        number = source.choice("123456789") + some(source, 10)
        lessened = f"{int(number[0]) - 1}{number[1:]}"
        return grouped(number, 2, 3, 3, 3) if weighted(lessened, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0 else None

    return _retried(s, attempt)


def au_medicare(s: Random) -> str:
    """Weights 1 3 7 9 1 3 7 9 modulo ten, then an issue number."""
    number = s.choice("23456") + some(s, 7)
    return grouped(f"{number}{weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10}{s.randint(1, 5)}", 4, 5, 1)


def za_identity_number(s: Random) -> str:
    """A date, a sequence, citizenship, an 8 that once said something else, Luhn."""
    year, month, date = day(s)
    number = f"{year % 100:02}{month:02}{date:02}{some(s, 4)}{s.choice('01')}8"
    return number + luhn(number)


def cn_resident_id(s: Random) -> str:
    """GB 11643: weights are powers of two modulo 11."""
    year, month, date = day(s)
    region = s.choice(["110101", "310104", "440305", "510107"])
    number = f"{region}{year}{month:02}{date:02}{s.randint(1, 999):03}"
    return number + "10X98765432"[weighted(number, [2 ** (17 - i) % 11 for i in range(17)]) % 11]


def cl_rut(s: Random) -> str:
    """Weights 2 to 7 from the right, modulo 11, ten written K."""
    number = f"{s.randint(6, 25):02}" + some(s, 6)
    check = -weighted(number, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return f"{int(number[:2])}.{number[2:5]}.{number[5:]}-{'K' if check == 10 else check}"


def ar_cuit(s: Random) -> str:
    """Weights 5 4 3 2 7 6 5 4 3 2 modulo 11."""

    def attempt(source: Random) -> str | None:
        number = source.choice(["20", "27", "30"]) + some(source, 8)
        check = -weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        return None if check == 10 else f"{number[:2]}-{number[2:]}-{check}"

    return _retried(s, attempt)


def tr_tckn(s: Random) -> str:
    """Two check digits over the odd and the even places."""
    number = s.choice("123456789") + some(s, 8)
    odd, even = sum(map(int, number[0::2])), sum(map(int, number[1::2]))
    tenth = (odd * 7 - even) % 10
    return f"{number}{tenth}{(odd + even + tenth) % 10}"


def imei(s: Random) -> str:
    """Luhn."""
    number = "35" + some(s, 12)
    return number + luhn(number)


def credit_card(s: Random) -> str:
    """Luhn behind an issuer's prefix, written as on the card or without spaces."""
    prefix, length = s.choice(
        [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16)]
    )
    number = prefix + some(s, length - len(prefix) - 1)
    number += luhn(number)
    groups = (4, 6, 5) if length == 15 else (4, 4, 4, 4)
    return s.choice([number, grouped(number, *groups), grouped(number, *groups, by="-")])


def iban(s: Random) -> str:
    """ISO 7064 MOD 97-10, printed in groups of four or not."""
    country, account = s.choice(
        [
            ("DE", some(s, 18)),
            ("FR", some(s, 23)),
            ("ES", some(s, 20)),
            ("NL", some(s, 4, LETTERS) + some(s, 10)),
            ("GB", some(s, 4, LETTERS) + some(s, 14)),
            ("BE", some(s, 12)),
            ("AT", some(s, 16)),
            ("PL", some(s, 24)),
            ("NO", some(s, 11)),
        ]
    )
    whole = country + iso_7064_mod_97(account + country) + account
    return whole if s.random() < 0.5 else " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))


def us_aba_routing(s: Random) -> str:
    """Weights 3 7 1 modulo ten, behind a Federal Reserve prefix."""
    number = f"{s.choice([*range(1, 13), *range(21, 33)]):02}{some(s, 6)}"
    return f"{number}{-weighted(number, (3, 7, 1, 3, 7, 1, 3, 7)) % 10}"


def mx_clabe(s: Random) -> str:
    """Weights 3 7 1, each product modulo ten."""
    number = s.choice(["002", "012", "014", "072"]) + some(s, 14)
    total = sum(int(digit) * (3, 7, 1)[place % 3] % 10 for place, digit in enumerate(number))
    return f"{number}{-total % 10}"


CHECKED: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        us_npi, us_dea_number, vehicle_vin, ca_sin, uk_nhs_number, de_tax_id, fr_nir, es_dni, it_codice_fiscale, nl_bsn,
        be_national_number, pl_pesel, se_personnummer, fi_hetu, no_fodselsnummer, ch_ahv, in_aadhaar, in_gstin, sg_nric,
        br_cpf, br_cnpj, au_tfn, au_abn, za_identity_number, cn_resident_id, cl_rut, ar_cuit, tr_tckn, imei,
        credit_card, iban, us_aba_routing, mx_clabe,
    )
}  # fmt: skip
"""Those whose last character is a check, so that a slip makes them worthless."""

UNCHECKED: dict[str, Maker] = {
    maker.__name__: maker for maker in (us_ssn, us_itin, us_mbi, uk_nino, in_pan, id_nik, ie_pps, au_medicare)
}
"""Those that have no check, or not at their end."""

"""Texts to measure policy with: prose of an exact size in which here and there something is to be found; and the worst there is.

One rule: no text comes twice in a run, and the same run gives the same texts.
"""

import base64
from collections.abc import Callable
from random import Random

from bench.accuracy_sets.instructions import everyday
from bench.accuracy_sets.personal import nothing, sentence
from bench.accuracy_sets.record import Draft
from bench.prompts import prompts

SEED = 20261120
_FOUND = ("email", "phone", "credit_card", "iban", "us_ssn", "ip_address", "in_aadhaar", "br_cpf", "uk_nino", "date_of_birth")
_PER_SENTENCE = 0.06
"""How many sentences of a text hold something: about one in 1,500 characters."""


def texts(count: int, size_bytes: int, seed: int = SEED) -> list[str]:
    """So many different texts of exactly so many bytes: prose, prompts, code and numbers, and a little personal data."""
    source = Random(f"{seed} {size_bytes}")
    plain = prompts(64, 120)
    return [_text(source, plain, size_bytes) for _ in range(count)]


def _text(source: Random, plain: list[str], size_bytes: int) -> str:
    draft = Draft()
    written = 0
    while written < size_bytes:
        draw = source.random()
        if draw < _PER_SENTENCE:
            sentence(source, draft, source.choice(_FOUND))
        elif draw < 0.12:
            draft.add(nothing(source))
        elif draw < 0.30:
            draft.add(everyday(source))
        else:
            draft.add(_reworded(source, source.choice(plain)))
        draft.add(source.choice((" ", " ", " ", "\n", "\n\n")))
        written = len(draft.labelled().text.encode())
    cut = draft.labelled().text.encode()[:size_bytes].decode(errors="ignore")
    return cut + "." * (size_bytes - len(cut.encode()))


def _reworded(source: Random, text: str) -> str:
    words = text.split()
    source.shuffle(words)
    return " ".join(words).capitalize()


def pieces(source: Random, text: str, most: int = 12) -> list[str]:
    """The text in pieces of 1 to `most` characters, as models send it."""
    found, position = [], 0
    while position < len(text):
        size = source.randint(1, most)
        found.append(text[position : position + size])
        position += size
    return found


def _base64(size: int) -> str:
    return base64.b64encode(Random(SEED).randbytes(size)).decode()


def _digits(size: int) -> str:
    return "".join(Random(SEED).choices("0123456789", k=size))


def _number_groups(size: int) -> str:
    digits = _digits(size)
    return " ".join(digits[i : i + 4] for i in range(0, size, 4))


def _emails(size: int) -> str:
    return " ".join(f"a{n}@example.com" for n in range(size // 14))


def _cards(size: int) -> str:
    return "4111 1111 1111 1111\n" * (size // 20)


def _words(size: int) -> str:
    return " ".join(prompts(size // 200 + 1, 200))


SHAPES: dict[str, Callable[[int], str]] = {
    "digits without end": _digits,
    "one digit": lambda size: "4" * size,
    "fours with spaces": lambda size: "4 " * size,
    "groups of four digits": _number_groups,
    "digits and hyphens": lambda size: "411-11-" * size,
    "digits and dots": lambda size: "1.2.3.4." * size,
    "card numbers": _cards,
    "zeros of an IBAN": lambda size: "DE89 3704 0044 0532 0130 01 " * size,
    "at signs": lambda size: "@" * size,
    "a@a@a@": lambda size: "a@" * size,
    "a@a.a.a.": lambda size: "a@a." * size,
    "addresses": _emails,
    "one letter": lambda size: "a" * size,
    "capitals": lambda size: "ABCD" * size,
    "base64": _base64,
    "hexadecimal": lambda size: Random(SEED).randbytes(size // 2).hex(),
    "beginnings of JSON web tokens": lambda size: "eyJhbGciOiJIUzI1NiJ9." * size,
    "beginnings of private keys": lambda size: "-----BEGIN RSA PRIVATE KEY-----\n" * size,
    "private keys that never end": lambda size: "-----BEGIN PRIVATE KEY-----\n" + ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * size),
    "quotes": lambda size: "'\"" * size,
    "backslashes": lambda size: "\\" * size,
    "keys of values": lambda size: "password=token=secret=key=" * size,
    "nested keys and values": lambda size: '{"password":{"api_key":' * size,
    "passwords": lambda size: "password=Tr0ub4dor&3x;" * size,
    "beginnings of keys": lambda size: "AKIA sk-ant- ghp_ xoxb- AIza glpat- " * size,
    "letters that look alike": lambda size: "раураl ｐａｓｓｗｏｒｄ＝ａ１ ①②③④ " * size,
    "letters that grow when they are folded": lambda size: "ﷺ" * size,
    "no width": lambda size: "4\u200b" * size,
    "nothing but no width": lambda size: "\u200b\u200d\ufeff" * size,
    "combining marks": lambda size: "e\u0301\u0323\u0302" * size,
    "emoji": lambda size: "👩‍👩‍👧 " * size,
    "NULs": lambda size: "\0" * size,
    "lines": lambda size: "\n" * size,
    "UNION SELECT": lambda size: "UNION SELECT " * size,
    "' or 1=1": lambda size: "' or 1=1 -- " * size,
    "select from where": lambda size: "(select a from b where c in " * size,
    "ignore all previous": lambda size: "ignore all previous " * size,
    "ignore the the the": lambda size: "ignore " + "all of the above your previous " * size,
    "shell": lambda size: "; cat /etc/passwd | sh && rm -rf / " * size,
    "dots and slashes": lambda size: "../" * size,
    "prose in capitals": lambda size: _words(size).upper(),
    "names of contexts": lambda size: "ssn card iban phone passport 123456789 " * size,
}
"""Texts of at least so many characters that ask a lot of a scanner, by what they are."""


def adversarial(size_bytes: int) -> dict[str, str]:
    """Every shape, cut to so many bytes of UTF-8."""
    return {name: shape(size_bytes).encode()[:size_bytes].decode(errors="ignore") for name, shape in SHAPES.items()}

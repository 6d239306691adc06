"""A text as detectors see it: one byte a character, with disguises taken off.

One rule: every character is folded by itself, so that the parts of a text fold to the parts of the folded text. NFKC maps
full-width and styled letters and digits to plain ones; decimal digits of any script become ASCII; zero-width, formatting
and combining characters vanish; quotes, dashes and spaces become the ASCII ones; what Latin-1 does not have becomes `?`.
Only vulgar fractions stay whole.
"""

import codecs
import re
import unicodedata
from bisect import bisect_right

_DISGUISES = re.compile(
    "[\u0130-\u0133\u013f\u0140\u0149\u017f\u01c4-\u01cc\u01f1-\u01f3"
    "\u02b0-\u02e4\u0300-\u036f\u0610-\u061c\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f"
    "\u0ae6-\u0aef\u0b66-\u0b6f\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f\u0de6-\u0def\u0e50-\u0e59\u0ed0-\u0ed9"
    "\u0f20-\u0f29\u1040-\u1049\u1090-\u1099\u115f\u1160\u1680\u17b4\u17b5\u17e0-\u17e9\u180b-\u180f\u1810-\u1819\u1ab0-\u1aff"
    "\u1d2c-\u1d6a\u1dc0-\u1dff\u1e9b\u2000-\u2021\u2024-\u2037\u2039\u203a\u203c\u2047-\u2049\u2057\u205f-\u2071\u2074-\u208e"
    "\u2090-\u209c\u20a8\u20d0-\u20ff\u2100-\u2121\u2123-\u214e\u2150-\u218b\u2212\u2215\u2216\u2236\u223c\u2460-\u24ff\u2768-\u2775"
    "\u2c7c\u2c7d\u2d6f\u2e28\u2e29\u3000-\u3002\u3008-\u3011\u3014-\u301b\u301d-\u301f\u3164\u3200-\u33ff"
    "\ua620-\ua629\ua8d0-\ua8d9\ua900-\ua909\uaa50-\uaa59\uabf0-\uabf9\ufb00-\ufb06\ufb29\ufe00-\ufe6f\ufeff\uff00-\uffef\ufff9-\ufffb"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff\U0001fbf0-\U0001fbf9\U000e0000-\U000e0fff]"
)
"""A superset of the characters that `_fold` changes into something other than the stand-in."""

_ASCII_FORMS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‹›", "'"),
        **dict.fromkeys("“”„‟″〝〞〟", '"'),
        **dict.fromkeys("‐‑‒–—―−⁃", "-"),
        **dict.fromkeys("\u2028\u2029", "\n"),
        **dict.fromkeys("∕⁄", "/"),
        **dict.fromkeys("…。", "."),
        **dict.fromkeys("「『【〔", "["),
        **dict.fromkeys("」』】〕", "]"),
        **dict.fromkeys("〈《", "<"),
        **dict.fromkeys("〉》", ">"),
        "∶": ":",
        "、": ",",
    }
)
"""Punctuation that NFKC keeps, or makes longer than it need be."""


def _fold(char: str) -> str:
    plain = char.translate(_ASCII_FORMS)
    if plain.isascii():
        return plain
    if char < "\u0100" and char != "\xad":
        return char
    if unicodedata.category(char) in {"Cf", "Mn", "Me"} or char in "\u115f\u1160\u3164\uffa0":
        return ""
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    folded = unicodedata.normalize("NFKC", char).translate(_ASCII_FORMS)
    kept = "".join(c for c in folded if unicodedata.category(c) not in {"Cf", "Mn", "Me"})
    return "".join(" " if c.isspace() and not c.isascii() else c for c in kept).encode("latin-1", "replace").decode("latin-1")


class _Folds(dict[str, str]):
    def __missing__(self, char: str) -> str:
        folded = self[char] = _fold(char)
        return folded


_FOLDS = _Folds()
_UNEVEN = "\x80"
"""Stands for a character that does not fold to exactly one. A text that holds it already only takes the slower road."""

_uneven = re.compile(rb"[\x80\xad]").finditer
_PLAIN_LATIN = bytes.maketrans("\u00a0\u00aa\u00b2\u00b3\u00b4\u00b9\u00ba\u00ab\u00bb".encode("latin-1"), b' a23\'1o""')


class Origins:
    """For each byte of a folded text, the index of the character of the text that it came from."""

    __slots__ = ("_bytes", "_characters")

    def __init__(self) -> None:
        self._bytes: list[int] = []
        self._characters: list[int] = []

    def note(self, byte: int, character: int) -> None:
        """Says that bytes from `byte` on stand for characters from `character` on, one each."""
        self._bytes.append(byte)
        self._characters.append(character)

    def __getitem__(self, byte: int) -> int:
        """The index of the character behind a byte."""
        index = bisect_right(self._bytes, byte) - 1
        return byte if index < 0 else self._characters[index] + byte - self._bytes[index]


def normalise(text: str) -> tuple[bytes, Origins | None]:
    """The folded text, and where its bytes came from; None where each byte has its character's own index."""
    if text.isascii():
        return text.encode("ascii"), None
    data = _DISGUISES.sub(_evenly, text).encode("latin-1", "replace") if _is_foreign(text) else _mostly_latin(text)
    data = data.translate(_PLAIN_LATIN)
    if b"\x80" in data or b"\xad" in data:
        return _unevenly(text, data)
    return data, None


def _is_foreign(text: str) -> bool:
    # A call for every run of characters outside Latin-1 costs more than a search over the text once there are many.
    return len(text.encode("utf-8", "surrogatepass")) - len(text) > len(text) >> 4


def _mostly_latin(text: str) -> bytes:
    try:
        return text.encode("latin-1", "triskel.fold")
    except LookupError:
        codecs.register_error("triskel.fold", _fold_run)
        return text.encode("latin-1", "triskel.fold")


def _fold_run(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    run = error.object[error.start : error.end]
    return "".join([folded if len(folded := _FOLDS[c]) == 1 else _UNEVEN for c in run]).encode("latin-1"), error.end


def _evenly(found: re.Match[str]) -> str:
    folded = _FOLDS[found[0]]
    return folded if len(folded) == 1 else _UNEVEN


def _unevenly(text: str, data: bytes) -> tuple[bytes, Origins | None]:
    """Puts what really stands there in the place of the marks in `data`, which has a byte for each character so far."""
    pieces: list[bytes] = []
    origins = Origins()
    position = length = 0
    for found in _uneven(data):
        at = found.start()
        folded = _FOLDS[text[at]].encode("latin-1", "replace")
        pieces += (data[position:at], folded)
        length += at - position
        for extra in range(len(folded)):
            origins.note(length + extra, at)
        length += len(folded)
        position = at + 1
        origins.note(length, position)
    pieces.append(data[position:])
    return b"".join(pieces), origins

"""How many tokens a text has, roughly, from its length alone. Its one rule: no tokenizer, because every model has another.

Tokenizers of today's models work on the bytes of UTF-8 (byte-pair encoding), and no token is shorter than a byte: the
number of bytes is a true bound. English has about 4 characters a token (https://help.openai.com/en/articles/4936856),
Chinese about 1, emoji less. Both functions use only the number of characters c and of bytes b, so that a text costs no
scan: b - c is 0 for ASCII, 1 for each Cyrillic or accented letter, 2 for each Chinese one, 3 for each emoji.
"""

from collections.abc import Iterable

from triskel.model.call import Part
from triskel.model.units import Tokens

TOKENS_A_PART = 4
"""What surrounds a text: its role or key, and delimiters (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken)."""

TOKENS_A_PART_AT_MOST = 8


def estimated_tokens(parts: Iterable[Part]) -> Tokens:
    """The tokens to expect: c / 4 + 3/8 (b - c) for each part, and what surrounds it.

    English 1/4 token a letter, Cyrillic 5/8, Chinese 1, emoji 1 3/8.
    """
    units, count = _units(parts)
    return Tokens(-(-units // 8) + TOKENS_A_PART * count)


def upper_bound_tokens(parts: Iterable[Part]) -> Tokens:
    """What to reserve for: c / 2 + 3/4 (b - c) for each part, and what surrounds it.

    Twice the estimate. It is never less than half the number of bytes, so no text has more than twice as many tokens
    under any byte-level tokenizer, and only texts of which every byte is a token (random characters) come near that.
    """
    units, count = _units(parts)
    return Tokens(-(-units // 4) + TOKENS_A_PART_AT_MOST * count)


def _units(parts: Iterable[Part]) -> tuple[int, int]:
    """The sum of 2 c + 3 (b - c), which is eight times the estimate, and the number of parts."""
    units = count = 0
    for part in parts:
        text = part.text
        length = len(text)
        units += 2 * length
        if not text.isascii():
            # JSON can smuggle lone surrogates into a string; they count like any other character.
            units += 3 * (len(text.encode("utf-8", "surrogatepass")) - length)
        count += 1
    return units, count

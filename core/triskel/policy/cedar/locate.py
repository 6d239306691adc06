"""Where in a policy an error of the reference implementation is, which names none of its places.

One rule: a place is found by asking again about less of the text, never by guessing what the error meant. Where the text
does not tell, the place is the beginning of the policy.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from triskel.policy.cedar.source_text import Token

_QUOTED = re.compile(r"`([^`]+)`|: (\S+)$")
"""What a message is about: in backticks, or its last word."""

_TOO_EARLY = "unexpected end of input"
"""The reference implementation's words for a text that could go on."""


def parse_error_offset(text: str, statement: Sequence[Token], message: str, error_of: Callable[[str], str]) -> int:
    """Where a text stops being Cedar. `error_of(source)` is the message about a shorter text, or empty."""
    start = statement[0].start

    def refused(count: int) -> bool:
        error = error_of(text[start : _end(statement[count - 1])])
        return bool(error) and not error.startswith(_TOO_EARLY)

    # An LR parser refuses a text as soon as no continuation could save it, so that the prefixes are sorted.
    at = bisect_left(range(1, len(statement) + 1), True, key=refused)
    if at == len(statement):
        return _end(statement[-1])
    if at < len(statement) - 1:
        return statement[at].start
    # What is refused only when it is complete is a matter of meaning.
    return meaning_error_offset(text, statement, message, lambda source: error_of(source) == message)


def quoted_offset(tokens: Sequence[Token], message: str) -> int:
    """Where the first word is that the message quotes, or the beginning."""
    for quoted in (match[1] or match[2] for match in _QUOTED.finditer(message)):
        last = quoted.rpartition("::")[2].rpartition(".")[2]
        for token in tokens:
            if token.text in (quoted, quoted.lstrip("@"), f'"{quoted}"', last):
                return token.start
    return tokens[0].start


def meaning_error_offset(text: str, statement: Sequence[Token], message: str, fails: Callable[[str], bool]) -> int:
    """Where a complete policy is wrong: in the head, or in the first condition without which it would not be.

    `fails(source)` says whether a shorter policy gives the same message.
    """
    start, parts = statement[0].start, _parts(statement)
    head = statement if not parts else statement[: parts[0][0]]
    if parts and not fails(f"{text[start : _end(head[-1])]};"):
        for first, last in parts:
            if fails(f"{text[start : _end(statement[last])]} }};"):
                return quoted_offset(statement[first : last + 1], message)
    return quoted_offset(head, message)


def _parts(statement: Sequence[Token]) -> list[tuple[int, int]]:
    """First and last token of each condition: of `when { a && b }`, `a` and `b`."""
    found: list[tuple[int, int]] = []
    depth = 0
    for i, token in enumerate(statement):
        if depth == 0 and token.text in ("when", "unless") and statement[i + 1].text == "{":
            closing = _closing(statement, i + 1)
            found += _split(statement, i + 2, closing, "&&" if token.text == "when" else "||")
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
    return found


def _closing(statement: Sequence[Token], opening: int) -> int:
    depth = 0
    for i in range(opening, len(statement)):
        depth += (statement[i].text in ("(", "[", "{")) - (statement[i].text in (")", "]", "}"))
        if depth == 0:
            return i
    return len(statement) - 1


def _split(statement: Sequence[Token], first: int, end: int, operator: str) -> list[tuple[int, int]]:
    """The operands of the outermost chain; the whole where another operator binds more loosely."""
    depth, cuts = 0, []
    for i in range(first, end):
        word = statement[i].text
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        if depth == 0 and word == operator:
            cuts.append(i)
        elif depth == 0 and (word == "if" or (word == "||" and operator == "&&")):
            return [(first, end - 1)]
    return [(a, b - 1) for a, b in zip([first, *(cut + 1 for cut in cuts)], [*cuts, end], strict=True)]


def _end(token: Token) -> int:
    return token.start + len(token.text)

"""Cedar source as tokens with positions, which the reference implementation does not give for its errors.

One rule: this reads just enough to say where; what is Cedar and what is not, it never decides.
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r'\s+|//[^\n]*|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<word>[A-Za-z_0-9]+)|(?P<mark>::|&&|\|\||[=!<>]=|.)', re.DOTALL
)


class Token(NamedTuple):
    """A piece of source, and where it begins (characters from the start)."""

    text: str
    start: int


class Place(NamedTuple):
    """Something wrong, and where. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


def tokens(text: str) -> list[Token]:
    """The tokens, without white space and comments."""
    return [Token(match[0], match.start()) for match in _TOKEN.finditer(text) if match.lastgroup is not None]


def statements(text: str) -> list[list[Token]]:
    """The tokens of each policy, its `;` included; the last one without, where the text ends too early."""
    found: list[list[Token]] = []
    current: list[Token] = []
    for token in tokens(text):
        current.append(token)
        if token.text == ";":
            found.append(current)
            current = []
    return [*found, current] if current else found


def nesting(statement: list[Token]) -> int:
    """The most brackets that are open at once."""
    depth = deepest = 0
    for token in statement:
        if token.text in ("(", "[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token.text in (")", "]", "}"):
            depth -= 1
    return deepest


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The position of a character, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)

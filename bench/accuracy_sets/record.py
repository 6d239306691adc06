"""One labelled text. One rule: a label is 1, 0, or the list of spans that should be found."""

from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A value in a text: where it stands in characters, and the type that a finding of it must have."""

    start: int
    end: int
    entity: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and what is true of it. `entities`, where given, are what a text labelled 1 or 0 was about."""

    text: str
    label: int | tuple[Span, ...]
    entities: tuple[str, ...] = ()


class Draft:
    """A text that is written piece by piece, with the spans of the values in it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._spans: list[Span] = []
        self._length = 0

    def add(self, text: str, entity: str = "") -> "Draft":
        """Goes on with `text`, which is a value where `entity` names its type."""
        if entity:
            self._spans.append(Span(self._length, self._length + len(text), entity))
        self._pieces.append(text)
        self._length += len(text)
        return self

    def labelled(self) -> Labelled:
        """The whole."""
        return Labelled("".join(self._pieces), tuple(self._spans))

"""The scanner of texts.

One rule: a text is one step of the fold that also reads streams, so the two cannot differ.
"""

from collections.abc import Callable
from typing import Any

from triskel.model.call import Surface
from triskel.policy.scan.folds import PhraseFold, ValueFold
from triskel.policy.scan.gates import HitLimitReached, re2_options
from triskel.policy.scan.normal import Origins, normalise
from triskel.policy.scan.pack import LoadedPack
from triskel.policy.scan.report import HIT_LIMIT, NOTHING_FOUND, TEXT_LIMIT, Scan, findings_of, merged, note_risks, risk_of
from triskel.policy.scan.rules import Book
from triskel.policy.scan.stream import StreamScan

MAX_TEXT_CHARS = 4 * 1024 * 1024
"""A longer text is not scanned but refused: four times what the longest context windows hold in English."""


class Scanner:
    """Finds what a pack's detectors describe. Safe to share; one per loaded pack."""

    __slots__ = ("_books", "_gate", "_names", "pack")

    def __init__(self, loaded: LoadedPack, *, compile_: Callable[[bytes], Any] | None = None) -> None:
        self.pack = loaded.pack
        self._gate = loaded.gate
        self._names = loaded.names
        compiled = _compile_re2 if compile_ is None else compile_
        self._books = {surface: Book(loaded.pack, surface, compiled) for surface in Surface}

    def scan(self, text: str, surface: Surface) -> Scan:
        """What stands in a text. Never raises for any text: see `Scan.incomplete`."""
        if len(text) > MAX_TEXT_CHARS:
            return Scan(incomplete=TEXT_LIMIT)
        data, origins = normalise(text)
        try:
            hits = self._gate.hits(data)
            if not hits:
                return NOTHING_FOUND
            hits.sort()
            return self._report(data, origins, hits, self._books[surface])
        except HitLimitReached:
            return Scan(incomplete=HIT_LIMIT)

    def _report(self, data: bytes, origins: Origins | None, hits: list[int], book: Book) -> Scan:
        matches = ValueFold(book, self._gate, self._names).advance(data, final=True, hits=hits)
        risk = 0
        if book.phrases:
            phrases = PhraseFold(book, self._gate, self._names).advance(data, final=True, hits=hits)
            if phrases:
                risks: dict[str, int] = {}
                note_risks(risks, phrases)
                risk = risk_of(risks)
                matches = merged(matches, phrases)
        if not matches and not risk:
            return NOTHING_FOUND
        return Scan(findings_of(matches, origins), risk)

    def stream(self, surface: Surface) -> StreamScan:
        """A scan of a text that arrives in pieces."""
        return StreamScan(self._books[surface], self._gate, self._names, MAX_TEXT_CHARS)


def _compile_re2(regex: bytes) -> Any:
    import re2  # noqa: PLC0415  a native library; a process that never finds anything does not load it

    return re2.compile(regex, re2_options())

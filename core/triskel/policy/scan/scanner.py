"""The scanner of texts.

One rule: a text is one step of the fold that also reads streams, so the two cannot differ.
"""

from typing import Any

from triskel.model.call import Surface
from triskel.policy.scan.folds import PhraseFold, Reader, ValueFold
from triskel.policy.scan.gates import ARGUMENTS, NAMES, PHRASES, VALUES, HitLimitReached, re2_options
from triskel.policy.scan.normal import normalise
from triskel.policy.scan.pack import LoadedPack
from triskel.policy.scan.report import HIT_LIMIT, NOTHING_FOUND, TEXT_LIMIT, Scan, findings_of, merged, note_risks, risk_of
from triskel.policy.scan.rules import Book, Compile, Find, Spans
from triskel.policy.scan.stream import StreamScan

MAX_TEXT_CHARS = 4 * 1024 * 1024
"""A longer text is not scanned but refused: four times what the longest context windows hold in English."""


class Scanner:
    """Finds what a pack's detectors describe. Safe to share; one per loaded pack.

    The first scan on a surface makes the rules of that surface; `warm` does it before.
    """

    __slots__ = ("_compile", "_engines", "_readers", "pack")

    def __init__(self, loaded: LoadedPack, *, compile_: Compile | None = None) -> None:
        self.pack = loaded.pack
        self._engines = loaded.engines
        self._compile = _compile_re2 if compile_ is None else compile_
        self._readers: dict[Surface, Reader] = {}

    def warm(self, *surfaces: Surface) -> None:
        """Makes ready what scans on these surfaces need."""
        for surface in surfaces:
            self._reader(surface)

    def scan(self, text: str, surface: Surface) -> Scan:
        """What stands in a text. Never raises for any text: see `Scan.incomplete`."""
        if len(text) > MAX_TEXT_CHARS:
            return Scan(incomplete=TEXT_LIMIT)
        reader = self._readers.get(surface) or self._reader(surface)
        data, origins = normalise(text)
        try:
            hits = reader.values.hits(data)
            phrases = PhraseFold(reader).advance(data, final=True) if reader.phrased else []
            if not hits and not phrases:
                return NOTHING_FOUND
            hits.sort()
            matches = ValueFold(reader).advance(data, final=True, hits=hits) if hits else []
        except HitLimitReached:
            return Scan(incomplete=HIT_LIMIT)
        risk = 0
        if phrases:
            risks: dict[str, int] = {}
            note_risks(risks, phrases)
            risk = risk_of(risks)
            matches = merged(matches, phrases)
        return Scan(findings_of(matches, origins), risk) if matches or risk else NOTHING_FOUND

    def stream(self, surface: Surface) -> StreamScan:
        """A scan of a text that arrives in pieces."""
        return StreamScan(self._readers.get(surface) or self._reader(surface), MAX_TEXT_CHARS)

    def _reader(self, surface: Surface) -> Reader:
        reader = self._readers.get(surface)
        if reader is None:
            book = Book(self.pack, surface, self._compile)
            phrased = ((PHRASES, book.phrases), (ARGUMENTS, book.arguments))
            shelves = tuple((self._engines(engine), rules) for engine, rules in phrased if rules)
            reader = self._readers[surface] = Reader(book, self._engines(VALUES), self._engines(NAMES), shelves)
        return reader


def _compile_re2(regex: bytes) -> Find:
    import re2  # noqa: PLC0415  a native library; a process that never finds anything does not load it

    compiled = re2.compile(regex, re2_options())
    groups = range(compiled.groups + 1)
    # What the wrapper's `search` itself calls; it would make a generator, a match and a list around it for each try.
    inner: Any = getattr(getattr(compiled, "_regexp", None), "Match", None)
    unanchored: Any = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)

    def find(window: bytes, position: int) -> Spans | None:
        found = compiled.search(window, position)
        return None if found is None else [found.span(group) for group in groups]

    def find_inside(window: bytes, position: int) -> Spans | None:
        spans: Spans = inner(unanchored, window, position, len(window))
        return spans if spans[0][0] >= 0 else None

    return find if inner is None or unanchored is None else find_inside

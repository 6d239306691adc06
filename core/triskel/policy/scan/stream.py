"""A scan of a text that arrives in pieces.

One rule: nothing is let go while a finding may still begin or go on in it. What is held is counted in `held`.
"""

from triskel.policy.scan.folds import PhraseFold, Reader, ValueFold
from triskel.policy.scan.gates import GATE_BITS, HitLimitReached
from triskel.policy.scan.normal import normalise
from triskel.policy.scan.report import HIT_LIMIT, TEXT_LIMIT, Released, findings_of, merged, note_risks, risk_of
from triskel.policy.scan.rules import Match
from triskel.policy.scan.segments import KEY_CHARS, LOOK_BACK_CHARS, SOFT_CAP_CHARS, last_cut_so_far

NOTHING_YET = Released("")
_made = tuple.__new__
_TRIM_CHARS = 2 * LOOK_BACK_CHARS


class StreamScan:
    """Feed it pieces, pass on what it releases, and close it."""

    __slots__ = (
        "_base", "_data", "_gate", "_incomplete", "_limit", "_offset", "_origins", "_phrases", "_phrases_found", "_plain",
        "_risks", "_text", "_values", "_values_found",
    )  # fmt: skip

    def __init__(self, reader: Reader, limit: int) -> None:
        self._gate = reader.values
        self._limit = limit
        self._values = ValueFold(reader)
        self._phrases = PhraseFold(reader) if reader.phrased else None
        self._plain = self._phrases is None
        self._values_found: list[Match] = []
        self._phrases_found: list[Match] = []
        self._risks: dict[str, int] = {}
        self._data = b""
        """Look-back, then what is held, both folded."""
        self._base = 0
        """Where in `_data` the held part begins."""
        self._text = ""
        """What is held, as it came."""
        self._origins: list[int] | None = None
        """For each held byte the index of its character in `_text`; None where they are the same."""
        self._offset = 0
        self._incomplete = ""

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._text)

    @property
    def injection_risk(self) -> int:
        """The risk so far, in permille."""
        return risk_of(self._risks)

    def feed(self, text: str) -> Released:
        """The next piece that may be let go; often a few characters less than what was fed, sometimes empty."""
        if self._plain and not self._values_found and self._origins is None and text.isascii():
            return self._feed_plain(text)
        return self._feed(text)

    def close(self) -> Released:
        """All that was held."""
        if self._incomplete:
            return self._stopped(self._incomplete)
        try:
            return self._advance(final=True)
        except HitLimitReached:
            return self._stopped(HIT_LIMIT)

    def _feed_plain(self, text: str) -> Released:
        """The road of most pieces: ASCII in, values only, nothing found. It is flat because it is walked so often."""
        data = self._data = self._data + text.encode("ascii")
        self._text += text
        values = self._values
        position = values.position
        found = last_cut_so_far(data, position)
        if found is None:
            if len(data) - position <= SOFT_CAP_CHARS and values.plain:
                return NOTHING_YET
            return self._feed("")
        cut = found.end()
        if cut > position and values.plain and data[position - 5 : position] != b"-----":
            low = position - KEY_CHARS - 1 if position > KEY_CHARS else 0
            try:
                hits = self._gate.hits(data[low:cut])
            except HitLimitReached:
                return self._stopped(HIT_LIMIT)
            if not hits or max(hits) >> GATE_BITS <= position - low:
                if cut > 2 * _TRIM_CHARS:
                    return self._feed("")  # the longer road also trims and counts
                values.position = cut
                count, offset = cut - self._base, self._offset
                held = self._text
                self._text = held[count:]
                self._offset = offset + count
                self._base = cut
                return _made(Released, (held[:count], (), offset, ""))
        return self._feed("")

    def _feed(self, text: str) -> Released:
        if self._incomplete or self._offset + len(self._text) + len(text) > self._limit:
            return self._stopped(self._incomplete or TEXT_LIMIT)
        self._take(text)
        try:
            return self._advance(final=False)
        except HitLimitReached:
            return self._stopped(HIT_LIMIT)

    def _take(self, text: str) -> None:
        data, origins = normalise(text)
        if origins is not None or self._origins is not None:
            if self._origins is None:
                self._origins = list(range(len(self._text)))
            shift = len(self._text)
            came_from = range(len(data)) if origins is None else [origins[at] for at in range(len(data))]
            self._origins.extend(at + shift for at in came_from)
        self._data += data
        self._text += text

    def _advance(self, *, final: bool) -> Released:
        self._values_found += self._values.advance(self._data, final=final)
        frontier = self._values.position
        if self._phrases is not None:
            self._phrases_found += self._phrases.advance(self._data, final=final)
            frontier = min(frontier, self._phrases.position)
        frontier = self._clear_of_findings(frontier)
        if frontier <= self._base and not final:
            return NOTHING_YET
        values = [match for match in self._values_found if match.end <= frontier]
        phrases = [match for match in self._phrases_found if match.end <= frontier]
        self._values_found = [match for match in self._values_found if match.end > frontier]
        self._phrases_found = [match for match in self._phrases_found if match.end > frontier]
        note_risks(self._risks, phrases)
        findings = findings_of(merged(values, phrases), self._origins, self._base)
        return self._let_go(frontier, final=final)._replace(findings=findings)

    def _clear_of_findings(self, frontier: int) -> int:
        """The last place not behind `frontier` that stands in no finding and in no character."""
        moved = True
        while moved:
            moved = False
            for match in (*self._values_found, *self._phrases_found):
                if match.start < frontier < match.end:
                    frontier, moved = match.start, True
            at = frontier - self._base
            if self._origins is not None and 0 < at < len(self._origins) and self._origins[at] == self._origins[at - 1]:
                frontier, moved = frontier - 1, True
        return frontier

    def _let_go(self, frontier: int, *, final: bool = False) -> Released:
        count = frontier - self._base
        if self._origins is not None:
            characters = self._origins[count - 1] + 1 if count else 0
            rest = [at - characters for at in self._origins[count:]]
            characters = len(self._text) if final else characters
            self._origins = rest if rest != list(range(len(self._text) - characters)) else None
        else:
            characters = count
        text, offset = self._text[:characters], self._offset
        self._text = self._text[characters:]
        self._offset += characters
        self._base = frontier
        if frontier > 2 * _TRIM_CHARS:
            self._trim(frontier - _TRIM_CHARS)
        return Released(text, (), offset)

    def _trim(self, by: int) -> None:
        self._data = self._data[by:]
        self._base -= by
        self._values.moved(by)
        if self._phrases is not None:
            self._phrases.position -= by
        self._values_found = [match._replace(start=match.start - by, end=match.end - by) for match in self._values_found]
        self._phrases_found = [match._replace(start=match.start - by, end=match.end - by) for match in self._phrases_found]

    def _stopped(self, reason: str) -> Released:
        self._incomplete, self._plain = reason, False
        self._data, self._text, self._origins, self._base = b"", "", None, 0
        return Released("", (), self._offset, reason)

"""The scan as two folds over a growing text: one for values, one for phrases.

One rule: what a fold does at a position depends on the text before it and never on how the text arrived. A whole text is
the same fold with a single step.
"""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from triskel.policy.scan.gates import GATE_BITS, GATE_MASK, Gate, gates_in
from triskel.policy.scan.rules import Book, Match, Rule, matches_of, settle
from triskel.policy.scan.segments import (
    BLOCK_CAP_CHARS,
    BLOCK_HEAD_CHARS,
    KEY_CHARS,
    LOOK_BACK_CHARS,
    SOFT_CAP_CHARS,
    block_end,
    cut_after,
    cut_before,
    is_block,
    last_cut_so_far,
    opens_block,
    phrase_end,
    soft_place,
)

WHOLE_PARAGRAPHS = 32
"""Only the first paragraphs of a text are judged as a whole: what is longer is no value of a field."""


def hits_behind(gate: Gate, data: bytes, start: int, end: int) -> list[int]:
    """The sorted hits of values that end behind `start` and not behind `end`, with the look-back for keys in sight."""
    low = max(0, start - KEY_CHARS - 1)
    hits = gate.hits(data[low:end] if low or end < len(data) else data)
    if not hits:
        return hits
    first, shift = (start - low + 1) << GATE_BITS, low << GATE_BITS
    return sorted([hit + shift for hit in hits if hit >= first])


class Reader(NamedTuple):
    """What a surface is read with: its rules, the engines over values and context words, and those over phrases with rules."""

    book: Book
    values: Gate
    names: Gate
    shelves: tuple[tuple[Gate, dict[int, tuple[Rule, ...]]], ...]

    @property
    def phrased(self) -> bool:
        """Whether the surface is searched for phrases at all."""
        return bool(self.shelves or self.book.whole)


class ValueFold:
    """Finds values, segment by segment. Everything before `position` is decided."""

    __slots__ = ("_block_refused_at", "_book", "_gate", "_names", "_open", "in_block", "position")

    def __init__(self, reader: Reader) -> None:
        self._book = reader.book
        self._gate = reader.values
        self._names = reader.names
        self._open: Rule | None = None
        self._block_refused_at = -1
        self.in_block = False
        self.position = 0

    def moved(self, by: int) -> None:
        """Says that so many bytes were dropped from the front of the data."""
        self.position -= by
        self._block_refused_at -= by

    @property
    def plain(self) -> bool:
        """Whether neither a block nor an open value reaches into what comes next."""
        return not self.in_block and self._open is None

    def advance(self, data: bytes, *, final: bool, hits: list[int] | None = None) -> list[Match]:
        """What is found by moving on as far as `data` allows. `hits` are those of the whole data, sorted, if known."""
        out: list[Match] = []
        cut, index = self.position, 0
        while True:
            position = self.position
            if self.in_block or self._at_block(data, position):
                if not self._take_block(data, out, final=final):
                    return out
            elif position < cut:
                index = self._take_region(data, cut, hits or [], index, out)
            else:
                reach = self._reach(data, position, final=final)
                if reach > position:
                    cut, index = reach, 0
                    if hits is None or not final:
                        hits = hits_behind(self._gate, data, position, cut)
                elif not final and len(data) - position > SOFT_CAP_CHARS:
                    self.position = cut = self._take_soft(data, position, out)
                else:
                    return out

    @staticmethod
    def _reach(data: bytes, position: int, *, final: bool) -> int:
        if final:
            return len(data)
        found = last_cut_so_far(data, position)
        return position if found is None else found.end()

    def _at_block(self, data: bytes, position: int) -> bool:
        if self._book.block is None or position == self._block_refused_at or not opens_block(data, position):
            return False
        return position > 0

    def _take_block(self, data: bytes, out: list[Match], *, final: bool) -> bool:
        """Suppresses a key up to its closing marker, the cap or the end of the text. False: more text is needed."""
        start, end = self.position, block_end(data, self.position)
        known = len(data) - start
        if not self.in_block and not is_block(data, start):
            if end < 0 and known < BLOCK_HEAD_CHARS and not final:
                return False
            self._block_refused_at = start
            return True
        if end >= 0:
            self.in_block = False
        elif known >= BLOCK_CAP_CHARS + 8:
            end, self.in_block = start + BLOCK_CAP_CHARS, True
        elif final:
            end, self.in_block = len(data), False
        else:
            return False
        rule = self._book.block
        if rule is not None and end > start:
            out.append(Match(-rule.confidence, start, end, rule.confidence, rule))
        self.position = end
        return True

    def _take_region(self, data: bytes, cut: int, hits: list[int], index: int, out: list[Match]) -> int:
        """Goes from hit to hit up to `cut`, or to the marker of a block. Returns the index of the next hit."""
        book, floor = self._book, self.position
        if self._open is not None:
            floor = min(cut, cut_after(data, floor))
            self._take_run(data, self.position, floor, out)
        start = end = floor
        wanted: dict[Rule, None] = {}
        while index < len(hits):
            hit = hits[index]
            at, gate = hit >> GATE_BITS, hit & GATE_MASK
            if at > cut:
                break
            index += 1
            if gate in book.openings:
                if at >= floor:
                    self._take_segment(data, start, end, wanted, out)
                    self.position = at
                    return index
                continue
            rules = book.values.get(gate)
            if rules is None or at <= floor:
                continue
            if at > end:
                self._take_segment(data, start, end, wanted, out)
                wanted = {}
                start, end = cut_before(data, at - 1, end), min(cut, cut_after(data, at - 1))
                if end - start > SOFT_CAP_CHARS:
                    stop = bisect_right(hits, (end + 1 << GATE_BITS) - 1, index)
                    self._take_run(data, start, end, out, hits[index - 1 : stop])
                    start = floor = end
                    continue
            wanted.update(dict.fromkeys(rules))
        self._take_segment(data, start, end, wanted, out)
        self.position = cut
        return index

    def _take_segment(self, data: bytes, start: int, end: int, wanted: dict[Rule, None], out: list[Match]) -> None:
        if wanted:
            out += settle(matches_of(wanted, data, start, end, self._names, more=False))

    def _take_run(self, data: bytes, start: int, end: int, out: list[Match], hits: list[int] | None = None) -> None:
        """A run without a cut, up to its true end. `hits` are those in it, sorted, if known."""
        while end - start > SOFT_CAP_CHARS:
            start = self._take_soft(data, start, out, hits)
        out.extend(settle(self._run_matches(data, start, end, hits, more=False)))
        self._open = None

    def _take_soft(self, data: bytes, start: int, out: list[Match], hits: list[int] | None = None) -> int:
        """Cuts a full run by force where no value stands. What goes on behind the window stays open."""
        limit = start + SOFT_CAP_CHARS
        matches = self._run_matches(data, start, limit, hits, more=True)
        place = soft_place(data, start)
        self._open = None
        for low, high in _clusters(matches):
            if low < place < high:
                place = low if low > start else high
        inside = [match for match in matches if match.end <= place]
        if place == limit:
            self._open = next((match.rule for match in settle(inside) if match.end == limit), None)
        out.extend(settle(inside))
        return place

    def _run_matches(self, data: bytes, start: int, end: int, hits: list[int] | None, *, more: bool) -> list[Match]:
        matches: list[Match] = []
        if self._open is not None:
            rule = self._open
            until = rule.tail(data, start, end) if rule.tail is not None else end
            if until > start:
                matches.append(Match(-rule.confidence, start, until, rule.confidence, rule))
        if hits is None:
            gates = gates_in(hits_behind(self._gate, data, start, end + 1 if more else end))
        else:
            first, last = (start + 1) << GATE_BITS, (end + 1 << GATE_BITS) - 1
            gates = gates_in(hits[bisect_left(hits, first) : bisect_right(hits, last)])
        wanted: dict[Rule, None] = {}
        for gate in sorted(gates):
            wanted.update(dict.fromkeys(self._book.values.get(gate, ())))
        return matches + matches_of(wanted, data, start, end, self._names, more=more)


def _clusters(matches: list[Match]) -> list[tuple[int, int]]:
    """The spans, merged where they overlap, from left to right."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((match.start, match.end) for match in matches):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class PhraseFold:
    """Finds phrases, paragraph by paragraph. A phrase belongs to the paragraph in which it ends."""

    __slots__ = ("_in_one_pass", "_shelves", "_whole", "_whole_left", "position")

    def __init__(self, reader: Reader) -> None:
        self._shelves = reader.shelves
        # An engine that reports one end of a match for each start may name one in the next paragraph.
        self._in_one_pass = all(gate.all_ends for gate, _ in reader.shelves)
        self._whole = reader.book.whole
        self._whole_left = WHOLE_PARAGRAPHS if self._whole else 0
        self.position = 0

    def advance(self, data: bytes, *, final: bool) -> list[Match]:
        """What is found by moving on as far as `data` allows."""
        limit = len(data) if final else self._reach(data)
        out: list[Match] = []
        while self.position < limit:
            start, end = self.position, limit
            if not self._in_one_pass:
                reach = phrase_end(data, start)
                end = limit if reach < 0 else min(reach, limit)
            self.position = end
            hits = self._hits(data, start, end)
            if hits or self._whole_left:
                out += self._phrases(data, start, end, hits)
        return out

    def _hits(self, data: bytes, start: int, end: int) -> list[tuple[int, tuple[Rule, ...]]]:
        low = max(0, start - LOOK_BACK_CHARS)
        window = data[low:end] if low or end < len(data) else data
        hits: list[tuple[int, tuple[Rule, ...]]] = []
        for gate, book in self._shelves:
            for hit in gate.hits(window):
                rules = book.get(hit & GATE_MASK)
                if rules is not None:
                    hits.append(((hit >> GATE_BITS) + low, rules))
        return hits

    def _reach(self, data: bytes) -> int:
        reach = self.position
        while (end := phrase_end(data, reach)) >= 0:
            reach = end
        return reach

    def _phrases(self, data: bytes, start: int, limit: int, hits: list[tuple[int, tuple[Rule, ...]]]) -> list[Match]:
        out: list[Match] = []
        index = 0
        hits.sort(key=_place)
        while index < len(hits) or (self._whole_left and start < limit):
            end = phrase_end(data, start)
            end = limit if end < 0 else min(end, limit)
            wanted: dict[Rule, None] = {}
            if self._whole_left and not data[start:end].isspace():
                self._whole_left -= 1
                wanted.update(dict.fromkeys(self._whole))
            while index < len(hits) and hits[index][0] <= end:
                if hits[index][0] > start:
                    wanted.update(dict.fromkeys(hits[index][1]))
                index += 1
            for rule in wanted:
                out += rule.matches(data, start, end, more=False)
            start = end
        return out


def _place(hit: tuple[int, tuple[Rule, ...]]) -> int:
    return hit[0]

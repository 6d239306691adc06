"""What a gate's hit leads to: the exact expression, the check of the value, the words around it.

One rule: whether there is a match, and where, depends on one segment and the look-back before it, and on nothing else.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from triskel.model.call import Surface
from triskel.model.finding import Category
from triskel.policy.scan.detector import Detector, LookAhead, Pack, Pattern
from triskel.policy.scan.gates import ARGUMENTS, NAMES, PHRASES, VALUES, Gate, engine_of, gates_in, numbers
from triskel.policy.scan.segments import KEY_CHARS, LOOK_BACK_CHARS
from triskel.policy.scan.validators import VALIDATORS

MAX_FAILURES = 6
"""After so many values of a segment that fail their check, a rule no longer looks inside those that fail."""

MAX_PHRASES = 32
"""How many phrases of one rule are told apart in a paragraph."""

WHOLE_CHARS = 512
"""A longer paragraph is not judged as a whole."""

Spans = Sequence[tuple[int, int]]
Find = Callable[[bytes, int], Spans | None]
"""Finds the first match at or behind a position: the span of all of it, then of its groups."""
Compile = Callable[[bytes], Find]


_made = tuple.__new__


class Match(NamedTuple):
    """A value in normalised bytes, before it is weighed against others. The order of the fields is the order of rank."""

    rank: int
    start: int
    end: int
    confidence: int
    rule: "Rule"


class Rule:
    """One pattern of a detector on one surface."""

    __slots__ = (
        "_compile", "_regex", "_word_groups", "_words", "back", "category", "confidence", "context_confidence", "find",
        "group", "id", "named_by", "phrased", "reads_back", "risk", "silent", "tail", "type", "validate", "validator",
        "whole", "within",
    )  # fmt: skip

    def __init__(self, detector: Detector, pattern: Pattern, scale: int, named_by: int, compile_: Compile) -> None:
        self.id = detector.id
        self.type = detector.type
        self.category = detector.category
        self.validator = detector.validator
        self.validate = VALIDATORS[detector.validator] if detector.validator else None
        self.confidence = detector.confidence * scale // 1000
        self.context_confidence = detector.context_confidence * scale // 1000
        self.within = detector.context_within
        self.risk = detector.risk * scale // 1000
        self.silent = detector.silent
        self.reads_back = pattern.reads_back
        self.phrased = detector.look_ahead is LookAhead.PHRASE
        self.back = (LOOK_BACK_CHARS if self.phrased else KEY_CHARS + 1) if pattern.reads_back else 1
        self.whole = pattern.whole
        self.group = pattern.group
        self.tail = _tail_of(detector.tail) if detector.tail else None
        self._regex = pattern.regex.encode("ascii")
        self._compile = compile_
        self.named_by = named_by
        self._words = frozenset(word.encode("latin-1") for word in detector.context if " " not in word)
        self._word_groups = tuple(f" {word} ".encode("latin-1") for word in detector.context if " " in word)
        self.find: Find = self._find_first

    def _find_first(self, window: bytes, position: int) -> Spans | None:
        # Compiled when first needed: a cold process must not pay for hundreds of expressions it may never use.
        self.find = self._compile(self._regex)
        return self.find(window, position)

    def matches(
        self, data: bytes, start: int, end: int, *, more: bool, words: dict[tuple[int, int], bytes] | None = None
    ) -> list[Match]:
        """The matches whose value lies in the segment. `more`: the segment is cut by force and the text goes on.

        `words` keeps the words before values, for all rules of a segment; it is None where no context word is near.
        """
        if self.whole:
            return self._whole_match(data, start, end)
        # One character more than may belong to a match: a word boundary must see what really stands before it.
        low = max(0, start - self.back)
        first_place = min(low, 1) if self.reads_back else start - low
        window = data[low : end + 1] if more else data[low:end]
        find, group, tail, validate = self.find, self.group, self.tail, self.validate
        matches: list[Match] = []
        patience = MAX_FAILURES
        found = find(window, first_place)
        while found is not None:
            first, last = found[group]
            first, last, onward = first + low, last + low, found[0][1]
            if last > start:
                first = first if first > start else start
                last = last if last < end else end
                if tail is not None:
                    last = tail(data, last, end)
                    onward = max(onward, last - low)
                if validate is None or validate(data[first:last]):
                    confidence = self.confidence if words is None else self._confidence(data, first, start, words)
                    if confidence:
                        matches.append(_made(Match, (-confidence, first, last, confidence, self)))
                        if self.phrased and len(matches) == MAX_PHRASES:
                            # Enough is known; what follows in this paragraph is taken for more of the same.
                            matches[-1] = matches[-1]._replace(end=end)
                            return matches
                else:
                    # What failed may hide what would pass, a little further on.
                    patience -= 1
                    onward = found[0][0] + 1 if patience > 0 else onward
            found = find(window, onward) if onward < len(window) else None
        return matches

    def _whole_match(self, data: bytes, start: int, end: int) -> list[Match]:
        if end - start > WHOLE_CHARS or self.validate is None or not self.validate(data[start:end]):
            return []
        return [Match(-self.confidence, start, end, self.confidence, self)]

    def _confidence(self, data: bytes, first: int, segment_start: int, words: dict[tuple[int, int], bytes]) -> int:
        low = max(0, first - self.within, segment_start - LOOK_BACK_CHARS)
        near = words.get((low, first))
        if near is None:
            near = words[low, first] = words_of(data, low, first)
        return self.context_confidence if self._is_named_in(near) else self.confidence

    def _is_named_in(self, words: bytes) -> bool:
        if not self._words.isdisjoint(words.split()):
            return True
        return any(group in words for group in self._word_groups)


def _tail_of(characters: str) -> Callable[[bytes, int, int], int]:
    """Where a run of these characters ends that begins at a position and must not pass another."""
    search = re.compile(f"[^{characters}]".encode("ascii")).search

    def tail(data: bytes, position: int, end: int) -> int:
        found = search(data, position, end)
        return end if found is None else found.start()

    return tail


_letters = re.compile(rb"[A-Z]?[a-z\x80-\xff]+|[A-Z]+").findall


def words_of(data: bytes, low: int, end: int) -> bytes:
    """The words of a stretch of text in lower case, one space around each. A word that begins before it is left out."""
    words = _letters(data[low:end])
    if low and words and data[low - 1 : low].isalpha() and data[low : low + 1].isalpha():
        del words[0]
    return b" " + b" ".join(words).lower() + b" "


def matches_of(rules: Iterable[Rule], data: bytes, start: int, end: int, names: Gate, *, more: bool) -> list[Match]:
    """The matches of several rules for values in one segment, not weighed yet. `names` are the gates of context words."""
    present: set[int] | None = None
    words: dict[tuple[int, int], bytes] = {}
    matches: list[Match] = []
    for rule in rules:
        named = rule.named_by >= 0
        if named:
            if present is None:
                present = gates_in(names.hits(data[max(0, start - LOOK_BACK_CHARS) : end]))
            named = rule.named_by in present
            if not named and not rule.confidence:
                continue
        matches += rule.matches(data, start, end, more=more, words=words if named else None)
    return matches


class Book:
    """A pack's rules as one surface reads them, by engine and gate. `openings` are the gates of block detectors."""

    __slots__ = ("arguments", "block", "openings", "phrases", "values", "whole")

    def __init__(self, pack: Pack, surface: Surface, compile_: Compile) -> None:
        self.values: dict[int, tuple[Rule, ...]] = {}
        self.phrases: dict[int, tuple[Rule, ...]] = {}
        self.arguments: dict[int, tuple[Rule, ...]] = {}
        self.whole: tuple[Rule, ...] = ()
        """Rules that judge every short paragraph as a whole, whatever stands in it."""
        self.openings: frozenset[int] = frozenset()
        self.block: Rule | None = None
        books = {VALUES: self.values, PHRASES: self.phrases, ARGUMENTS: self.arguments}
        gates = {engine: numbers(pack, engine) for engine in (*books, NAMES)}
        for detector in pack.detectors:
            scale = detector.surfaces.get(surface, 0)
            if not scale:
                continue
            engine = engine_of(detector)
            book, named_by = books[engine], gates[NAMES].get(detector.context_gate, -1)
            for pattern in detector.patterns:
                if pattern.whole:
                    self.whole += (Rule(detector, pattern, scale, -1, compile_),)
                    continue
                gate = gates[engine][pattern.gate]
                rule = Rule(detector, pattern, scale, named_by, compile_)
                if detector.look_ahead is LookAhead.BLOCK:
                    self.openings |= {gate}
                    self.block = rule
                else:
                    book[gate] = (*book.get(gate, ()), rule)


def settle(matches: list[Match]) -> list[Match]:
    """The matches that stand, in order and without overlap: the surest first, then the longest, then the first.

    What a surer match leaves uncovered of a secret stays a finding, so that no part of it passes.
    """
    if len(matches) < 2:
        return matches
    end = 0
    for match in matches:
        if match.start < end:
            break
        end = match.end
    else:
        return matches
    best = min(matches, key=_by_rank)
    if all(best.start <= match.start and match.end <= best.end for match in matches):
        return [best]
    kept = Kept()
    for match in sorted(matches, key=_by_rank):
        pieces = kept.uncovered(match.start, match.end)
        if pieces == [(match.start, match.end)]:
            kept.add(match)
        elif match.rule.category is Category.SECRET:
            for start, end in pieces:
                kept.add(match._replace(start=start, end=end))
    return kept.matches


def _by_rank(match: Match) -> tuple[int, int, int, str]:
    return match.rank, match.start - match.end, match.start, match.rule.id


class Kept:
    """Matches that do not overlap, in order."""

    __slots__ = ("_starts", "matches")

    def __init__(self, matches: Iterable[Match] = ()) -> None:
        self.matches = list(matches)
        self._starts = [match.start for match in self.matches]

    def add(self, match: Match) -> None:
        """Takes in a match that overlaps none of the others."""
        place = bisect_left(self._starts, match.start)
        self._starts.insert(place, match.start)
        self.matches.insert(place, match)

    def uncovered(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of a span that none of the matches covers."""
        pieces: list[tuple[int, int]] = []
        place = max(0, bisect_left(self._starts, start) - 1)
        while start < end and place < len(self.matches) and self._starts[place] < end:
            other = self.matches[place]
            if other.end > start:
                if other.start > start:
                    pieces.append((start, other.start))
                start = other.end
            place += 1
        if start < end:
            pieces.append((start, end))
        return pieces

r"""Words that every match of an expression must hold: the cheap gates of phrases.

One rule: what is returned is necessary for a match, never sufficient. (The idea is RE2's `FilteredRE2`.)
"""

import re._constants as codes
import re._parser as parser
from typing import Any, NamedTuple

MAX_WORDS = 48
MIN_CHARS = 3


class Words(NamedTuple):
    """One of `words` stands in every match; `bounded` where a word boundary comes before it."""

    words: frozenset[str]
    bounded: bool = False

    @property
    def worth(self) -> tuple[int, int]:
        """Long words are rare, and few are fewer than many."""
        return min(8, min(map(len, self.words))), -len(self.words)


def gates_from(regex: str, count: int = 2) -> list[str]:
    """Up to `count` gates, the best first; empty if the expression has no word that it needs."""
    tree = parser.parse(regex.encode("ascii"))
    found = sorted((words for words in _required(tree) if _useful(words)), key=lambda words: words.worth, reverse=True)
    gates: list[str] = []
    for words in found:
        gate = _spelled(words)
        if gate not in gates:
            gates.append(gate)
    return gates[:count]


def _spelled(words: Words) -> str:
    alternatives = "|".join(_escaped(word) for word in sorted(words.words))
    boundary = r"\b" if words.bounded and all(word[0].isalnum() or word[0] == "_" for word in words.words) else ""
    return f"(?i){boundary}(?:{alternatives})"


def _escaped(word: str) -> str:
    return "".join(c if c.isalnum() or c in " _" else f"\\x{ord(c):02x}" for c in word)


def _useful(words: Words) -> bool:
    return len(words.words) <= MAX_WORDS and min(map(len, words.words)) >= MIN_CHARS


def _required(tree: Any) -> list[Words]:
    """The sets of words of which each match of a concatenation has one."""
    sets: list[Words] = []
    run, bounded, edge = "", False, False
    for code, argument in tree:
        if code is codes.LITERAL and 0 < argument < 128:
            if not run:
                bounded = edge
            run += chr(argument).lower()
            edge = False
            continue
        if code is codes.AT:
            if run:
                sets.append(Words(frozenset({run}), bounded))
                run = ""
            edge = argument is codes.AT_BOUNDARY
            continue
        if run:
            sets.append(Words(frozenset({run}), bounded))
            run = ""
        sets += _inside(code, argument, edge=edge)
        edge = False
    if run:
        sets.append(Words(frozenset({run}), bounded))
    return sets


def _inside(code: Any, argument: Any, *, edge: bool) -> list[Words]:
    if code is codes.SUBPATTERN:
        return _with_edge(_required(argument[3]), argument[3], edge=edge)
    if code in {codes.MAX_REPEAT, codes.MIN_REPEAT}:
        return _with_edge(_required(argument[2]), argument[2], edge=edge) if argument[0] >= 1 else []
    if code is codes.BRANCH:
        return _of_branches(argument[1], edge=edge)
    return []


def _with_edge(sets: list[Words], tree: Any, *, edge: bool) -> list[Words]:
    """A boundary before a group stands before the words with which the group begins."""
    if not edge or not sets or len(tree) == 0 or tree[0][0] not in {codes.LITERAL, codes.BRANCH, codes.SUBPATTERN}:
        return sets
    return [sets[0]._replace(bounded=True), *sets[1:]]


def _of_branches(branches: Any, *, edge: bool) -> list[Words]:
    words: set[str] = set()
    bounded = edge
    for branch in branches:
        useful = [found for found in _required(branch) if min(map(len, found.words)) >= MIN_CHARS]
        if not useful:
            return []
        best = max(useful, key=lambda found: found.worth)
        words |= best.words
        bounded = (bounded and _begins_with(branch, best)) or (bounded is edge and best.bounded and not edge and False)
    return [Words(frozenset(words), bounded)]


def _begins_with(branch: Any, words: Words) -> bool:
    first = _required(branch[:1]) if len(branch) and branch[0][0] is not codes.LITERAL else []
    if first:
        return first[0].words == words.words
    head = ""
    for code, argument in branch:
        if code is not codes.LITERAL:
            break
        head += chr(argument).lower()
    return len(words.words) == 1 and next(iter(words.words)) == head

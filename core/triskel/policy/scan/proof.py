"""Proof that a Hyperscan database sees what RE2 sees, taken when the database is built.

One rule: a database that misses one hit of one gate is not written. Hyperscan's and Vectorscan's vector code has had
faults that lose matches in some patterns at some alignments (in 5.4.12 for example `;(?: |%20){0,6}drop` behind fifteen
bytes), so each gate is tried on texts made from it, at every alignment that such code knows.
"""

import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterator
from typing import Any

from triskel.policy.scan.detector import Pack
from triskel.policy.scan.gates import ENGINES, NAMES, Engines, Gate, Re2Gate, numbers

SAMPLES = 64
PADDINGS = (0, 3, 16, 17, 34, 66)
_FILLERS = (b"x", b" ", b".", b"7", b"\n")

Pick = Callable[[int], int]


def misses(pack: Pack, engines: Engines, samples: int = SAMPLES) -> list[str]:
    """One line for each gate of which the engines miss a hit that RE2 sees; empty for a good database."""
    faults: list[str] = []
    for engine in ENGINES:
        gate_of = engines(engine)
        for gate, number in numbers(pack, engine).items():
            text = _missed(gate_of, Re2Gate([gate], once=engine == NAMES), number, texts_for(gate, samples))
            if text is not None:
                faults.append(f"{engine}: gate `{gate}` is missed in {text!r}")
    return faults


def _missed(tried: Gate, judge: Gate, number: int, texts: Iterator[bytes]) -> bytes | None:
    for text in texts:
        expected = {hit | number for hit in judge.hits(text)}
        if expected and not expected <= set(tried.hits(text)):
            return text
    return None


def texts_for(gate: str, samples: int) -> Iterator[bytes]:
    """Texts in which the gate should hit, behind paddings of many lengths."""
    tree = parser.parse(gate.encode("ascii"))
    for sample in range(samples):
        word = _word(tree, _picker(sample))
        for index, padding in enumerate(PADDINGS):
            filler = _FILLERS[(sample + index) % len(_FILLERS)]
            yield filler * padding + b" " + word + b" " + filler * PADDINGS[-1 - index]


def _picker(seed: int) -> Pick:
    """Numbers below a bound that look unordered and are the same every time (a linear congruential generator)."""
    state = seed * 7919 + 1

    def pick(bound: int) -> int:
        nonlocal state
        state = (state * 1103515245 + 12345) % (1 << 31)
        return (state >> 8) % bound

    return pick


def _word(tree: Any, pick: Pick) -> bytes:
    return b"".join(_part(code, argument, pick) for code, argument in tree)


def _part(code: Any, argument: Any, pick: Pick) -> bytes:
    if code in {codes.LITERAL, codes.IN, codes.NOT_LITERAL, codes.ANY}:
        return bytes((_byte(code, argument, pick),))
    if code in {codes.MAX_REPEAT, codes.MIN_REPEAT}:
        least, most, sub = argument
        return b"".join(_word(sub, pick) for _ in range(min(int(most), least + pick(4))))
    if code is codes.SUBPATTERN:
        return _word(argument[3], pick)
    if code is codes.BRANCH:
        return _word(argument[1][pick(len(argument[1]))], pick)
    return b""


def _byte(code: Any, argument: Any, pick: Pick) -> int:
    if code is codes.LITERAL:
        return int(argument)
    if code is codes.IN:
        members = sorted(_members(argument))
        return members[pick(len(members))]
    return ord("q") if argument != ord("q") else ord("r")


def _members(items: Any) -> set[int]:
    digits, words = set(range(48, 58)), {*range(48, 58), *range(65, 91), 95, *range(97, 123)}
    printable = set(range(32, 127))
    found: set[int] = set()
    for kind, item in items:
        if kind is codes.LITERAL:
            found.add(item)
        elif kind is codes.RANGE:
            found |= set(range(item[0], item[1] + 1))
        elif kind is codes.CATEGORY:
            named = digits if item in {codes.CATEGORY_DIGIT, codes.CATEGORY_NOT_DIGIT} else words
            found |= named if item in {codes.CATEGORY_DIGIT, codes.CATEGORY_WORD} else printable - named
    if items[0][0] is codes.NEGATE:
        return printable - found
    return found & printable or found

"""The subset of regular expressions that every engine reads alike and in linear time.

One rule: what is not known to be safe is refused. Every repeat is bounded; no look-around, no back reference, no anchors
but the word boundary; ASCII only; a bounded value is at most `MAX_VALUE_CHARS` long.
"""

import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any

from triskel.policy.scan.detector import Detector, LookAhead, Pattern
from triskel.policy.scan.segments import CONTEXT_CHARS, MAX_VALUE_CHARS, next_cut
from triskel.policy.scan.validators import VALIDATORS

MAX_REPEAT = 256
_SIMPLE = {codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY}
_SHORTHANDS = {codes.CATEGORY_DIGIT, codes.CATEGORY_NOT_DIGIT, codes.CATEGORY_WORD, codes.CATEGORY_NOT_WORD}


def faults_of(detector: Detector) -> list[str]:
    """What is wrong with a detector, one line each; empty if nothing is."""
    faults = [f"{detector.id}: {fault}" for pattern in detector.patterns for fault in _pattern_faults(pattern, detector)]
    faults += [f"{detector.id}: gate: {fault}" for p in detector.patterns if p.gate for fault in expression_faults(p.gate)]
    if detector.validator and detector.validator not in VALIDATORS:
        faults.append(f"{detector.id}: no validator `{detector.validator}`")
    if not detector.source:
        faults.append(f"{detector.id}: no source")
    if not 0 <= detector.confidence <= 1000 or not 0 <= detector.context_confidence <= 1000 or not 0 <= detector.risk <= 1000:
        faults.append(f"{detector.id}: confidence and risk are permille")
    if bool(detector.context) != bool(detector.context_confidence):
        faults.append(f"{detector.id}: context words and their confidence go together")
    if not 0 < detector.context_within <= CONTEXT_CHARS:
        faults.append(f"{detector.id}: context words are sought in at most {CONTEXT_CHARS} characters")
    if not detector.confidence and not detector.context_confidence:
        faults.append(f"{detector.id}: no confidence")
    if bool(detector.tail) != (detector.look_ahead is LookAhead.OPEN):
        faults.append(f"{detector.id}: an open value, and only that, has a tail")
    return faults


def expression_faults(regex: str) -> list[str]:
    """What keeps an expression out of the subset."""
    if not regex.isascii():
        return ["not ASCII"]
    try:
        tree = parser.parse(regex.encode("ascii"))
    except re.error as error:
        return [f"does not parse: {error}"]
    if tree.getwidth()[0] == 0:
        return ["may match nothing"]
    return list(_faults(tree))


def _pattern_faults(pattern: Pattern, detector: Detector) -> Iterator[str]:
    regex = pattern.regex
    faults = expression_faults(regex)
    yield from faults
    if faults or detector.look_ahead in {LookAhead.PHRASE, LookAhead.BLOCK}:
        return
    tree = parser.parse(regex.encode("ascii"))
    value: Any = tree
    if pattern.group:
        groups = [argument for code, argument in tree if code is codes.SUBPATTERN and argument[0] == 1]
        if not groups:
            yield "the value's group is not at the top of the expression"
            return
        value = groups[0][3]
    longest = value.getwidth()[1]
    if longest > MAX_VALUE_CHARS:
        yield f"a value may be {longest} characters long"
    for byte in _bytes_of(value):
        if byte != 32 and next_cut(bytes((65, byte, 65))) is not None:
            yield f"a value may hold {chr(byte)!r}, at which texts are cut"
            return


def _faults(tree: Any) -> Iterator[str]:
    for code, argument in tree:
        if code in _SIMPLE:
            if code is codes.IN:
                yield from (f"shorthand {item}" for kind, item in argument if kind is codes.CATEGORY and item not in _SHORTHANDS)
        elif code is codes.AT:
            if argument not in {codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY}:
                yield f"anchor {argument}"
        elif code in {codes.MAX_REPEAT, codes.MIN_REPEAT}:
            if argument[1] is codes.MAXREPEAT or argument[1] > MAX_REPEAT:
                yield "a repeat without a bound"
            yield from _faults(argument[2])
        elif code is codes.SUBPATTERN:
            yield from _faults(argument[3])
        elif code is codes.BRANCH:
            for branch in argument[1]:
                yield from _faults(branch)
        else:
            yield f"construct {code}"


def _bytes_of(tree: Any) -> set[int]:
    """Every byte that may stand in a match."""
    found: set[int] = set()
    for code, argument in tree:
        if code is codes.LITERAL:
            found.add(argument)
        elif code is codes.NOT_LITERAL:
            found |= set(range(256)) - {argument}
        elif code is codes.ANY:
            found |= set(range(256)) - {10}
        elif code is codes.IN:
            found |= _bytes_in(argument)
        elif code in {codes.MAX_REPEAT, codes.MIN_REPEAT}:
            found |= _bytes_of(argument[2])
        elif code is codes.SUBPATTERN:
            found |= _bytes_of(argument[3])
        elif code is codes.BRANCH:
            for branch in argument[1]:
                found |= _bytes_of(branch)
    return found


def _bytes_in(items: Any) -> set[int]:
    digits, words = set(range(48, 58)), {*range(48, 58), *range(65, 91), 95, *range(97, 123)}
    found: set[int] = set()
    for kind, item in items:
        if kind is codes.LITERAL:
            found.add(item)
        elif kind is codes.RANGE:
            found |= set(range(item[0], item[1] + 1))
        elif kind is codes.CATEGORY:
            named = digits if item in {codes.CATEGORY_DIGIT, codes.CATEGORY_NOT_DIGIT} else words
            found |= named if item in {codes.CATEGORY_DIGIT, codes.CATEGORY_WORD} else set(range(256)) - named
    return set(range(256)) - found if items[0][0] is codes.NEGATE else found

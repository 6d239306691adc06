r"""Where a text may be cut without cutting a value in two.

One rule: whether a position is a cut depends only on the few characters around it, so a stream and a whole text are cut
alike. Works on normalised bytes, one byte a character.

A cut stands behind white space and behind the marks that structure data (quotes, brackets, commas, bars); the stand-in
`?` for characters outside Latin-1 is one, so scripts without spaces are cut too. It also stands behind the marker that
opens a private key. A single space is no cut where grouped values have it: between digits (cards, phones), between short
groups of capitals and digits (IBAN, national insurance numbers).
"""

import re

LOOK_BACK_CHARS = 128
"""How much text before a segment or paragraph is ever read: for context words and the beginnings of phrases."""

CONTEXT_CHARS = 80
"""How far before a value a context word may count."""

KEY_CHARS = 64
"""How far before its segment a value's key may begin."""

SOFT_CAP_CHARS = 1024
"""A run without any cut is cut by force, at a place where no value stands, once it is this long."""

MAX_VALUE_CHARS = 160
"""No bounded detector's value is longer: one that crosses a soft cut, made so far before a full run's end, is seen whole."""

BLOCK_HEAD_CHARS = 512
"""How much of a block is read to tell a key from a mention of one."""

BLOCK_CAP_CHARS = 8192
"""A block (private key) longer than this is suppressed piece by piece."""

PHRASE_SPAN_CHARS = 2048
"""A paragraph longer than this is cut at its next white space, at twice this anywhere."""

# A space that stands inside a grouped value. `UNDECIDED` is the same question before the next character is known.
_JOIN = rb"(?<=[0-9] )[0-9A-Z(+-]|(?<=[)] )[0-9-]|(?<=[(+A-Z-] )[0-9]|(?<=[0-9] [A-Z]{4} )[A-Z]"
_UNDECIDED = rb"(?<=[0-9)(+A-Z-] )\Z"
_MARK = rb'[\t\n\r\x0b\x0c"<>{}\[\],|`?]'
_OPENING = rb"(?<=PRIVATE KEY-----)|(?<=PRIVATE KEY BLOCK-----)"
_CUT = rb"(?:" + _MARK + rb"| (?!" + _JOIN + rb")|" + _OPENING + rb")"
_CUT_SO_FAR = rb"(?:" + _MARK + rb"| (?!" + _JOIN + rb"|" + _UNDECIDED + rb")|" + _OPENING + rb")"

next_cut = re.compile(_CUT).search
"""The first cut at or behind a position: `next_cut(data, position)`; the cut is the match's end."""

last_cut_so_far = re.compile(rb"(?s:.*)" + _CUT_SO_FAR).match
"""The last cut that is certain whatever comes next: `last_cut_so_far(data, position)`."""

_last_cut_within = re.compile(rb"(?s:.*)" + _CUT + rb"(?=(?s:.))").match
_last_word_break = re.compile(rb"(?s:.*)[^0-9A-Za-z_]").match
_paragraph = re.compile(rb"\n[ \t\r]*\n").search
_white = re.compile(rb"[ \t\n\r]").search

opening_marker = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----").search
_block_head = re.compile(
    rb"""(?:\\+[rnt]|[\s"'+>\#*|,\\])*"""
    rb"""(?:[A-Za-z][A-Za-z-]{2,24}:[ ][^\n\\]{0,100}(?:\\+[rn]|\s)+){0,4}(?:\\+[rnt]|[\s"'+>\#*|,\\])*"""
    rb"""[A-Za-z0-9+/=]{16}"""
).match


def cut_before(data: bytes, position: int, floor: int) -> int:
    """The last cut at or before `position`, not before `floor`, which is itself taken for a cut."""
    reach = 48
    while True:
        low = max(floor, position - reach)
        # `+ 1`: a cut behind a space is only one if the character at `position` agrees.
        found = _last_cut_within(data, low, position + 1)
        if found is not None:
            return found.end()
        if low == floor:
            return floor
        reach *= 4


def cut_after(data: bytes, position: int) -> int:
    """The first cut behind `position`, or the end of `data`."""
    found = next_cut(data, position)
    while found is not None and found.end() <= position:
        found = next_cut(data, position + 1)
    return len(data) if found is None else found.end()


def soft_place(data: bytes, start: int) -> int:
    """Where a full run that begins at `start` is cut if no value stands there: behind a mark, if there is one."""
    last = start + SOFT_CAP_CHARS - MAX_VALUE_CHARS
    found = _last_word_break(data, last - MAX_VALUE_CHARS, last)
    return last if found is None else found.end()


def opens_block(data: bytes, start: int) -> bool:
    """Whether the text just before `start` is the marker that opens a private key."""
    if data[max(0, start - 5) : start] != b"-----":
        return False
    found = opening_marker(data, max(0, start - 64))
    while found is not None and found.end() < start:
        found = opening_marker(data, found.end())
    return found is not None and found.end() == start


def is_block(data: bytes, start: int) -> bool:
    """Whether what follows the marker is a key and not prose about keys, judged on its head."""
    return _block_head(data, start, start + BLOCK_HEAD_CHARS) is not None


def block_end(data: bytes, start: int) -> int:
    """Where the block's closing marker begins, or -1 if it has not come within the cap."""
    return data.find(b"-----END", start, start + BLOCK_CAP_CHARS + 8)


def phrase_end(data: bytes, start: int) -> int:
    """Where the paragraph that begins at `start` ends; -1 where that is not known yet."""
    found = _paragraph(data, start, start + PHRASE_SPAN_CHARS)
    if found is not None:
        return found.end()
    if len(data) <= start + PHRASE_SPAN_CHARS:
        return -1
    white = _white(data, start + PHRASE_SPAN_CHARS, start + 2 * PHRASE_SPAN_CHARS)
    if white is not None:
        return white.end()
    return start + 2 * PHRASE_SPAN_CHARS if len(data) >= start + 2 * PHRASE_SPAN_CHARS else -1

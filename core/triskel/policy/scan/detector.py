"""What a detector is, and the pack that holds all of them.

One rule: a pack is data. Its hash is the SHA-256 of its canonical JSON, and two processes with the same hash find the same.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from triskel.errors import ConfigurationInvalid
from triskel.model.call import Surface
from triskel.model.finding import Category


class LookAhead(StrEnum):
    """How far behind its start a match may reach, which decides how much of a stream is held back for it."""

    TOKEN = "token"
    """One run without a cut: no white space, or single spaces between groups of digits and capitals."""
    OPEN = "open"
    """A token of any length: what follows a match in the detector's `tail` belongs to it."""
    BLOCK = "block"
    """From an opening marker to the closing one, over lines; at most a cap at a time."""
    PHRASE = "phrase"
    """Words of one paragraph. A signal about the text: off where text is streamed to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A regular expression in the subset that RE2, Hyperscan and `re` read alike, over Latin-1 bytes.

    `gate` is a cheaper expression that matches inside every segment in which `regex` matches. `group` is 1 where the value is
    the first group of `regex`. `reads_back`: the value's key stands before it, maybe in an earlier segment. `whole`: the
    value is a whole short paragraph, and only the validator judges it; there is no gate then.
    """

    regex: str
    gate: str
    group: int = 0
    reads_back: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One way to find one `type` of value.

    `confidence` (permille) holds without a context word near by, 0 meaning that it is no finding then;
    `context_confidence` with one at most `context_within` characters before the value; `context_gate` matches wherever one
    stands. `surfaces` scales both by permille; a surface that is absent is off. `validator` names a check in
    `triskel.policy.scan.validators`. `risk` (permille) is what a match adds to the injection risk; with `silent` it adds
    only that. `tail` is the class of characters that an open value continues with.
    """

    id: str
    type: str
    category: Category
    patterns: tuple[Pattern, ...]
    confidence: int
    surfaces: dict[Surface, int]
    source: str
    look_ahead: LookAhead = LookAhead.TOKEN
    validator: str = ""
    context: tuple[str, ...] = ()
    context_confidence: int = 0
    context_gate: str = ""
    context_within: int = 80
    tail: str = ""
    risk: int = 0
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """All detectors, in order of their ids."""

    version: str
    detectors: tuple[Detector, ...]
    hash: str = field(default="", compare=False)


def canonical(pack: Pack) -> bytes:
    """The pack's one spelling, over which its hash is taken: JSON with sorted keys, without the hash itself."""
    document = msgspec.to_builtins(pack, str_keys=True)
    del document["hash"]
    return msgspec.json.encode(document, order="deterministic")


def sealed(version: str, detectors: tuple[Detector, ...]) -> Pack:
    """A pack of these detectors, sorted, with its hash."""
    ordered = Pack(version=version, detectors=tuple(sorted(detectors, key=lambda d: d.id)))
    return Pack(version=version, detectors=ordered.detectors, hash=hashlib.sha256(canonical(ordered)).hexdigest())


def read_pack(document: bytes) -> Pack:
    """The pack in a canonical document.

    Raises:
        ConfigurationInvalid: it is not a pack.
    """
    try:
        pack = msgspec.json.decode(document, type=Pack)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ConfigurationInvalid("the detector pack cannot be read", faults=(str(error),)) from error
    return Pack(version=pack.version, detectors=pack.detectors, hash=hashlib.sha256(document).hexdigest())

r"""Detector files as people write them, turned into a pack.

One rule: a file says everything about its detectors, and nothing is added here but spelling: `\s` is the four white bytes
that all engines agree on, `<<name>>` is a macro of the file, and a gate that is not given is the expression itself, an open
end taken at its least, or one gate for all numbers without marks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from triskel.errors import ConfigurationInvalid
from triskel.model.call import Surface
from triskel.model.finding import Category
from triskel.policy.scan.detector import Detector, LookAhead, Pack, Pattern, sealed
from triskel.policy.scan.lint import faults_of
from triskel.policy.scan.segments import CONTEXT_CHARS

_FIELDS = {
    "id", "type", "category", "patterns", "confidence", "context", "context_confidence", "context_within", "validator",
    "surfaces", "look_ahead", "tail", "risk", "silent", "source", "examples",
}  # fmt: skip
NUMBER_GATE = r"\b[0-9]{7,19}\b"
_PLAIN_NUMBER = re.compile(
    r"\\b(?:\[[1-9](?:-[1-9])?\]|\[0-9\](?:\{\d+(?:,\d+)?\})?|\[[0-9-]{3}\]|[0-9])*\[0-9\]\{(?:[7-9]|1\d)(?:,1\d|,[89])?\}\\b"
)
_LAST_REPEAT = re.compile(r"(\{[1-9]\d*),\d+\}(\)?)$")


def data_folder() -> Traversable:
    """Where the detector files lie in the package."""
    return files("triskel.policy.scan") / "data"


def documents(folder: Traversable) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every detector file's name and content, in order of names."""
    import yaml  # noqa: PLC0415  only those who build a pack read its sources

    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            yield entry.name, yaml.safe_load(entry.read_text("utf-8"))


def write_pack(folder: Traversable) -> Pack:
    """The pack that the files in a folder describe.

    Raises:
        ConfigurationInvalid: a file is wrong; `faults` has one line for each mistake.
    """
    detectors: list[Detector] = []
    faults: list[str] = []
    version = ""
    for name, document in documents(folder):
        version = max(version, str(document.get("version", "")))
        for entry in document.get("detectors", ()):
            try:
                detector = _detector(entry, document)
            except (KeyError, TypeError, ValueError) as error:
                faults.append(f"{name}: {entry.get('id', '?')}: {type(error).__name__} {error}")
                continue
            faults += [f"{name}: {fault}" for fault in faults_of(detector)]
            detectors.append(detector)
    ids = [detector.id for detector in detectors]
    faults += [f"`{repeated}` is defined twice" for repeated in sorted({i for i in ids if ids.count(i) > 1})]
    if faults:
        raise ConfigurationInvalid("the detector files are wrong", faults=tuple(faults))
    return sealed(version, tuple(detectors))


def _detector(entry: Mapping[str, Any], document: Mapping[str, Any]) -> Detector:
    unknown = set(entry) - _FIELDS
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    defaults = document.get("defaults", {})
    merged = {**defaults, **entry}
    look_ahead = LookAhead(merged.get("look_ahead", "token"))
    surfaces = merged.get("surfaces", {surface.value: 1000 for surface in Surface})
    return Detector(
        id=merged["id"],
        type=merged.get("type", merged["id"]),
        category=Category(merged["category"]),
        patterns=tuple(_pattern(p, document.get("macros", {}), look_ahead) for p in merged["patterns"]),
        confidence=merged.get("confidence", 0),
        context=tuple(sorted(merged.get("context", ()))),
        context_confidence=merged.get("context_confidence", 0),
        context_gate=context_gate(merged.get("context", ())),
        context_within=merged.get("context_within", CONTEXT_CHARS),
        validator=merged.get("validator", ""),
        surfaces={Surface(surface): scale for surface, scale in sorted(surfaces.items())},
        look_ahead=look_ahead,
        tail=merged.get("tail", ""),
        risk=merged.get("risk", 0),
        silent=merged.get("silent", False),
        source=merged.get("source", ""),
    )


def _pattern(entry: str | Mapping[str, Any], macros: Mapping[str, str], look_ahead: LookAhead) -> Pattern:
    given: Mapping[str, Any] = {"regex": entry} if isinstance(entry, str) else entry
    regex, phrased = spelled(given["regex"], macros), look_ahead is LookAhead.PHRASE
    whole = given.get("whole", False)
    return Pattern(
        regex=regex,
        gate="" if whole else spelled(given["gate"], macros) if "gate" in given else gate_of(regex),
        group=1 if has_group(regex) else 0,
        reads_back=given.get("reads_back", phrased and not whole),
        whole=whole,
    )


def has_group(regex: str) -> bool:
    """Whether the expression has a capturing group. Named groups are outside the subset."""
    return re.search(r"(?<!\\)\((?!\?)", re.sub(r"\\\\|\[(?:\\.|[^\]\\])*\]", "", regex)) is not None


def context_gate(words: Sequence[str]) -> str:
    """Matches wherever a context word stands, and not only there; empty without words."""
    if not words:
        return ""
    heads = sorted({word.split(" ")[0] for word in words})
    humps = "|".join(head.capitalize() for head in heads)
    return rf"(?:\b|_|[0-9])(?i:{'|'.join(heads)})|[a-z](?:{humps})"


def spelled(regex: str, macros: Mapping[str, str]) -> str:
    """The expression with macros and white space written out."""
    for _ in range(3):
        for name, meaning in macros.items():
            regex = regex.replace(f"<<{name}>>", meaning)
    if "<<" in regex:
        raise ValueError("unknown macro")
    out, position, in_class = [], 0, False
    while position < len(regex):
        pair = regex[position : position + 2]
        if pair == r"\s":
            out.append(r"\t\n\r " if in_class else r"[\t\n\r ]")
        elif pair == r"\S":
            if in_class:
                raise ValueError(r"`\S` in a class")
            out.append(r"[^\t\n\r ]")
        elif pair[0] == "\\":
            out.append(pair)
        else:
            if pair[0] == "[" and not in_class:
                in_class = True
            elif pair[0] == "]":
                in_class = False
            out.append(pair[0])
            position += 1
            continue
        position += 2
    return "".join(out)


def gate_of(regex: str) -> str:
    """A cheaper expression that matches wherever this one does.

    An open end is taken at its least, so that it ends once; numbers without marks share a gate, for engines slow down with
    the count of gates.
    """
    return NUMBER_GATE if _PLAIN_NUMBER.fullmatch(regex) else _LAST_REPEAT.sub(r"\1}\2", regex)

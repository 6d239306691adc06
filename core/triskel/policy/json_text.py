"""Redaction inside JSON that travels as text, as arguments of tools do. Its one rule: JSON stays JSON."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from triskel.model.finding import Finding
from triskel.policy.scan import redact


def redact_json(text: str, findings: Sequence[Finding], classes: AbstractSet[str], *, in_string: bool = False) -> str:
    """`text` without the findings of these classes. A number that must go becomes a string; in a string, a text stays one.

    `in_string` says whether `text` begins inside a string.
    """
    pieces: list[str] = []
    position = 0
    for finding in findings:
        before, value = text[position : finding.start], text[finding.start : finding.end]
        in_string = ends_in_string(before, in_string=in_string)
        shown = redact(value, (replace(finding, start=0, end=len(value)),), classes)
        pieces += (before, f'"{shown}"' if shown != value and not in_string else shown)
        in_string = ends_in_string(value, in_string=in_string)
        position = finding.end
    return "".join((*pieces, text[position:]))


def ends_in_string(text: str, *, in_string: bool) -> bool:
    """Whether what follows this piece of JSON stands in a string, where the piece itself began so or not."""
    if '"' not in text:
        return in_string
    quotes = text.count('"') - text.count('\\"')
    return in_string ^ (quotes % 2 == 1)

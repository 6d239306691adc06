"""`triskel scan`: JSON Lines in, JSON Lines out.

One rule: a line in, a line out, in order; a line that cannot be read or scanned says so and stops nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from triskel.model.call import Surface
from triskel.policy.scan.report import Scan
from triskel.policy.scan.scanner import Scanner


class _Line(msgspec.Struct):
    text: str


_read = msgspec.json.Decoder(_Line).decode


def scan_lines(scanner: Scanner, lines: Iterable[bytes | str], surface: Surface) -> Iterator[str]:
    """A JSON line for each line with a `text`: `{"findings": [...], "injection_risk": n}`.

    A line that is no such object gives `{"error": ...}`; a scan that was given up adds `"incomplete"`. Empty lines are
    passed over.
    """
    for line in lines:
        if not line.strip():
            continue
        try:
            text = _read(line).text
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError):
            yield '{"error":"the line is not a JSON object with a text"}'
            continue
        yield msgspec.json.encode(as_document(scanner.scan(text, surface))).decode()


def as_document(scan: Scan) -> dict[str, Any]:
    """A scan as JSON. Offsets count characters of the original text; confidence and risk are permille."""
    document: dict[str, Any] = {
        "findings": [
            {"type": f.type, "category": f.category.value, "start": f.start, "end": f.end, "confidence": f.confidence}
            for f in scan.findings
        ],
        "injection_risk": scan.injection_risk,
    }
    if scan.incomplete:
        document["incomplete"] = scan.incomplete
    return document

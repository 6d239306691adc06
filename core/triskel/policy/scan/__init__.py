"""Text in, findings out: personal data, payment data, secrets, injections.

One rule: the same pack finds the same in the same text, whatever the engine and however the text arrives.

    gates (Hyperscan or RE2) propose -> folds cut the text into segments -> rules decide -> report in original characters

Use: `Scanner(load_pack()).scan(text, surface)`, `.stream(surface)`, and `redact(text, findings, targets)`.
"""

from triskel.policy.scan.detector import Detector, Pack
from triskel.policy.scan.pack import LoadedPack, load_pack
from triskel.policy.scan.redaction import Style, redact
from triskel.policy.scan.report import Released, Scan
from triskel.policy.scan.scanner import MAX_TEXT_CHARS, Scanner
from triskel.policy.scan.stream import StreamScan

__all__ = [
    "MAX_TEXT_CHARS",
    "Detector",
    "LoadedPack",
    "Pack",
    "Released",
    "Scan",
    "Scanner",
    "StreamScan",
    "Style",
    "load_pack",
    "redact",
]

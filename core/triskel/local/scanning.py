"""`triskel scan`: JSON lines in, JSON lines out."""

from typing import BinaryIO

from triskel.model.call import Surface
from triskel.policy.scan import Scanner, load_pack
from triskel.policy.scan.lines import scan_lines as scanned


def scan_lines(source: BinaryIO, target: BinaryIO, surface: str) -> int:
    """Scan each line of `source`. Returns the exit status."""
    for line in scanned(Scanner(load_pack()), source, Surface(surface)):
        target.write(line.encode() + b"\n")
    target.flush()
    return 0

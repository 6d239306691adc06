"""Labelled texts in files: JSON Lines with `text` and `label`. One rule: a line that is not understood stops the reading.

`label` is 1 or 0, or a list of [start, end, entity]. `entity`, if given, is a name or a list of names: what a 1 or 0 is about.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.accuracy_sets import Labelled, Span

MAX_LINE_BYTES = 16_000_000


def read_folder(folder: Path) -> dict[str, list[Labelled]]:
    """Every `*.jsonl` of a folder, by its name without the ending.

    Raises ValueError, with file and line, for a line that is no labelled text; FileNotFoundError where no file is.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise FileNotFoundError(f"no *.jsonl in {folder}")
    return {path.stem: list(_read(path)) for path in files}


def _read(path: Path) -> Iterator[Labelled]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(f"{path.name}:{number}: more than {MAX_LINE_BYTES:,} bytes")
            try:
                yield labelled(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ValueError(f"{path.name}:{number}: no labelled text ({type(error).__name__}: {error})") from error


def labelled(row: Any) -> Labelled:
    """The labelled text of a decoded line. Raises ValueError, KeyError or TypeError where it is none."""
    text, label, entity = row["text"], row["label"], row.get("entity", [])
    if not isinstance(text, str):
        raise TypeError("`text` is no text")
    names = tuple(str(name) for name in ([entity] if isinstance(entity, str) else entity))
    if isinstance(label, list):
        return Labelled(text, tuple(_span(one, len(text)) for one in label), names)
    if label not in (0, 1):
        raise ValueError("`label` is neither 1 nor 0 nor a list")
    return Labelled(text, int(label), names)


def _span(one: Any, length: int) -> Span:
    start, end, entity = one
    if not (isinstance(start, int) and isinstance(end, int) and isinstance(entity, str)):
        raise TypeError("a span is [start, end, entity]")
    if not 0 <= start < end <= length:
        raise ValueError(f"a span from {start} to {end} in a text of {length}")
    return Span(start, end, entity)

"""Figures as rows: a table for people, JSON for programs. One rule: a row is made from its samples and from nothing else."""

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure. `relation` says how `value` must stand to `target`: `<` or `>=`; both are None where nothing is asked."""

    measure: str
    value: float
    unit: str
    samples: tuple[float, ...]
    relation: str | None = None
    target: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none. What is not a number meets nothing."""
        if self.target is None:
            return None
        return self.value >= self.target if self.relation == ">=" else self.value < self.target

    def document(self) -> dict[str, Any]:
        """The row as JSON has it. A value that is not a number is null."""
        return {
            "measure": self.measure,
            "value": _plain(self.value),
            "unit": self.unit,
            "target": self.target,
            "holds": self.holds,
            "samples": [_plain(sample) for sample in self.samples],
        }


def row(
    measure: str,
    samples: Sequence[float],
    unit: str,
    *,
    below: float | None = None,
    at_least: float | None = None,
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> Row:
    """The row of a measure: the median of its samples, or what `of` makes of them."""
    if below is not None and at_least is not None:
        raise ValueError("a row has one target")
    return Row(
        measure=measure,
        value=of(samples) if samples else math.nan,
        unit=unit,
        samples=tuple(samples),
        relation="<" if below is not None else ">=" if at_least is not None else None,
        target=below if below is not None else at_least,
    )


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` % of the samples do not exceed (nearest rank); NaN where there is none."""
    if not samples:
        return math.nan
    rank = math.ceil(len(samples) * percent / 100)
    return sorted(samples)[min(max(rank, 1), len(samples)) - 1]


def differences(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """What each round added: sample by sample, `upper` less `lower`. Both must have been taken in the same rounds."""
    return [high - low for high, low in zip(upper, lower, strict=True)]


def growth(samples: Sequence[float]) -> float:
    """By how many per cent the last three samples stand above the first three, by their medians."""
    if len(samples) < 6:
        return math.nan
    first, last = statistics.median(samples[:3]), statistics.median(samples[-3:])
    return (last / first - 1) * 100


def table(rows: Sequence[Row]) -> str:
    """The rows as text, one line each."""
    lines: list[tuple[str, ...]] = [("measure", "value", "unit", "min … max", "target", "")]
    lines += [
        (each.measure, _shown(each.value), each.unit, _span(each.samples), _target(each), _MARKS[each.holds]) for each in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines.insert(1, tuple("─" * width for width in widths))
    right = {1, 3}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def publish(name: str, rows: Sequence[Row], folder: Path = OUT) -> Path:
    """Print the table and write `NAME.json`; where it was written."""
    print(table(rows))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps([each.document() for each in rows], indent=1, allow_nan=False) + "\n")
    missed = [each.measure for each in rows if each.holds is False]
    print(f"\n{path}" + (f"\nmissed: {'; '.join(missed)}" if missed else ""))
    return path


_MARKS = {True: "holds", False: "MISSED", None: ""}


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _shown(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 or value == int(value) else f"{value:.1f}" if size >= 100 else f"{value:.3g}"


def _span(samples: Sequence[float]) -> str:
    return f"{_shown(min(samples))} … {_shown(max(samples))}" if len(samples) > 1 else ""


def _target(each: Row) -> str:
    return "" if each.target is None else f"{each.relation} {_shown(each.target)}"

"""Figures of benchmarks: how samples become values, tables and JSON."""

import json
import math
import statistics
from pathlib import Path

import pytest
from bench.report import differences, growth, percentile, publish, row, table
from hypothesis import given
from hypothesis import strategies as st

FLOATS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50)


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_a_percentile_is_a_sample_by_nearest_rank(percent: float, expected: float) -> None:
    """Of 1 to 100 in any order, the p-th percentile is p."""
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == expected


@given(FLOATS, st.floats(0, 100))
def test_at_least_so_many_samples_do_not_exceed_a_percentile(samples: list[float], percent: float) -> None:
    """The definition, on any samples."""
    value = percentile(samples, percent)
    assert value in samples
    assert sum(sample <= value for sample in samples) >= len(samples) * percent / 100


def test_no_samples_have_no_percentile() -> None:
    """Nothing was measured, so nothing is said."""
    assert math.isnan(percentile([], 50))


def test_a_row_is_the_median_of_its_samples() -> None:
    """One outlier does not move a figure."""
    assert row("added p50", [0.2, 99.0, 0.1], "ms").value == 0.2


def test_a_row_may_be_made_another_way() -> None:
    """A p95 over all samples is no median."""
    assert row("import p95", [1.0, 2.0, 3.0], "ms", of=max).value == 3.0


@pytest.mark.parametrize(
    ("value", "below", "at_least", "holds"),
    [
        (0.29, 0.3, None, True),
        (0.3, 0.3, None, False),
        (3000.0, None, 3000, True),
        (2999.9, None, 3000, False),
        (1.0, None, None, None),
    ],
)
def test_a_target_is_met_or_missed(value: float, below: float | None, at_least: float | None, holds: bool | None) -> None:
    """`below` excludes its bound, `at_least` includes it, and without a target nothing holds or fails."""
    assert row("measure", [value], "unit", below=below, at_least=at_least).holds is holds


@pytest.mark.parametrize("bound", [{"below": 1.0}, {"at_least": 1.0}])
def test_what_was_not_measured_meets_no_target(bound: dict[str, float]) -> None:
    """A benchmark that measured nothing has not succeeded."""
    assert row("measure", [], "unit", **bound).holds is False


def test_a_row_has_one_target() -> None:
    """Two bounds at once are a mistake in the benchmark."""
    with pytest.raises(ValueError, match="one target"):
        row("measure", [1.0], "unit", below=1, at_least=1)


def test_differences_pair_the_rounds() -> None:
    """What is added is taken within a round, where the machine was the same, and never across."""
    assert differences([3.0, 5.0], [1.0, 4.0]) == [2.0, 1.0]
    with pytest.raises(ValueError, match="argument"):
        differences([1.0], [])


def test_growth_compares_the_ends() -> None:
    """Medians of three at each end, so that one sample cannot hide or make a leak."""
    assert growth([100, 100, 900, 50, 110, 110, 1]) == pytest.approx(10)
    assert growth([100.0] * 6) == 0
    assert math.isnan(growth([1.0, 2.0]))


@given(FLOATS)
def test_a_row_keeps_its_raw_samples(samples: list[float]) -> None:
    """The figure can be worked out again from the file."""
    document = json.loads(json.dumps(row("measure", samples, "unit").document()))
    assert document["samples"] == samples
    assert document["value"] == statistics.median(document["samples"])


def test_the_file_is_a_list_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`NAME.json` has exactly the fields that programs read; missed targets are named in what is printed."""
    rows = [row("calls", [2.0, 4.0], "calls/s", at_least=5), row("size", [math.nan], "MB")]
    path = publish("example", rows, tmp_path / "out")
    assert path == tmp_path / "out" / "example.json"
    assert json.loads(path.read_text()) == [
        {"measure": "calls", "value": 3.0, "unit": "calls/s", "target": 5, "holds": False, "samples": [2.0, 4.0]},
        {"measure": "size", "value": None, "unit": "MB", "target": None, "holds": None, "samples": [None]},
    ]
    assert "missed: calls" in capsys.readouterr().out


def test_a_table_has_a_line_for_each_row() -> None:
    """Measure, value, unit, span, target and verdict, under one another."""
    lines = table([row("added p50", [0.1, 0.2, 0.3], "ms", below=0.3), row("calls", [12345.6], "calls/s")]).splitlines()
    assert lines[0].split() == ["measure", "value", "unit", "min", "…", "max", "target"]
    assert lines[2].split() == ["added", "p50", "0.2", "ms", "0.1", "…", "0.3", "<", "0.3", "holds"]
    assert lines[3].split() == ["calls", "12,346", "calls/s"]

"""Labelled files of people's own: what is read, and what is refused."""

import json
from pathlib import Path

import pytest
from bench.accuracy import KINDS, kind_of
from bench.accuracy_sets import Labelled, Span
from bench.labelled_files import labelled, read_folder


def test_each_file_is_a_set_by_its_name(tmp_path: Path) -> None:
    """Labels of whole texts and of spans; what else a line holds, and empty lines, do not matter."""
    lines = [{"text": "a", "label": 1, "source": "x"}, {"text": "b 12", "label": [[2, 4, "AGE"]]}]
    (tmp_path / "pii_mine.jsonl").write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    (tmp_path / "notes.txt").write_text("not a set")
    assert read_folder(tmp_path) == {"pii_mine": [Labelled("a", 1), Labelled("b 12", (Span(2, 4, "AGE"),))]}


def test_a_folder_without_sets_is_an_error(tmp_path: Path) -> None:
    """Measuring nothing must not look like success."""
    with pytest.raises(FileNotFoundError, match="jsonl"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"text": "a"}',
        '{"label": 1}',
        '{"text": 5, "label": 1}',
        '{"text": "a", "label": 2}',
        '{"text": "a", "label": null}',
        '{"text": "a", "label": [[0, 1]]}',
        '{"text": "a", "label": [[0, 2, "X"]]}',
        '{"text": "a", "label": [[1, 1, "X"]]}',
        '{"text": "a", "label": [["0", 1, "X"]]}',
        "[" * 5_000,
    ],
)
def test_a_line_that_is_no_labelled_text_is_named(tmp_path: Path, line: str) -> None:
    """File and line are in the message."""
    (tmp_path / "pii_bad.jsonl").write_text('{"text": "fine", "label": 0}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"pii_bad\.jsonl:2"):
        read_folder(tmp_path)


@pytest.mark.parametrize(("entity", "expected"), [("US_SSN", ("US_SSN",)), (["A", "B"], ("A", "B"))])
def test_a_label_may_say_what_it_is_about(entity: object, expected: tuple[str, ...]) -> None:
    """One name or several."""
    assert labelled({"text": "a", "label": 0, "entity": entity}).entities == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_stands_before_the_first_underscore(kind: str) -> None:
    """Every kind, and nothing that only begins alike."""
    assert kind_of(f"{kind}_any_name").name == kind
    with pytest.raises(ValueError, match="--kind"):
        kind_of(f"{kind}s_any_name")

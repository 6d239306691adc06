"""A pack is what its files say; a database that does not fit it is not used."""

from pathlib import Path

import pytest

from triskel.errors import ConfigurationInvalid
from triskel.model.call import Surface
from triskel.model.finding import Category
from triskel.policy.scan import Scanner, load_pack
from triskel.policy.scan.author import context_gate, data_folder, gate_of, has_group, spelled, write_pack
from triskel.policy.scan.detector import Pack, canonical, read_pack
from triskel.policy.scan.lint import expression_faults
from triskel.policy.scan.pack import PACK_FILE, HyperscanEngines, database_file, enclosed, opened
from triskel.policy.scan.proof import misses

TEXT = "mail bob@example.com"


@pytest.fixture
def folder(tmp_path: Path, pack: Pack, databases: dict[str, bytes]) -> Path:
    (tmp_path / PACK_FILE).write_bytes(canonical(pack))
    (tmp_path / database_file()).write_bytes(enclosed(databases, pack))
    return tmp_path


def test_the_pack_in_the_package_is_what_the_files_say(pack: Pack) -> None:
    """Run `python -m triskel.policy.scan.build` after every change of a detector file."""
    assert (data_folder() / PACK_FILE).read_bytes() == canonical(pack)


def test_there_are_as_many_detectors_as_promised(pack: Pack) -> None:
    assert sum(len(detector.patterns) for detector in pack.detectors) >= 140
    assert {detector.category for detector in pack.detectors} == set(Category)
    assert all(detector.source for detector in pack.detectors)


def test_the_hash_is_of_the_canonical_document(pack: Pack) -> None:
    read = read_pack(canonical(pack))
    assert read.hash == pack.hash
    assert read == pack


def test_a_pack_that_fits_is_served_by_hyperscan(folder: Path) -> None:
    loaded = load_pack(folder)
    assert (loaded.engines.kind, loaded.fallback_reason) == ("hyperscan", "")
    assert [f.type for f in Scanner(loaded).scan(TEXT, Surface.PROMPT).findings] == ["email"]


def test_without_a_database_re2_finds_the_same(folder: Path) -> None:
    (folder / database_file()).unlink()
    loaded = load_pack(folder)
    assert (loaded.engines.kind, loaded.fallback_reason) == ("re2", "it was not built")
    assert [f.type for f in Scanner(loaded).scan(TEXT, Surface.PROMPT).findings] == ["email"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: b"something else", "it is no database of ours"),
        (lambda content: content[:-1] + b"?", "it is damaged"),
        (lambda content: content.replace(content[20:84], b"0" * 64), "it was built from other definitions"),
        (lambda content: content.replace(b"names=", b"other="), "it lacks an engine"),
    ],
    ids=["foreign", "damaged", "other definitions", "incomplete"],
)
def test_a_database_that_does_not_fit_is_not_used(folder: Path, spoil, reason: str) -> None:
    path = folder / database_file()
    path.write_bytes(spoil(path.read_bytes()))
    assert load_pack(folder).fallback_reason == reason
    with pytest.raises(ConfigurationInvalid):
        load_pack(folder, engine="hyperscan")


def test_a_database_of_another_library_is_not_used(folder: Path, pack: Pack, databases: dict[str, bytes]) -> None:
    """Hyperscan itself refuses what another version or processor made."""
    foreign = {name: b"\xdb\xdb\xdb\xdb\x09\x09\x09\x09" + content[8:] for name, content in databases.items()}
    (folder / database_file()).write_bytes(enclosed(foreign, pack))
    loaded = load_pack(folder)
    assert loaded.engines.kind == "re2"
    assert loaded.fallback_reason.startswith("it is for another library or processor")


def test_definitions_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        load_pack(tmp_path)
    (tmp_path / PACK_FILE).write_bytes(b'{"version": 1}')
    with pytest.raises(ConfigurationInvalid):
        load_pack(tmp_path)


def test_what_is_enclosed_comes_out(pack: Pack, databases: dict[str, bytes]) -> None:
    assert opened(enclosed(databases, pack), pack) == (databases, "")


def test_hyperscan_sees_what_the_gates_describe(pack: Pack, databases: dict[str, bytes]) -> None:
    """The builder proves it with many more samples; these are a few of each gate."""
    assert misses(pack, HyperscanEngines(databases), samples=3) == []


@pytest.mark.parametrize(
    "regex",
    ["a*b", "a+", "a{2,}", "(?=a)b", r"(a)\1", "^a", "a$", "é", "a{0,9}", "(", "a{1,999}", r"\sa", r"(?<!a)b", r"a\Z"],
)
def test_what_is_not_linear_and_alike_everywhere_is_refused(regex: str) -> None:
    assert expression_faults(regex) != []


@pytest.mark.parametrize("regex", [r"\bab{1,9}\b", "(?i)[a-z]{3}(?:x|yz)?", r"a\W{1,3}b", r"[^\t\n]{2,40}"])
def test_bounded_expressions_pass(regex: str) -> None:
    assert expression_faults(regex) == []


def test_every_mistake_in_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(
        "detectors:\n"
        "  - {id: a, category: pii, patterns: ['x+'], confidence: 900, source: s}\n"
        "  - {id: a, category: pii, patterns: ['xyz'], confidence: 9000, source: s}\n"
        "  - {id: b, category: nonsense, patterns: ['xyz'], confidence: 1, source: s}\n"
        "  - {id: c, category: pii, patterns: ['x y\"z'], confidence: 1}\n"
        "  - {id: d, category: pii, patterns: ['xyz'], source: s, validator: nobody, colour: red}\n"
    )
    with pytest.raises(ConfigurationInvalid) as caught:
        write_pack(tmp_path)
    told = "\n".join(caught.value.faults)
    for part in ("without a bound", "permille", "nonsense", "texts are cut", "no source", "colour", "`a` is defined twice"):
        assert part in told


def test_expressions_are_spelled_out() -> None:
    assert spelled(r"<<n>>\s{0,2}[\s,]", {"n": "[0-9]"}) == "[0-9][\\t\\n\\r ]{0,2}[\\t\\n\\r ,]"
    with pytest.raises(ValueError, match="unknown macro"):
        spelled("<<nobody>>", {})


def test_gates_are_made_from_expressions() -> None:
    assert gate_of(r"key=([a-z]{8,200})") == r"key=([a-z]{8})"
    assert gate_of(r"\b[1-9][0-9]{8}\b") == r"\b[0-9]{7,19}\b"
    assert gate_of(r"\b[0-9]{3}-[0-9]{4}\b") == r"\b[0-9]{3}-[0-9]{4}\b"
    assert context_gate(["ssn", "social security"]) == r"(?:\b|_|[0-9])(?i:social|ssn)|[a-z](?:Social|Ssn)"


def test_groups_are_told_from_brackets_in_classes() -> None:
    assert has_group("a(b)c")
    assert not has_group(r"a(?:b)[(]\(c")

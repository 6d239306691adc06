"""Scanners on all three engines, and detector examples spelled out."""

import random
import re
import string
from typing import Any

import pytest

from triskel.policy.scan.author import data_folder, documents, write_pack
from triskel.policy.scan.build import compile_databases
from triskel.policy.scan.detector import Pack
from triskel.policy.scan.gates import ENGINES, NAMES, Re2Engines, collect, hit_limit, numbers
from triskel.policy.scan.pack import HyperscanEngines, LoadedPack, database_file, default_folder, opened
from triskel.policy.scan.scanner import Scanner


class OracleGate:
    """Gates on `re`: slow, and the judge of the others."""

    all_ends = False

    def __init__(self, gates: dict[str, int], *, once: bool) -> None:
        self._searches = [re.compile(gate.encode("ascii")).search for gate in gates]
        self._once = once

    def hits(self, data: bytes) -> list[int]:
        found: list[int] = []
        for number, search in enumerate(self._searches):
            collect(search, number, data, found, hit_limit(len(data)) + 10_000, once=self._once)
        return found


class OracleEngines:
    """Every engine on `re`."""

    kind = "re"

    def __init__(self, pack: Pack) -> None:
        self._made = {name: OracleGate(numbers(pack, name), once=name == NAMES) for name in ENGINES}

    def __call__(self, engine: str) -> OracleGate:
        return self._made[engine]


def _compile_re(regex: bytes) -> Any:
    search = re.compile(regex).search

    def find(window: bytes, position: int) -> Any:
        found = search(window, position)
        return None if found is None else found.regs

    return find


@pytest.fixture(scope="session")
def pack() -> Pack:
    return write_pack(data_folder())


@pytest.fixture(scope="session")
def databases(pack: Pack) -> dict[str, bytes]:
    """The databases in the package where they fit, else new ones: compiling takes seconds."""
    path = default_folder() / database_file()
    built = opened(path.read_bytes(), pack)[0] if path.is_file() else None
    return compile_databases(pack) if built is None else built


@pytest.fixture(scope="session")
def scanner(pack: Pack, databases: dict[str, bytes]) -> Scanner:
    """The scanner as it runs: Hyperscan."""
    return Scanner(LoadedPack(pack, HyperscanEngines(databases)))


@pytest.fixture(scope="session")
def fallback(pack: Pack) -> Scanner:
    """The scanner where no database is at hand: RE2."""
    return Scanner(LoadedPack(pack, Re2Engines(pack)))


@pytest.fixture(scope="session")
def oracle(pack: Pack) -> Scanner:
    """The judge: `re` for gates and rules."""
    return Scanner(LoadedPack(pack, OracleEngines(pack)), compile_=_compile_re)


def spelled(example: str, seed: int = 1) -> str:
    """An example with `<n:class>` replaced by n characters of the class, the same ones every time."""
    rng = random.Random(f"{seed}{example}")

    def characters(found: "re.Match[str]") -> str:
        members = [c for c in string.printable if re.fullmatch(f"[{found[2]}]", c)]
        return "".join(rng.choice(members) for _ in range(int(found[1])))

    return re.sub(r"<(\d+):([^>]+)>", characters, example)


def examples(kind: str) -> list[Any]:
    """(detector id, type, text) for every example of a kind in the detector files."""
    return [
        pytest.param(entry.get("type", entry["id"]), spelled(text), id=f"{entry['id']}-{index}")
        for _, document in documents(data_folder())
        for entry in document["detectors"]
        for index, text in enumerate(entry.get("examples", {}).get(kind, ()))
    ]

"""`python -m triskel.policy.scan.build [folder]`: writes the pack and this machine's Hyperscan database.

One rule: this is the only place that compiles a database. It runs when a checkout is set up and when a package is made, on
the kind of machine that will run it: a database holds the instructions of one processor family and one library version.
"""

import sys
from pathlib import Path
from typing import Any

from triskel.errors import ConfigurationInvalid
from triskel.policy.scan.author import data_folder, write_pack
from triskel.policy.scan.detector import Pack, canonical
from triskel.policy.scan.gates import ENGINES, NAMES, numbers
from triskel.policy.scan.pack import PACK_FILE, HyperscanEngines, database_file, default_folder, enclosed
from triskel.policy.scan.proof import misses


def compile_databases(pack: Pack) -> dict[str, bytes]:
    """The serialised Hyperscan database of every engine of a pack. Takes some seconds."""
    return {name: _compiled(numbers(pack, name), once=name == NAMES) for name in ENGINES}


def _compiled(gates: dict[str, int], *, once: bool) -> bytes:
    import hyperscan  # noqa: PLC0415  only the builder needs the compiler

    database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[gate.encode("ascii") for gate in gates],
        ids=list(gates.values()),
        elements=len(gates),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH if once else 0] * len(gates),
    )
    serialised: bytes = hyperscan.dumpb(database)
    return serialised


def build(folder: Path) -> Pack:
    """Writes definitions and database into a folder and returns the pack.

    Raises:
        ConfigurationInvalid: the detector files are wrong, or Hyperscan misses what RE2 sees.
    """
    pack = write_pack(data_folder())
    databases = compile_databases(pack)
    faults = misses(pack, HyperscanEngines(databases))
    if faults:
        raise ConfigurationInvalid("hyperscan does not see what the detectors describe", faults=tuple(faults))
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / PACK_FILE, canonical(pack))
    _replace(folder / database_file(), enclosed(databases, pack))
    return pack


def _replace(path: Path, content: bytes) -> None:
    # A process that loads while we write sees the old file or the new one, never half of one.
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.replace(path)


def main(arguments: list[str]) -> int:
    """Builds into the folder named, or into the package. Returns the process's exit code."""
    target = Path(arguments[0]) if arguments else default_folder()
    try:
        made = build(target)
    except ConfigurationInvalid as error:
        sys.stderr.write("\n".join([error.message, *error.faults, ""]))
        return 1
    sys.stdout.write(f"{len(made.detectors)} detectors, pack {made.hash[:16]}, in {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

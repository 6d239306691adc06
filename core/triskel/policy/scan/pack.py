"""The pack on disk and in memory: canonical definitions, and beside them a Hyperscan database for this machine.

One rule: nothing is compiled for a request. A database that is missing, was built from other definitions, by another
version of the library or for another processor is not used; RE2 then reads the same definitions and finds the same.
"""

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from triskel.errors import ConfigurationInvalid
from triskel.policy.scan.detector import Pack, read_pack
from triskel.policy.scan.gates import Gate, HyperscanGate, Re2Gate
from triskel.policy.scan.rules import gates_of

PACK_FILE = "pack.json"
_MAGIC = b"triskel-hyperscan-1\n"


@dataclass(frozen=True, slots=True)
class LoadedPack:
    """A pack with the engine that serves it. `fallback_reason` says why it is not Hyperscan, or is empty."""

    pack: Pack
    gate: Gate
    fallback_reason: str = ""


def default_folder() -> Path:
    """Where the package keeps its pack."""
    return Path(__file__).parent / "data"


def database_file() -> str:
    """The name of the database for this processor's family."""
    return f"pack-{platform.system().lower()}-{platform.machine().lower()}.hsdb"


def load_pack(folder: Path | None = None, *, engine: str = "auto") -> LoadedPack:
    """The pack in a folder (default: the package's own). `engine` is `auto`, `hyperscan` or `re2`.

    Raises:
        ConfigurationInvalid: the definitions cannot be read, or Hyperscan was demanded and cannot serve.
    """
    place = default_folder() if folder is None else folder
    try:
        pack = read_pack((place / PACK_FILE).read_bytes())
    except OSError as error:
        raise ConfigurationInvalid(f"no detector pack `{PACK_FILE}`; `python -m triskel.policy.scan.build` makes it") from error
    reason = "re2 was asked for"
    if engine != "re2":
        gate, reason = _database(place / database_file(), pack)
        if gate is not None:
            return LoadedPack(pack, gate)
        if engine == "hyperscan":
            raise ConfigurationInvalid(f"no hyperscan database for this machine: {reason}")
    return LoadedPack(pack, Re2Gate(list(gates_of(pack))), reason)


def _database(path: Path, pack: Pack) -> tuple[Gate | None, str]:
    try:
        content = path.read_bytes()
    except OSError:
        return None, "it was not built"
    serialised, reason = opened(content, pack)
    if serialised is None:
        return None, reason
    try:
        import hyperscan  # noqa: PLC0415  a native library that some platforms lack
    except ImportError:
        return None, "the library is not installed"
    try:
        return HyperscanGate(serialised), ""
    except hyperscan.error as error:
        return None, f"it is for another library or processor ({type(error).__name__})"


def enclosed(serialised: bytes, pack: Pack) -> bytes:
    """A database as it is kept: what it was built from, its own hash, then itself."""
    digest = hashlib.sha256(serialised).hexdigest()
    return _MAGIC + f"{pack.hash} {digest}\n".encode("ascii") + serialised


def opened(content: bytes, pack: Pack) -> tuple[bytes | None, str]:
    """The database inside, or None and the reason why it must not be used."""
    if not content.startswith(_MAGIC):
        return None, "it is no database of ours"
    header, _, serialised = content[len(_MAGIC) :].partition(b"\n")
    hashes = header.decode("latin-1").split(" ")
    if hashes[0] != pack.hash:
        return None, "it was built from other definitions"
    if len(hashes) != 2 or hashlib.sha256(serialised).hexdigest() != hashes[1]:
        return None, "it is damaged"
    return serialised, ""

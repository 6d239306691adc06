"""The pack on disk and in memory: canonical definitions, and beside them a Hyperscan database for this machine.

One rule: nothing is compiled for a request. A database that is missing, was built from other definitions, by another
version of the library or for another processor is not used; RE2 then reads the same definitions and finds the same.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from triskel.errors import ConfigurationInvalid
from triskel.policy.scan.detector import Pack, read_pack
from triskel.policy.scan.gates import ENGINES, NAMES, Engines, Gate, HyperscanGate, Re2Engines

PACK_FILE = "pack.json"
_MAGIC = b"triskel-hyperscan-1\n"


@dataclass(frozen=True, slots=True)
class LoadedPack:
    """A pack with the engines that serve it. `fallback_reason` says why it is not Hyperscan, or is empty."""

    pack: Pack
    engines: Engines
    fallback_reason: str = ""


class HyperscanEngines:
    """Every engine on Hyperscan, each loaded when it is first asked for."""

    kind = "hyperscan"
    __slots__ = ("_made", "_serialised")

    def __init__(self, serialised: Mapping[str, bytes]) -> None:
        self._serialised = serialised
        # The smallest is opened now: it proves that library and processor fit.
        self._made: dict[str, Gate] = {NAMES: HyperscanGate(serialised[NAMES])}

    def __call__(self, engine: str) -> Gate:
        """See `Engines`."""
        made = self._made.get(engine)
        if made is None:
            made = self._made[engine] = HyperscanGate(self._serialised[engine])
        return made


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
        engines, reason = _databases(place / database_file(), pack)
        if engines is not None:
            return LoadedPack(pack, engines)
        if engine == "hyperscan":
            raise ConfigurationInvalid(f"no hyperscan database for this machine: {reason}")
    return LoadedPack(pack, Re2Engines(pack), reason)


def _databases(path: Path, pack: Pack) -> tuple[Engines | None, str]:
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
        return HyperscanEngines(serialised), ""
    except hyperscan.error as error:
        return None, f"it is for another library or processor ({type(error).__name__})"


def enclosed(serialised: Mapping[str, bytes], pack: Pack) -> bytes:
    """Databases as they are kept: what they were built from, their hash, names and lengths, then themselves."""
    body = b"".join(serialised.values())
    parts = ",".join(f"{name}={len(database)}" for name, database in serialised.items())
    return _MAGIC + f"{pack.hash} {hashlib.sha256(body).hexdigest()} {parts}\n".encode("ascii") + body


def opened(content: bytes, pack: Pack) -> tuple[dict[str, bytes] | None, str]:
    """The databases inside, or None and the reason why they must not be used."""
    if not content.startswith(_MAGIC):
        return None, "it is no database of ours"
    header, _, body = content[len(_MAGIC) :].partition(b"\n")
    words = header.decode("latin-1").split(" ")
    if words[0] != pack.hash:
        return None, "it was built from other definitions"
    if len(words) != 3 or hashlib.sha256(body).hexdigest() != words[1]:
        return None, "it is damaged"
    serialised: dict[str, bytes] = {}
    position = 0
    for part in words[2].split(","):
        name, _, length = part.partition("=")
        serialised[name] = body[position : position + int(length)]
        position += int(length)
    if set(serialised) != set(ENGINES):
        return None, "it lacks an engine"
    return serialised, ""

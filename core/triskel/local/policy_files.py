"""Folders of policies on disk. One rule: it reads and writes texts, and knows nothing of what they say."""

from collections.abc import Mapping
from pathlib import Path

from triskel.errors import ConfigurationInvalid
from triskel.local.home import write_private
from triskel.policy.publishing.draft import DETECTORS_FILE, SCHEMA_FILE

MAX_FILE_BYTES = 16 * 1024 * 1024


def read_folder(folder: Path) -> dict[str, str]:
    """The texts that belong to a bundle, by their names in the folder. Raises ConfigurationInvalid."""
    if not folder.is_dir():
        raise ConfigurationInvalid(f"`{folder}` is no folder of policies")
    found = [*folder.glob("*.cedar"), *(folder / "tests").glob("*.yaml"), *(folder / "tests").glob("*.yml")]
    found += [path for name in (SCHEMA_FILE, DETECTORS_FILE) if (path := folder / name).exists()]
    return {path.relative_to(folder).as_posix(): read_text(path) for path in sorted(found)}


def read_text(path: Path) -> str:
    """One file. Raises ConfigurationInvalid."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationInvalid(f"`{path}` is larger than {MAX_FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationInvalid(f"`{path}`: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationInvalid(f"`{path}` is not UTF-8") from None


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Replace these files, each whole or not at all, and keep who may read them. Raises ConfigurationInvalid."""
    for name, text in texts.items():
        path = folder / name
        try:
            mode = path.stat().st_mode & 0o777
            write_private(path, text)
            path.chmod(mode)
        except OSError as error:
            raise ConfigurationInvalid(f"`{path}`: {error.strerror or error}") from None


def named_in(folder: Path, error: ConfigurationInvalid) -> ConfigurationInvalid:
    """The same error with its faults' files named from where the person stands."""
    return ConfigurationInvalid(
        error.message, faults=tuple(f"{folder}/{fault}" if _names_a_file(fault) else fault for fault in error.faults)
    )


def _names_a_file(fault: str) -> bool:
    return fault.partition(":")[0].endswith((".cedar", ".cedarschema", ".yaml", ".yml"))

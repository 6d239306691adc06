"""The data directory: what a second start finds again. Everything in it is its owner's alone."""

import contextlib
import os
import secrets
from pathlib import Path

from triskel.errors import ConfigurationInvalid


class Home:
    """A directory that holds the store, the journal, the heads and the keys.

    .triskel/
        triskel.db     tenants, keys, bundles, audit chains
        journal/       audit intents on their way into the chains
        heads/         signed heads, outside the store
        secrets/       the key that signs heads, the salt of hashes, and whatever `secret://` names
        demo-key       the demo tenant's API key, in clear
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "triskel.db"
        self.journal = directory / "journal"
        self.heads = directory / "heads" / "heads.jsonl"
        self.secrets = directory / "secrets"
        self.demo_key = directory / "demo-key"

    def prepare(self) -> None:
        """Make what is missing. Raises ConfigurationInvalid where nothing can be written."""
        try:
            for directory in (self.directory, self.secrets, self.heads.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.directory / ".writable"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise ConfigurationInvalid(
                f"the data directory `{self.directory}` cannot be written: {error.strerror or error}; choose one with --data-dir"
            ) from None

    def kept_secret(self, name: str, make: "str | None" = None) -> str:
        """The secret of this name, made and kept on its first use: `make`, or 256 random bits in 43 characters."""
        path = self.secrets / name
        with contextlib.suppress(FileNotFoundError):
            return path.read_text().strip()
        value = make or secrets.token_urlsafe(32)
        write_private(path, value)
        return value


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; never half of it."""
    unfinished = path.with_name(path.name + ".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)

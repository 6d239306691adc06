"""Secrets from files of one directory. Its one rule: nothing outside the directory is read, and nothing others may read.

A file holds one secret under its own name. One newline at the end is not part of it, because editors and `echo` add one.
"""

import asyncio
import os
import stat
from pathlib import Path

from triskel.adapters.secret_names import checked_secret_name, missing_secret

_MAX_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class FileSecrets:
    """`ports.secrets.Secrets` over a directory.

    Where `private`, a file that its group or others may use is refused. Container platforms mount secrets readable by
    all (mode 0444 or 0644) into a place that only the container sees: there it is off.
    """

    __slots__ = ("_directory", "_private")

    def __init__(self, directory: Path, *, private: bool = True) -> None:
        self._directory = directory
        self._private = private

    async def secret(self, name: str) -> str:
        """The value, read anew each time. Raises ConfigurationInvalid where there is none or it may not be used."""
        return await asyncio.to_thread(self._read, checked_secret_name(name))

    def _read(self, name: str) -> str:
        # A mounted secret is a link to a versioned file beside it, so links are followed, but not out of the directory.
        path = (self._directory / name).resolve()
        if not path.is_relative_to(self._directory.resolve()):
            raise missing_secret(f"secret `{name}` is a link that leads out of the directory of secrets")
        try:
            # Not blocking: opening a pipe would wait for a writer for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        except OSError as fault:
            reason = os.strerror(fault.errno or 0).lower()
            raise missing_secret(f"secret `{name}` cannot be read: {reason}") from None
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise missing_secret(f"secret `{name}` is not a file")
            if self._private and about.st_mode & _OTHERS:
                mode = stat.S_IMODE(about.st_mode)
                raise missing_secret(f"secret `{name}` is open to others (mode {mode:04o}): make it 0600")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(_MAX_BYTES + 1)
        finally:
            os.close(descriptor)
        return _decoded(name, data)


def _decoded(name: str, data: bytes) -> str:
    if len(data) > _MAX_BYTES:
        raise missing_secret(f"secret `{name}` is longer than {_MAX_BYTES} bytes")
    try:
        value = data.decode("utf-8")
    except UnicodeDecodeError:
        # Without the cause: it holds the bytes.
        raise missing_secret(f"secret `{name}` is not text in UTF-8") from None
    value = value.removesuffix("\n").removesuffix("\r") if value.endswith("\n") else value
    if not value:
        raise missing_secret(f"secret `{name}` is empty")
    return value

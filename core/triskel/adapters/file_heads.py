"""Signed heads as lines of a file. Its one rule: a line is on the disk before anybody relies on it.

The file belongs in another place than the store, so that whoever cuts the store's tail has to come here as well. Several
processes may use it: each append holds a lock on the file for as long as it takes. When it has grown, it is begun anew
with the newest head of each chain, and the file before it stays as `<name>.1`.
"""

import asyncio
import errno
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from triskel.errors import Unavailable
from triskel.model.audit import Head

_log = logging.getLogger("triskel.heads")

ROTATE_BYTES = 16 * 1024 * 1024
_LINE_BYTES = 16 * 1024
_BYTES_EACH = 1_000
"""A file is not begun anew before it is about twice as long as the new one would be."""


class FileHeads:
    """`ports.heads.HeadLog` in one file, made with its folder at the first append."""

    def __init__(self, path: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        """`path` names the file; a new one is begun when it has `rotate_bytes`."""
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._turn = asyncio.Lock()
        self._latest: dict[tuple[str, int], Head] = {}
        self._inode = 0
        self._read_bytes = 0
        self._read_lines = 0

    async def append(self, heads: Sequence[Head]) -> None:
        """Keep `heads` on the disk. Raises Unavailable, also where the file is damaged."""
        if heads:
            async with self._turn:
                await asyncio.to_thread(self._append, heads)

    async def latest(self, tenant_id: str | None = None) -> Sequence[Head]:
        """The head with the highest `seq` of each chain, by chain. Raises Unavailable where the file is damaged.

        Of two heads with the same `seq` the first counts, so that nothing that comes later can replace a proof.
        """
        async with self._turn:
            await asyncio.to_thread(self._refresh)
        return [head for chain, head in sorted(self._latest.items()) if tenant_id in (None, chain[0])]

    def _append(self, heads: Iterable[Head]) -> None:
        lines = [_line(head) for head in heads]
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(error) from error
        with self._opened(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as fd:
            self._take_in(fd)
            if self._read_bytes >= max(self._rotate_bytes, _BYTES_EACH * len(self._latest)):
                self._begin_anew()
        with self._opened(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as fd:
            self._take_in(fd)
            os.ftruncate(fd, self._read_bytes)  # a line that a crash left half written; nobody relied on it
            _write(fd, b"".join(lines), self._read_bytes)
            if not self._read_bytes:
                _sync_folder(self._path.parent)
            self._take_in(fd)

    def _refresh(self) -> None:
        try:
            with self._opened(os.O_RDONLY, fcntl.LOCK_SH) as fd:
                self._take_in(fd)
        except FileNotFoundError:
            if self._latest:
                raise _cut() from None

    @contextmanager
    def _opened(self, flags: int, lock: int) -> Iterator[int]:
        """The file, locked. Errors of the system become Unavailable, but for a missing file."""
        fd = -1
        try:
            while True:
                fd = os.open(self._path, flags, 0o600)
                fcntl.flock(fd, lock)
                # Another process may have begun it anew while this one waited for the lock.
                if os.fstat(fd).st_ino == os.stat(self._path).st_ino:
                    break
                os.close(fd)
                fd = -1
            yield fd
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unusable(error) from error
        finally:
            if fd >= 0:
                os.close(fd)

    def _take_in(self, fd: int) -> None:
        """Read the lines that were added since the last time, or all where the file is another one."""
        status = os.fstat(fd)
        if status.st_ino == self._inode:
            if status.st_size < self._read_bytes:
                raise _cut()
            latest, at, count = self._latest, self._read_bytes, self._read_lines
        else:
            latest, at, count = {}, 0, 0
        with os.fdopen(os.dup(fd), "rb") as lines:
            lines.seek(at)
            while (line := lines.readline(_LINE_BYTES)).endswith(b"\n"):
                _note(latest, line, count + 1)
                at, count = at + len(line), count + 1
        if len(line) == _LINE_BYTES:
            raise _damaged(count + 1)
        if latest is not self._latest:
            for chain, head in self._latest.items():
                if chain not in latest or latest[chain].seq < head.seq:
                    raise _cut()
        self._latest, self._inode, self._read_bytes, self._read_lines = latest, status.st_ino, at, count

    def _begin_anew(self) -> None:
        """Put a file with the newest heads alone in the place of this one, whose lock is held."""
        fresh = self._path.with_name(self._path.name + ".new")
        old = self._path.with_name(self._path.name + ".1")
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _write(fd, b"".join(_line(head) for _, head in sorted(self._latest.items())), 0)
            finally:
                os.close(fd)
            old.unlink(missing_ok=True)
            old.hardlink_to(self._path)
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            _log.warning("the log of audit heads stays as long as it is: %s", error.strerror)


def _note(latest: dict[tuple[str, int], Head], line: bytes, number: int) -> None:
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _damaged(number) from None
    chain = (head.tenant_id, head.shard)
    known = latest.get(chain)
    if known is None or head.seq > known.seq:
        latest[chain] = head


def _line(head: Head) -> bytes:
    line = msgspec.json.encode(head) + b"\n"
    if len(line) > _LINE_BYTES:
        raise Unavailable("an audit head is too long for its log")
    return line


def _write(fd: int, data: bytes, at: int) -> None:
    """Write `data` at the end, which is `at`, and put it on the disk; all of it or nothing. Raises OSError."""
    try:
        written = os.write(fd, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, at)
        raise


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unusable(error: OSError) -> Unavailable:
    return Unavailable(f"the log of audit heads cannot be used: {error.strerror}")


def _damaged(number: int) -> Unavailable:
    return Unavailable(f"the log of audit heads is damaged in line {number}")


def _cut() -> Unavailable:
    return Unavailable("the log of audit heads is damaged: heads that it had are gone")

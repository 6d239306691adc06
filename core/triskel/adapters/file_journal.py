"""The journal as append-only files in one folder. Its one rule: an append is whole in the file, or not there at all.

An append is one `write` on the event loop: a few microseconds, and it survives the death of the process. With durability
`disk` it also waits until the disk has it; all appends that wait at one moment share one `fdatasync` in a thread.
A frame that a crash left half written is cut off when the folder is opened again.
"""

import asyncio
import fcntl
import logging
import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from triskel.adapters.journal_frames import FRAME_HEAD_BYTES, MAX_FRAME_BYTES, DamagedFrame, frame, frame_bytes, parse
from triskel.errors import Unavailable
from triskel.ports.journal import JournalRecord

_log = logging.getLogger("triskel.journal")

Durability = Literal["process", "disk"]
"""What an append survives: the death of the process, or also a power cut."""

SEGMENT_BYTES = 16 * 1024 * 1024
_WINDOW_BYTES = 256 * 1024
_PROBE = bytes(4096)
_SUFFIX = ".journal"


class FileJournal:
    """`ports.journal.Journal` in a folder that one process holds."""

    def __init__(self, folder: Path, *, durability: Durability, segment_bytes: int) -> None:
        """Use `open`."""
        self._folder = folder
        self._disk = durability == "disk"
        self._segment_bytes = segment_bytes
        self._lock_fd = self._trim_fd = self._fd = -1
        self._bases: list[int] = []
        self._end = 0
        self._durable = 0
        self._trimmed = 0
        self._torn = False
        self._syncing: asyncio.Task[None] | None = None
        self._read_base, self._read_fd = -1, -1
        self._read_through = -1

    @classmethod
    def open(cls, folder: Path, *, durability: Durability = "process", segment_bytes: int = SEGMENT_BYTES) -> "FileJournal":
        """The journal in `folder`, which is made when it is missing. Reads its last segment: some 10 ms for each 16 MB.

        Raises Unavailable when another process holds it, or it cannot be used.
        """
        journal = cls(folder, durability=durability, segment_bytes=segment_bytes)
        try:
            journal._take_folder()
            journal._find_end()
        except OSError as error:
            journal._release()
            raise Unavailable(f"the audit journal in `{folder}` cannot be used: {error.strerror}") from error
        except Unavailable:
            journal._release()
            raise
        return journal

    async def append(self, tenant_id: str, shard: int, data: bytes) -> None:
        """Keep `data`. Raises Unavailable."""
        self._write(frame(tenant_id, shard, data))
        if self._disk:
            await self._on_disk(self._end)

    async def read(self, after: int, limit: int) -> Sequence[JournalRecord]:
        """At most `limit` records behind `after`; fewer only at the end. Raises Unavailable where a file is damaged."""
        if self._fd < 0:
            raise Unavailable("the audit journal is closed")
        records: list[JournalRecord] = []
        position = max(after, self._trimmed, self._bases[0])
        if position != self._read_through:
            position = self._beginning(position)
        through = self._durable if self._disk else self._end
        while len(records) < limit and position < through:
            found, position = self._read_window(position, min(through, self._segment_end(position)), limit - len(records))
            records.extend(found)
        self._read_through = position
        return records

    async def trim(self, through: int) -> None:
        """Delete the segments that lie whole at or before `through`, and never return what is left before it."""
        through = min(through, self._end)
        if through <= self._trimmed:
            return
        self._trimmed = through
        try:
            os.pwrite(self._trim_fd, b"%020d\n" % through, 0)
            while len(self._bases) > 1 and self._bases[1] <= through:
                self._path(self._bases[0]).unlink(missing_ok=True)
                del self._bases[0]
        except OSError as error:
            _log.warning("the audit journal is not trimmed: %s", error.strerror)  # what stays is read again, no more

    async def check(self) -> None:
        """Return if an append works now; it tries. Raises Unavailable."""
        self._write(_PROBE)
        self._end -= len(_PROBE)
        self._take_back()

    async def aclose(self) -> None:
        """Close the files and let go of the folder."""
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        self._release()

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            raise Unavailable("the audit journal is closed")
        if len(data) > MAX_FRAME_BYTES:
            raise Unavailable("an audit record is too large for the journal")
        if self._torn:
            self._take_back()
        try:
            if self._end - self._bases[-1] >= self._segment_bytes:
                self._rotate()
            written = os.write(self._fd, data)
        except OSError as error:
            self._take_back()
            raise Unavailable(f"the audit journal cannot be written: {error.strerror}") from error
        if written != len(data):
            self._take_back()
            raise Unavailable("the audit journal cannot be written: no space left")
        self._end += written

    def _take_back(self) -> None:
        """Cut off what stands behind the last whole frame."""
        try:
            os.ftruncate(self._fd, self._end - self._bases[-1])
            self._torn = False
        except OSError as error:
            self._torn = True
            raise Unavailable(f"the audit journal cannot be mended: {error.strerror}") from error

    async def _on_disk(self, position: int) -> None:
        while self._durable < position:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        target, fd = self._end, os.dup(self._fd)
        try:
            await asyncio.to_thread(os.fdatasync, fd)
            self._durable = max(self._durable, target)
        except OSError as error:
            # Whoever waits is told that nothing was kept. After a failed sync nobody knows which pages the disk has.
            self._end = self._durable
            self._take_back()
            raise Unavailable(f"the audit journal cannot be written: {error.strerror}") from error
        finally:
            self._syncing = None
            os.close(fd)

    def _rotate(self) -> None:
        if self._disk:
            os.fdatasync(self._fd)
        fd = self._create(self._end)
        os.close(self._fd)
        self._fd = fd
        self._durable = self._end
        self._bases.append(self._end)

    def _create(self, base: int) -> int:
        fd = os.open(self._path(base), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        if self._disk:
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return fd

    def _read_window(self, position: int, end: int, limit: int) -> tuple[list[JournalRecord], int]:
        base = self._bases[bisect_right(self._bases, position) - 1]
        fd = self._reader(base)
        try:
            window = os.pread(fd, min(_WINDOW_BYTES, end - position), position - base)
            records, used = parse(window, position, limit)
            if not used:
                window = os.pread(fd, min(frame_bytes(window), end - position), position - base)
                records, used = parse(window, position, limit)
            if not used:
                raise DamagedFrame
        except (OSError, DamagedFrame) as error:
            raise Unavailable(f"the audit journal is damaged in `{self._path(base).name}`, at {position - base}") from error
        return records, position + used

    def _beginning(self, position: int) -> int:
        """Where the frame begins in which `position` lies: a reader may ask, and trim, from anywhere between two records."""
        base = self._bases[bisect_right(self._bases, position) - 1]
        at, fd = base, self._reader(base)
        try:
            while at < position and (length := frame_bytes(os.pread(fd, FRAME_HEAD_BYTES, at - base))):
                if at + length > position:
                    break
                at += length
        except (OSError, DamagedFrame) as error:
            raise Unavailable(f"the audit journal is damaged in `{self._path(base).name}`, at {at - base}") from error
        return at

    def _segment_end(self, position: int) -> int:
        following = bisect_right(self._bases, position)
        return self._bases[following] if following < len(self._bases) else self._end

    def _reader(self, base: int) -> int:
        if base == self._bases[-1]:
            return self._fd
        if base != self._read_base:
            if self._read_fd >= 0:
                os.close(self._read_fd)
                self._read_base, self._read_fd = -1, -1
            try:
                self._read_fd = os.open(self._path(base), os.O_RDONLY)
            except OSError as error:
                raise Unavailable(f"the audit journal lost `{self._path(base).name}`: {error.strerror}") from error
            self._read_base = base
        return self._read_fd

    def _path(self, base: int) -> Path:
        return self._folder / f"{base:020d}{_SUFFIX}"

    def _take_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"the audit journal in `{self._folder}` is in use by another process") from None
        self._trim_fd = os.open(self._folder / "trimmed", os.O_RDWR | os.O_CREAT, 0o600)

    def _find_end(self) -> None:
        trimmed = os.pread(self._trim_fd, 21, 0).strip()
        self._trimmed = int(trimmed) if trimmed.isdigit() else 0
        self._bases = sorted(int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdigit())
        if not self._bases:
            self._bases = [self._trimmed]
            self._fd = self._create(self._trimmed)
        else:
            self._fd = os.open(self._path(self._bases[-1]), os.O_RDWR | os.O_APPEND)
        base = self._bases[-1]
        self._end = base + _whole_bytes(self._fd)
        torn = os.fstat(self._fd).st_size - (self._end - base)
        if torn:
            _log.warning("the audit journal ended in %d bytes of a record that was never whole; they are cut off", torn)
            self._take_back()
        self._durable = self._end
        # A power cut may have kept the mark and lost the records before it.
        self._trimmed = min(self._trimmed, self._end)

    def _release(self) -> None:
        for fd in (self._fd, self._read_fd, self._trim_fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._read_fd = self._trim_fd = self._lock_fd = self._read_base = -1


def _whole_bytes(fd: int) -> int:
    """How many bytes of whole frames a file begins with."""
    at = 0
    while True:
        window = os.pread(fd, _WINDOW_BYTES, at)
        try:
            used = parse(window, 0, _WINDOW_BYTES)[1]
            if not used:
                used = parse(os.pread(fd, frame_bytes(window), at), 0, 1)[1]
        except DamagedFrame:
            return at
        if not used:
            return at
        at += used

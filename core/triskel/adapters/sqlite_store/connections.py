"""Two connections to one file, each on a thread of its own. Its one rule: nothing of SQLite runs on the event loop.

One writer keeps this process from waiting for itself; a reader beside it sees the last commit (write-ahead log). Other
processes may write to the same file: who comes second waits for at most the busy time.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeVar

from triskel.adapters.sqlite_store import schema
from triskel.errors import InvalidRequest, Unavailable

Result = TypeVar("Result")
Synchronous = Literal["NORMAL", "FULL"]

_RETRY_S = 0.005
_JOURNAL_BYTES = 64 * 1024 * 1024
_CACHE_KIB = 16 * 1024
# An audit entry has 1 to 2 KB: appending them was a tenth cheaper than with SQLite's own 4 KB.
_PAGE_BYTES = 8_192
# Pages in the log before they are moved to their place: 16 MB. A page that many commits touch is moved once for all.
_CHECKPOINT_PAGES = 2_000
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_BUSY: "another process has kept it locked for too long",
    sqlite3.SQLITE_LOCKED: "another process has kept it locked for too long",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened or created",
    sqlite3.SQLITE_IOERR: "its disk has failed",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is not a database",
    sqlite3.SQLITE_PERM: "it may not be accessed",
}


class Connections:
    """A writer and a reader."""

    def __init__(self, path: Path, *, synchronous: Synchronous, busy_ms: int, max_bytes: int | None) -> None:
        """Open the file, create or migrate it. Raises Unavailable with the reason."""
        try:
            # Created here, so that nobody else can read it from its first byte on; the log inherits the mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with ExitStack() as undo:
                self._writer = _opened(path, synchronous, busy_ms)
                undo.callback(self._writer.close)
                schema.migrate(self._writer)
                if max_bytes is not None:
                    page_bytes = self._writer.execute("PRAGMA page_size").fetchone()[0]
                    self._writer.execute(f"PRAGMA max_page_count = {max(max_bytes // page_bytes, 1)}")
                self._reader = _opened(path, synchronous, busy_ms)
                undo.pop_all()
            self._reader.execute("PRAGMA query_only = ON")
        except OSError as fault:
            reason = os.strerror(fault.errno or 0).lower()
            raise Unavailable(f"the store `{path}` cannot be opened: {reason}") from fault
        except sqlite3.Error as fault:
            raise Unavailable(f"the store `{path}` cannot be opened: {_reason(fault)}") from fault
        self._writes = ThreadPoolExecutor(1, "triskel-store-writer")
        self._reads = ThreadPoolExecutor(1, "triskel-store-reader")
        self._closed = False

    async def write(self, work: Callable[..., Result], *arguments: object) -> Result:
        """The result of `work(connection, *arguments)`, run in one transaction. Nothing of it is kept where it raises.

        A caller that is cancelled meanwhile does not know whether it was kept.
        """
        return await self._run(self._writes, _in_transaction, self._writer, work, *arguments)

    async def read(self, work: Callable[..., Result], *arguments: object) -> Result:
        """The result of `work(connection, *arguments)`, run on the last commit."""
        return await self._run(self._reads, work, self._reader, *arguments)

    async def aclose(self) -> None:
        """Wait for what is under way, then close. Twice is a no-op."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for thread, connection in ((self._reads, self._reader), (self._writes, self._writer)):
            thread.shutdown(wait=True)
            connection.close()

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[..., Result], *arguments: Any) -> Result:
        if self._closed:
            raise Unavailable("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)
        except sqlite3.Error as fault:
            raise Unavailable(f"the store is out of order: {_reason(fault)}") from fault
        except (UnicodeEncodeError, OverflowError) as fault:
            raise InvalidRequest("text that is not Unicode or a number of more than 64 bits cannot be stored") from fault


def _opened(path: Path, synchronous: Synchronous, busy_ms: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file; an old one keeps its own
        if _with_log(connection, busy_ms) != "wal":
            raise Unavailable(f"the store `{path}` cannot be opened: its file system does not support a write-ahead log")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _with_log(connection: sqlite3.Connection, busy_ms: int) -> str:
    """The journal mode after asking for a write-ahead log.

    SQLite does not wait when another process changes the mode at the same moment, so that is done here.
    """
    deadline_s = time.monotonic() + busy_ms / 1000
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return mode


def _in_transaction(connection: sqlite3.Connection, work: Callable[..., Result], *arguments: object) -> Result:
    # IMMEDIATE takes the write lock first: a transaction that began as a reader could not wait for it later.
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection, *arguments)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have rolled back already
            connection.execute("ROLLBACK")
        raise
    return result


def _reason(fault: sqlite3.Error) -> str:
    """What is wrong, in words. The low byte of SQLite's code is the kind. https://www.sqlite.org/rescode.html"""
    code = getattr(fault, "sqlite_errorcode", None)
    return _REASONS.get(code & 0xFF if code is not None else -1, "SQLite has failed")

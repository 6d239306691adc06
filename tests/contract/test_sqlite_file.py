"""What a file of SQLite can suffer: other processes, a kill, a full disk, a lock, a newer program, a wrong path."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from triskel.adapters.sqlite_store import SqliteStore
from triskel.errors import Unavailable
from triskel.model.audit import AuditQuery
from triskel.model.principal import Tenant
from triskel.testing.contracts.audit_store import ChainBuilder, pages
from triskel.testing.contracts.store import api_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(path)
    yield opened
    await opened.aclose()


def python(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Another process that knows Triskel."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


_OPENER = """
import sys
from pathlib import Path
from triskel.adapters.sqlite_store import SqliteStore
print("open", flush=True)
sys.stdin.readline()
SqliteStore.open(Path(sys.argv[1]))
"""


def at_once(processes: "list[subprocess.Popen[str]]") -> list[str]:
    """What the processes say that wait to be told to go, once all of them wait. Fails where one of them does."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n", process.communicate()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outputs
    return [output for output, _ in outputs]


_APPENDER = """
import asyncio, sys
from pathlib import Path
from triskel.adapters.sqlite_store import SqliteStore
from triskel.testing.contracts.audit_store import ChainBuilder

async def main(path, name, rounds, size):
    store = SqliteStore.open(Path(path))
    print("open", flush=True)
    sys.stdin.readline()
    won = 0
    for turn in range(int(rounds)):
        last = await store.last_entry("acme", 0)
        chain = ChainBuilder(seq=last.seq if last else 0, last_hash=last.hash if last else "0" * 64)
        won += await chain.append(store, *[chain.entry(f"aud_{name}_{turn}_{n}") for n in range(int(size))])
    print(won, flush=True)
    await store.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


async def whole_chain(store: SqliteStore) -> int:
    """The length of acme's chain, of which every link and head holds."""
    entries = await store.chain("acme", 0, 0, 1_000_000)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    hashes = ["0" * 64, *[entry.hash for entry in entries]]
    assert [entry.prev_hash for entry in entries] == hashes[:-1]
    assert all(hashes[head.seq] == head.hash for head in await store.heads("acme", 0, 0, 1_000))
    calls = [entry for page in await pages(store, AuditQuery(tenant_id="acme", limit=1_000)) for entry in page]
    assert len(calls) == len(entries)
    return len(entries)


async def test_two_processes_keep_one_chain(store: SqliteStore, path: Path) -> None:
    """Whoever comes second is told so; no entry is lost, none is written twice, and every link holds."""
    won = [int(output) for output in at_once([python(_APPENDER, path, name, 60, 5) for name in "ab"])]
    assert await whole_chain(store) == sum(won) * 5
    assert all(count > 0 for count in won)


async def test_a_killed_process_leaves_whole_batches(store: SqliteStore, path: Path) -> None:
    """Killed in mid-append, its file needs no repair: what was appended stands, what was not is not there in part."""
    process = python(_APPENDER, path, "a", 100_000, 20)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    await asyncio.sleep(0.3)
    process.kill()
    process.communicate()
    length = await whole_chain(store)
    assert length > 0
    assert length % 20 == 0
    chain = ChainBuilder(seq=length)
    assert await chain.append(store, chain.entry("aud_after"))


def test_a_new_file_may_be_opened_by_many_at_once(path: Path) -> None:
    """One of them makes the schema; none fails."""
    at_once([python(_OPENER, path) for _ in range(4)])
    store = SqliteStore.open(path)
    asyncio.run(store.check())
    asyncio.run(store.aclose())


async def test_everything_survives_closing(store: SqliteStore, path: Path) -> None:
    """Opened again, the file says what it said."""
    chain = ChainBuilder()
    await chain.append(store, chain.entry("aud_1"), chain.entry("aud_2"))
    await store.put_tenant(Tenant(tenant_id="acme", name="Acme"))
    await store.put_key(api_key("k1"))
    await store.aclose()
    again = SqliteStore.open(path)
    assert await again.tenant("acme") == Tenant(tenant_id="acme", name="Acme")
    assert await again.key("k1") == api_key("k1")
    assert await whole_chain(again) == 2
    await again.aclose()


async def test_a_closed_store_refuses(store: SqliteStore) -> None:
    """What was under way is finished, what comes later is Unavailable, and closing twice is nothing."""
    writing = [asyncio.ensure_future(store.put_key(api_key(f"k{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(store.aclose(), store.aclose())
    await asyncio.gather(*writing)
    for late in (store.tenant("acme"), store.put_key(api_key("late")), store.check()):
        with pytest.raises(Unavailable, match="closed"):
            await late


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    """The log beside it too: it holds what the file will hold."""
    store = SqliteStore.open(path)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    asyncio.run(store.aclose())
    assert set(modes) >= {"store.db", "store.db-wal"}
    assert set(modes.values()) == {0o600}


class TestFaults:
    """What can happen to a file. Each is Unavailable, with the reason in words."""

    def test_a_newer_schema_is_refused(self, path: Path) -> None:
        """An older program must not write into what it does not understand."""
        asyncio.run(SqliteStore.open(path).aclose())
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO schema_version VALUES (99, 'later')")
        connection.close()
        with pytest.raises(Unavailable, match=r"schema 99 .* newer Triskel"):
            SqliteStore.open(path)

    async def test_a_schema_that_changes_under_it_shows(self, store: SqliteStore, path: Path) -> None:
        """Readiness says so."""
        connection = sqlite3.connect(path)
        for change, reason in (
            ("UPDATE schema_version SET version = version + 98", "newer"),
            ("DELETE FROM schema_version", "older"),
        ):
            with connection:
                connection.execute(change)
            with pytest.raises(Unavailable, match=reason):
                await store.check()
        connection.close()

    def test_an_unknown_format_is_refused(self, path: Path) -> None:
        """And left as it is."""
        path.write_bytes(b"this is not a database" * 100)
        with pytest.raises(Unavailable, match="not a database"):
            SqliteStore.open(path)
        assert path.read_bytes() == b"this is not a database" * 100

    def test_a_folder_that_is_not_there(self, path: Path) -> None:
        """The message names the file, for the operator."""
        with pytest.raises(Unavailable, match=r"nowhere/store\.db.*no such file"):
            SqliteStore.open(path.parent / "nowhere" / "store.db")

    def test_a_path_that_is_a_folder(self, path: Path) -> None:
        """No file can be made there."""
        with pytest.raises(Unavailable, match="directory"):
            SqliteStore.open(path.parent)

    async def test_a_full_disk_keeps_nothing_of_an_append(self, path: Path) -> None:
        """What was there before can be read, readers go on, and when there is room again it goes on."""
        store = SqliteStore.open(path, max_bytes=400_000)
        chain = ChainBuilder()
        before = chain.seq, chain.last_hash

        async def fill() -> None:
            nonlocal before
            for _ in range(100):
                before = chain.seq, chain.last_hash
                await chain.append(store, *[chain.entry(f"aud_{chain.seq}", body=b"x" * 2_000) for _ in range(10)])

        with pytest.raises(Unavailable, match="disk is full"):
            await fill()
        chain.seq, chain.last_hash = before
        assert chain.seq > 0
        assert await whole_chain(store) == chain.seq
        with pytest.raises(Unavailable, match="disk is full"):
            await store.put_tenant(Tenant(tenant_id="acme", name="x" * 500_000))
        await store.aclose()
        roomy = SqliteStore.open(path)
        assert await chain.append(roomy, chain.entry("aud_after"))
        assert await whole_chain(roomy) == chain.seq
        await roomy.aclose()

    async def test_a_lock_that_is_held_too_long(self, store: SqliteStore, path: Path) -> None:
        """After `busy_ms` a write gives up; reads are not kept waiting at all."""
        hasty = SqliteStore.open(path, busy_ms=50)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await hasty.put_key(api_key("k1"))
        with pytest.raises(Unavailable, match="locked"):
            await hasty.check()
        assert await hasty.key("k1") is None
        other.execute("ROLLBACK")
        await hasty.put_key(api_key("k1"))
        assert await store.key("k1") == api_key("k1")
        other.close()
        await hasty.aclose()

    def test_a_read_only_file(self, path: Path) -> None:
        """Somebody without the right to write is told so."""
        asyncio.run(SqliteStore.open(path).aclose())
        path.chmod(0o444)
        path.parent.chmod(0o755)
        process = python(_READ_ONLY, path)
        output, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
        assert "permission denied" in output


_READ_ONLY = """
import os, sys
from pathlib import Path
from triskel.adapters.sqlite_store import SqliteStore
from triskel.errors import Unavailable
path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    SqliteStore.open(path)
except Unavailable as fault:
    print(fault.message)
"""

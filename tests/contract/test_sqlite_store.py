"""The store on SQLite against the suite of every store, against the one in memory, and for what a file can suffer."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triskel.adapters.sqlite_store import SqliteStore, schema
from triskel.audit.record import Intent, Outcome, beginning, closed_record, opened_record, parse_record
from triskel.errors import Unavailable
from triskel.model.audit import AuditQuery, EntryKind
from triskel.model.call import Action, CallKind, Target
from triskel.model.decision import Decision, Verdict
from triskel.model.principal import Principal, PrincipalKind, Tenant
from triskel.testing.contracts.audit_store import START_MS, ChainBuilder, found, pages
from triskel.testing.contracts.store import StoreContract, api_key
from triskel.testing.memory_store import MemoryStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(path)
    yield opened
    await opened.aclose()


class TestSqliteStore(StoreContract):
    """Two connections to one file behave as two processes do."""

    @pytest.fixture
    def store(self, store: SqliteStore) -> SqliteStore:
        return store

    @pytest.fixture
    async def rival(self, store: SqliteStore, path: Path) -> AsyncIterator[SqliteStore]:
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
    assert all(hashes[head.seq] == head.hash for head in await store.heads("acme", 0))
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
        for change, reason in (("UPDATE schema_version SET version = 99", "newer"), ("DELETE FROM schema_version", "older")):
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


class TestStatements:
    """How the work is done."""

    @pytest.mark.parametrize(
        "filters",
        [
            {},
            {"audit_id": "a"},
            {"call_id": "c"},
            {"decision_id": "d"},
            {"principal_id": "p"},
            {"verdict": "deny"},
            {"verdict": "allow"},
            {"route": "r"},
            {"from_ms": 1, "to_ms": 2},
            {"principal_id": "p", "verdict": "deny", "route": "r", "from_ms": 1, "cursor": "5.5"},
            {"verdict": "deny", "cursor": "5.5"},
            {"cursor": "5.5"},
        ],
        ids=lambda filters: "+".join(filters) or "none",
    )
    def test_no_query_reads_everything(self, path: Path, filters: dict[str, Any]) -> None:
        """Each has an index that begins with the tenant, and none sorts what it found."""
        from triskel.adapters.sqlite_store.audit_rows import search

        asyncio.run(SqliteStore.open(path).aclose())
        connection = sqlite3.connect(path)
        sql, values = search(AuditQuery(tenant_id="acme", **filters))
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        connection.close()
        assert len(plan) == 2
        assert "SEARCH c USING INDEX" in plan[0]
        assert "tenant_id=?" in plan[0]
        assert plan[1] == "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)"

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 127, 128, 129, 300])
    async def test_batches_of_any_size(self, store: SqliteStore, size: int) -> None:
        """Every entry of it is there, in order, and found."""
        chain = ChainBuilder()
        assert await chain.append(store, *[chain.entry(f"aud_{n}") for n in range(size)])
        assert list(await store.chain("acme", 0, 0, 1_000)) == chain.made
        assert await found(store, AuditQuery(tenant_id="acme")) == [f"aud_{n}" for n in reversed(range(size))]

    async def test_a_record_of_the_audit_is_found_by_what_it_says(self, store: SqliteStore) -> None:
        """Opened and closed, by every filter there is, at the moment at which its call was opened."""
        principal = Principal(tenant_id="acme", principal_id="ann", kind=PrincipalKind.AGENT, tier="pilot", credential="key:k1")
        decision = Decision(
            decision_id="dec_1", verdict=Verdict.REDACT, policy_ids=(), reasons=(), bundle_hash="b", entities_hash="e"
        )
        intent = Intent(
            audit_id="aud_1",
            call_id="call_1",
            principal=principal,
            surface="openai.chat",
            kind=CallKind.MODEL,
            action=Action.CHAT,
            target=Target(kind="Model", name="small"),
            effect_key="call_1",
            opened_at_ms=START_MS - 5,
            deadline_ms=START_MS + 60_000,
            decision=decision,
        )
        outcome = Outcome(closed_at_ms=START_MS, outcome="ok", route="aws/bedrock/small")
        begun = beginning(intent, "epoch")
        opened = parse_record(opened_record(intent, begun, "epoch"))[1]
        closed = parse_record(closed_record(intent, begun, "epoch", outcome))[1]
        chain = ChainBuilder()
        entries = (chain.entry("aud_1", kind=EntryKind.OPENED, body=opened), chain.entry("aud_1", body=closed))
        await chain.append(store, *entries)
        said: list[dict[str, Any]] = [
            {"audit_id": "aud_1"},
            {"call_id": "call_1"},
            {"decision_id": "dec_1"},
            {"principal_id": "ann"},
            {"verdict": "redact"},
            {"route": "aws/bedrock/small"},
            {"from_ms": START_MS - 5, "to_ms": START_MS - 4},
        ]
        for filters in said:
            assert await store.find(AuditQuery(tenant_id="acme", **filters)) == ([entries[1]], None), filters

    @pytest.mark.parametrize(("synchronous", "level"), [("NORMAL", 1), ("FULL", 2)])
    async def test_the_operator_chooses_how_durable_a_commit_is(self, path: Path, synchronous: Any, level: int) -> None:
        """https://www.sqlite.org/pragma.html#pragma_synchronous numbers the levels."""
        store = SqliteStore.open(path, synchronous=synchronous)
        read = "PRAGMA synchronous", "PRAGMA journal_mode", "PRAGMA foreign_keys"
        values = await store._connections.write(lambda connection: [connection.execute(sql).fetchone()[0] for sql in read])
        await store.aclose()
        assert values == [level, "wal", 1]

    async def test_a_cancelled_caller_does_not_stop_the_writer(self, store: SqliteStore) -> None:
        """The next write goes through, whether the cancelled one was kept or not."""
        chain = ChainBuilder()
        writing = asyncio.ensure_future(chain.append(store, chain.entry("aud_1")))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await store.put_key(api_key("k1"))
        assert await store.key("k1") == api_key("k1")

    def test_every_migration_is_numbered_once(self) -> None:
        """From 1, without gaps; the newest is what the program expects."""
        numbers = [version for version, _, _ in schema.migrations()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert schema.known_version() == numbers[-1]


_WORDS = st.sampled_from(["", "a", "A", "b", "ä"])
_ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "audit_id": st.sampled_from(["aud_1", "aud_2", "aud_3", "aud_4"]),
            "kind": st.sampled_from(list(EntryKind)),
            "opened_at_ms": st.integers(START_MS, START_MS + 3),
        },
        optional={"call_id": _WORDS, "decision_id": _WORDS, "principal_id": _WORDS, "verdict": _WORDS, "route": _WORDS},
    ),
    min_size=1,
    max_size=5,
)
_QUERIES = st.builds(
    AuditQuery,
    tenant_id=st.sampled_from(["acme", "other"]),
    audit_id=st.none() | st.sampled_from(["aud_1", "aud_9"]),
    principal_id=st.none() | _WORDS.filter(bool),
    verdict=st.none() | _WORDS.filter(bool),
    route=st.none() | _WORDS.filter(bool),
    from_ms=st.none() | st.integers(START_MS, START_MS + 3),
    to_ms=st.none() | st.integers(START_MS, START_MS + 4),
    limit=st.integers(1, 4),
)


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.tuples(st.sampled_from(["acme", "other"]), _ENTRIES), max_size=6), queries=st.lists(_QUERIES, max_size=6)
)
def test_it_finds_what_the_store_in_memory_finds(batches: list[Any], queries: list[AuditQuery]) -> None:
    """Whatever was appended and whatever is asked, page by page."""

    async def play(path: Path) -> None:
        store, oracle = SqliteStore.open(path), MemoryStore()
        chains = {tenant_id: ChainBuilder(tenant_id=tenant_id) for tenant_id in ("acme", "other")}
        opened: dict[tuple[str, str], int] = {}
        for tenant_id, batch in batches:
            # A call is opened once: each of its entries says the same moment.
            moments = [opened.setdefault((tenant_id, said["audit_id"]), said["opened_at_ms"]) for said in batch]
            said_once = [{**said, "opened_at_ms": at_ms} for said, at_ms in zip(batch, moments, strict=True)]
            entries = [chains[tenant_id].entry(**said) for said in said_once]
            assert await chains[tenant_id].append(store, *entries)
            assert await chains[tenant_id].append(oracle, *entries)
        for query in queries:
            assert await pages(store, query) == await pages(oracle, query)
        for tenant_id in chains:
            assert list(await store.open_calls(tenant_id, 0)) == list(await oracle.open_calls(tenant_id, 0))
        await store.aclose()

    with TemporaryDirectory() as directory:
        asyncio.run(play(Path(directory) / "store.db"))

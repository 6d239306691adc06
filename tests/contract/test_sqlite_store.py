"""The store on SQLite against the suite of every store, against the one in memory, and how it does its work."""

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
from triskel.model.audit import AuditQuery, EntryKind
from triskel.model.call import Action, CallKind, Target
from triskel.model.decision import Decision, Verdict
from triskel.model.principal import Principal, PrincipalKind
from triskel.testing.contracts.audit_store import START_MS, ChainBuilder, found, pages
from triskel.testing.contracts.store import StoreContract, activation, api_key, bundle
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


_ACTIVATOR = """
import asyncio, sys
from pathlib import Path
from triskel.adapters.sqlite_store import SqliteStore
from triskel.testing.contracts.store import bundle

async def main(path, name):
    store = SqliteStore.open(Path(path))
    print("open", flush=True)
    sys.stdin.readline()
    won = 0
    for turn in range(100):
        last = await store.bundle_history("acme", 1)
        before, mine = last[0].bundle_hash if last else None, f"{name}{turn}"
        await store.put_bundle(bundle("acme", mine))
        won += await store.activate_bundle("acme", mine, turn, by=f"after {before}", if_active=before)
    print(won, flush=True)
    await store.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_never_activate_over_each_other(store: SqliteStore, path: Path) -> None:
    """Each activation of the history stands on the one that its process had seen; the others were told so."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _ACTIVATOR, str(path)]
    processes = [subprocess.Popen([*command, name], stdin=pipe, stdout=pipe, text=True) for name in "ab"]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [int(process.communicate(timeout=30)[0]) for process in processes]
    history = list(await store.bundle_history("acme", 1_000))
    assert len(history) == sum(won)
    assert all(won)
    before = [each.bundle_hash for each in history[1:]] + [None]
    assert [each.by for each in history] == [f"after {name}" for name in before]


async def test_activations_of_an_older_file_name_nobody(path: Path) -> None:
    """What the first version wrote is migrated as it is; what comes after says who."""
    version, name, script = schema.migrations()[0]
    connection = sqlite3.connect(path)
    connection.executescript(script + "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;")
    connection.execute("INSERT INTO schema_version VALUES (?, ?)", (version, name))
    connection.execute("INSERT INTO bundles VALUES ('acme', 'h1', ?, 7)", (b"permit",))
    connection.execute("INSERT INTO bundle_activations (owner, bundle_hash, at_ms) VALUES ('acme', 'h1', 10)")
    connection.commit()
    connection.close()
    store = SqliteStore.open(path)
    assert await store.bundle("h1") == bundle("acme", "h1")
    assert await store.activate_bundle("acme", "h1", 20, by="user:ann", if_active="h1")
    assert list(await store.bundle_history("acme", 9)) == [activation(20, "h1", "user:ann"), activation(10, "h1")]
    await store.check()
    await store.aclose()


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

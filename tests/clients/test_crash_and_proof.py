"""Proof that survives: crashes in mid-call, disks that are full, and hands that changed the store."""

import resource
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import Start, make_key
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Triskel, eventually, run, serve

LONG_AGO = {"stall_ms": 60_000, "first_frame_ms": 60_000, "whole_ms": 60_000}


@contextmanager
def calling(served: Triskel, **chat: Any) -> Iterator[None]:
    """A call under way in another thread, whose end, whatever it is, is nobody's concern here."""

    def call() -> None:
        try:
            served.chat("hi", **chat)
        except (OSError, EOFError, ValueError):
            return
        except Exception as error:
            if type(error).__module__ != "http.client":
                raise

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)


@pytest.mark.parametrize("stream", [False, True])
def test_a_crash_in_mid_call(start: Start, clouds: Clouds, tmp_path: Path, stream: bool) -> None:
    """After `kill -9` and a restart the chain is whole, and the call that was open is reported as abandoned, once."""
    served = start(timeouts=LONG_AGO)
    done = served.chat("hi").headers["x-triskel-audit"]
    clouds.order({"kind": "stall", "after_frames": 3} if stream else {"kind": "hang"})
    with calling(served, model="bench", stream=stream):
        clouds.wait_for("in_flight")
        eventually(lambda: served.verify()["open_calls"] == 1, "the open call to be in the chain")
        served.kill()
    clouds.wait_for("cancelled")
    while_dead = run(["audit", "verify", "--data-dir", served.directory], tmp_path)
    assert while_dead.returncode == 0, while_dead.stdout
    clouds.calm()
    with serve(served.directory, clouds.configuration()) as again:
        again.key = served.key
        verified = again.verify()
        assert verified["valid"] is True
        assert (verified["open_calls"], verified["abandoned_calls"]) == (0, 1)
        abandoned, closed = again.audit()["data"]
        assert (closed["id"], closed["state"], closed["outcome"]) == (done, "closed", "ok")
        assert (abandoned["state"], abandoned["reason"], abandoned["outcome"]) == ("abandoned", "process_gone", None)
        assert abandoned["principal"]["id"] == "ana"
        assert abandoned["decision"]["verdict"] == "allow"
        assert again.chat("hi").status == 200
        assert again.verify()["abandoned_calls"] == 1
    after = run(["audit", "verify", "--data-dir", served.directory], tmp_path)
    assert after.returncode == 0
    assert after.stdout.startswith("valid: ")
    assert ", 0 open and 1 abandoned calls" in after.stdout


@contextmanager
def no_file_grows(served: Triskel, directory: Path, room_bytes: int) -> Iterator[None]:
    """The disk as the process sees it: its journal may grow by so many bytes more, and nothing beyond."""
    journal = max((directory / "journal").glob("*.journal"))
    unlimited = resource.prlimit(served.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (journal.stat().st_size + room_bytes, unlimited[1]))
    try:
        yield
    finally:
        resource.prlimit(served.pid, resource.RLIMIT_FSIZE, unlimited)


@pytest.mark.parametrize(("room_bytes", "stream"), [(0, False), (1, True), (700, False)])
def test_a_full_disk_refuses_the_call(
    start: Start, clouds: Clouds, require: Callable[[bool, str], None], room_bytes: int, stream: bool
) -> None:
    """Where an intent cannot be written, or only half of it, the call is 503 and nothing is sent; with room it goes on."""
    require(sys.platform == "linux", "a way to limit another process's files")
    served = start()
    assert served.chat("hi").status == 200
    clouds.begin_anew()
    with no_file_grows(served, served.directory, room_bytes):
        for _ in range(3):
            reply = served.chat("hi", stream=stream)
            assert (reply.status, reply.code) == (503, "unavailable")
            assert "journal" in reply.json["error"]["message"]
            assert "retry-after" in reply.headers
        ready = served.ask("GET", "/ready")
        assert (ready.status, ready.json["checks"]["audit"]["ok"]) == (503, False)
        assert sum(clouds.seen().values()) == 0
        assert served.ask("GET", "/health").status == 200
    assert served.chat("hi").status == 200
    eventually(lambda: served.ask("GET", "/ready").status == 200, "readiness")
    assert served.verify()["valid"] is True


def test_a_disk_that_is_full_when_the_call_ends(start: Start, clouds: Clouds, require: Callable[[bool, str], None]) -> None:
    """The intent had room and the end has none: the caller is answered, and the record is not closed in silence."""
    require(sys.platform == "linux", "a way to limit another process's files")
    served = start()
    sizes = []
    for _ in range(2):
        journal = max((served.directory / "journal").glob("*.journal"))
        before = journal.stat().st_size
        assert served.chat("hi").status == 200
        sizes.append(journal.stat().st_size - before)
    with no_file_grows(served, served.directory, min(sizes) - 100):
        reply = served.chat("hi")
        assert reply.status == 200
        assert "could not be closed" in served.log
    found = served.audit(id=reply.headers["x-triskel-audit"])["data"]
    assert not found or found[0]["state"] == "open"
    eventually(lambda: served.verify()["open_calls"] == 1, "the open call to be reported")
    assert served.verify()["valid"] is True


@pytest.fixture(scope="module")
def proof(running_clouds: Clouds, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which eight calls are on record, in several batches, and nobody runs."""
    directory = tmp_path_factory.mktemp("proof") / "data"
    running_clouds.begin_anew()
    running_clouds.give_keys(directory)
    with serve(directory, running_clouds.configuration()) as served:
        served.key = make_key(directory, "acme")
        for _ in range(4):
            served.chat("hi")
            served.chat("mail bob@example.com")
            assert served.verify()["valid"] is True
    assert run(["audit", "verify", "--data-dir", directory], directory).stdout.startswith("valid: 8 entries")
    return directory


@pytest.fixture
def database(proof: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The store of a copy of it, at `tmp_path/data`, in the hands of somebody who may change it."""
    shutil.copytree(proof, tmp_path / "data")
    connection = sqlite3.connect(tmp_path / "data" / "triskel.db", isolation_level=None)
    yield connection
    connection.close()


def verdict(folder: Path) -> str:
    """What `triskel audit verify` finds: not valid, status 1."""
    ended = run(["audit", "verify", "--data-dir", folder / "data"], folder)
    assert (ended.returncode, ended.stderr) == (1, ""), ended
    assert ended.stdout.startswith("NOT VALID: ")
    return ended.stdout


ROW = "entry_no, tenant_id, shard, seq, audit_id, kind, at_ms, body, prev_hash, hash"


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (["UPDATE audit_entries SET body = CAST(replace(CAST(body AS TEXT), 'ana', 'eve') AS BLOB) WHERE seq = 4"], "changed"),
        (["UPDATE audit_entries SET at_ms = at_ms - 1 WHERE seq = 4"], "changed"),
        (["UPDATE audit_entries SET audit_id = 'aud_x' WHERE seq = 8"], "changed"),
        (["UPDATE audit_entries SET kind = 'abandoned' WHERE seq = 1"], "changed"),
        (["UPDATE audit_entries SET tenant_id = 'other' WHERE seq = 8"], "truncated"),
        (["UPDATE audit_entries SET hash = upper(hash) WHERE seq = 4"], "changed"),
        (["UPDATE audit_entries SET prev_hash = hash WHERE seq = 4"], "changed"),
        (["DELETE FROM audit_entries WHERE seq = 4"], "removed"),
        (["DELETE FROM audit_entries WHERE seq = 1"], "removed"),
        (["DELETE FROM audit_entries WHERE seq = 8"], "truncated"),
        (["DELETE FROM audit_entries WHERE seq > 5", "DELETE FROM audit_heads WHERE seq > 5"], "truncated"),
        (
            ["DELETE FROM audit_entries", "DELETE FROM audit_heads", "DELETE FROM audit_chains", "DELETE FROM audit_calls"],
            "truncated",
        ),
        (["DELETE FROM audit_entries WHERE seq = 4", "UPDATE audit_entries SET seq = seq - 1 WHERE seq > 4"], "reordered"),
        (
            ["UPDATE audit_entries SET seq = -seq WHERE seq IN (4, 5)", "UPDATE audit_entries SET seq = 9 + seq WHERE seq < 0"],
            "reordered",
        ),
        (
            [
                "INSERT INTO audit_entries SELECT 99, tenant_id, shard, 9, audit_id, kind, at_ms, body, hash, hash FROM audit_entries WHERE seq = 8"
            ],
            "inserted",
        ),
        (
            [
                "UPDATE audit_entries SET seq = -seq - 1 WHERE seq > 3",
                "UPDATE audit_entries SET seq = -seq WHERE seq < 0",
                "INSERT INTO audit_entries SELECT 99, tenant_id, shard, 4, 'aud_x', kind, at_ms, body, prev_hash, hash FROM audit_entries WHERE seq = 3",
            ],
            "changed",
        ),
        (["DELETE FROM audit_heads WHERE seq = (SELECT max(seq) FROM audit_heads)"], "removed"),
        (
            [
                "UPDATE audit_heads SET signature = replace(signature, substr(signature, 1, 1), '0') || '' WHERE substr(signature, 1, 1) <> '0'",
                "UPDATE audit_heads SET hash = hash",
            ],
            "head_forged",
        ),
        (["UPDATE audit_heads SET key_id = '0000000000000000'"], "head_forged"),
        (["UPDATE audit_heads SET at_ms = at_ms + 1"], "head_forged"),
    ],
)
def test_what_was_done_to_the_store_is_found(
    database: sqlite3.Connection, tmp_path: Path, statements: list[str], kind: str
) -> None:
    """Rows changed, removed (at the tail too), inserted, reordered, heads removed or forged: each is named."""
    for statement in statements:
        database.execute(statement)
    database.close()
    assert f": {kind}: " in verdict(tmp_path)


def test_a_chain_that_was_computed_anew_is_found(database: sqlite3.Connection, tmp_path: Path) -> None:
    """Who changes an entry and computes every hash behind it anew is betrayed by the heads, which need a key."""
    from dataclasses import replace

    from triskel.adapters.sqlite_store import audit_rows
    from triskel.audit.chain import hash_of

    entries = audit_rows.chain(database, "acme", 0, 0, 100)
    previous = entries[0].prev_hash
    for entry in entries:
        body = entry.body.replace(b'"ana"', b'"eve"') if entry.seq == 4 else entry.body
        forged = replace(entry, body=body, prev_hash=previous)
        previous = hash_of(forged)
        database.execute(
            "UPDATE audit_entries SET body = ?, prev_hash = ?, hash = ? WHERE seq = ?",
            [body, forged.prev_hash, previous, entry.seq],
        )
    database.execute("UPDATE audit_heads SET hash = (SELECT hash FROM audit_entries e WHERE e.seq = audit_heads.seq)")
    database.close()
    assert ": head_forged: " in verdict(tmp_path)


def test_heads_outside_the_store_that_were_removed(proof: Path, tmp_path: Path) -> None:
    """A log of heads that is gone, cut, or of another chain is found: the store alone proves nothing about its tail."""
    for number, tamper in enumerate((lambda path: path.unlink(), lambda path: path.write_bytes(b""))):
        folder = tmp_path / str(number)
        shutil.copytree(proof, folder / "data")
        tamper(folder / "data" / "heads" / "heads.jsonl")
        assert ": removed: the log outside the store has no head of this chain" in verdict(folder)
    damaged = tmp_path / "damaged"
    shutil.copytree(proof, damaged / "data")
    (damaged / "data" / "heads" / "heads.jsonl").write_bytes(b"{}\n")
    ended = run(["audit", "verify", "--data-dir", damaged / "data"], damaged)
    assert ended.returncode == 1
    assert ended.stderr.startswith("triskel: the log of audit heads is damaged")


def test_the_gateway_finds_it_too(proof: Path, clouds: Clouds, tmp_path: Path) -> None:
    """A gateway that starts on a store whose tail was cut does not go on as if nothing were: it says so, and is not ready."""
    directory = tmp_path / "data"
    shutil.copytree(proof, directory)
    with sqlite3.connect(directory / "triskel.db") as connection:
        connection.execute("DELETE FROM audit_entries WHERE seq > 5")
        connection.execute("DELETE FROM audit_heads WHERE seq > 5")
    connection.close()
    clouds.give_keys(directory)
    with serve(directory, clouds.configuration()) as served:
        served.key = make_key(directory, "acme")
        verified = served.verify()
        assert verified["valid"] is False
        assert {fault["kind"] for fault in verified["faults"]} == {"truncated"}
        served.chat("hi")
        eventually(lambda: served.ask("GET", "/ready").status == 503, "the broken chain to be told")
        assert "acme/0" in served.ask("GET", "/ready").json["checks"]["audit"]["reason"]


def test_only_the_tenant_that_is_asked_for_is_verified(database: sqlite3.Connection, tmp_path: Path) -> None:
    """`--tenant` looks at one tenant's chains: another's fault is not its."""
    database.execute("UPDATE audit_entries SET at_ms = 0 WHERE seq = 4")
    database.close()
    assert "acme/0 entry 4: changed: " in verdict(tmp_path)
    other = run(["audit", "verify", "--tenant", "other", "--data-dir", tmp_path / "data"], tmp_path)
    assert (other.returncode, other.stdout) == (0, "valid: 0 entries, 0 signed heads, 0 open and 0 abandoned calls\n")


@pytest.mark.parametrize("age_s", [0.0, 0.5])
def test_a_crash_before_the_intent_is_in_the_chain(start: Start, clouds: Clouds, age_s: float) -> None:
    """An intent that was in the journal alone when the process was killed is reported as abandoned by the next one."""
    served = start(timeouts=LONG_AGO)
    done = served.chat("hi").headers["x-triskel-audit"]
    clouds.order({"kind": "hang"})
    with calling(served, model="bench"):
        clouds.wait_for("in_flight")
        time.sleep(age_s)
        served.kill()
    clouds.calm()
    with serve(served.directory, clouds.configuration()) as again:
        again.key = served.key
        assert again.verify() == {**again.verify(), "valid": True, "entries": 2, "open_calls": 0, "abandoned_calls": 1}
        abandoned, closed = again.audit()["data"]
        assert (closed["id"], closed["state"]) == (done, "closed")
        assert (abandoned["state"], abandoned["reason"]) == ("abandoned", "process_gone")


def test_crashes_under_load_lose_and_repeat_nothing(clouds: Clouds, tmp_path: Path) -> None:
    """Every call that was answered before a `kill -9` is in the chain once, whatever the sequencer was doing."""
    directory = tmp_path / "data"
    clouds.give_keys(directory)
    answered: list[str] = []
    key = make_key(directory, "acme")
    for _ in range(3):
        served = serve(directory, clouds.configuration())
        served.key = key

        def call(served: Triskel = served) -> None:
            while True:
                try:
                    answered.append(served.chat("hi", timeout_s=5).headers["x-triskel-audit"])
                except Exception:  # noqa: BLE001 - the crash
                    return

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        so_far = len(answered)
        eventually(lambda so_far=so_far: len(answered) >= so_far + 100, "calls to be answered")  # type: ignore[misc]
        served.kill()
        for thread in threads:
            thread.join()
    with serve(directory, clouds.configuration()) as again:
        again.key = key
        verified = again.verify()
        assert (verified["valid"], verified["open_calls"]) == (True, 0)
        records = again.audit(limit=1000)["data"]
        ids = [record["id"] for record in records]
        assert len(ids) == len(set(ids))
        assert set(answered) <= set(ids)
        assert {record["state"] for record in records if record["id"] in set(answered)} == {"closed"}

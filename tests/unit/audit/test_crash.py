"""A process that is killed in mid-call, and the one that comes after it, on real files."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.audit.records import KEYS, SIGNER, a_principal, an_intent, an_outcome

from triskel.adapters.file_heads import FileHeads
from triskel.adapters.file_journal import FileJournal
from triskel.adapters.sqlite_store import SqliteStore
from triskel.audit.query import view
from triskel.audit.sequencer import Pace, Sequencer
from triskel.audit.verify import verify
from triskel.audit.writer import AuditWriter
from triskel.model.audit import AuditQuery
from triskel.testing.clock import FixedClock

LIFE = """
import asyncio, sys
from pathlib import Path
from tests.unit.audit import test_crash

asyncio.run(test_crash.live(Path(sys.argv[1]), sys.argv[2]))
"""


class Files:
    """Journal, store and log in one folder, and a process that uses them."""

    def __init__(self, folder: Path, epoch: str) -> None:
        self.journal = FileJournal.open(folder / "journal")
        self.store = SqliteStore.open(folder / "store.db")
        self.heads = FileHeads(folder / "heads.jsonl")
        self.sequencer = Sequencer(
            journal=self.journal,
            store=self.store,
            heads=self.heads,
            signer=SIGNER,
            clock=FixedClock(),
            epoch=epoch,
            pace=Pace(batch_delay_ms=1),
        )
        self.writer = AuditWriter(self.journal, epoch=epoch, on_append=self.sequencer.wake)

    async def aclose(self) -> None:
        await self.journal.aclose()
        await self.store.aclose()


async def live(folder: Path, when: str) -> None:
    """Make calls, sequence some, say `ready` in the middle of one, and wait for the end."""
    files = Files(folder, "life_1")
    for number in range(20):
        await files.writer.close(await files.writer.open(an_intent(f"aud_{number:02d}")), an_outcome())
    if when != "before it was sequenced":
        await files.sequencer.drain(10_000)
    await files.writer.close(await files.writer.open(an_intent("aud_20")), an_outcome())
    await files.writer.open(an_intent("aud_open"))
    if when == "after it was chained as opened":
        await files.sequencer.drain(10_000)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


def killed(folder: Path, when: str) -> None:
    """Let a process live until it is in the middle of a call, and kill it there."""
    with subprocess.Popen(
        [sys.executable, "-c", LIFE, str(folder), when],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
async def lives(tmp_path: Path) -> AsyncIterator[list[Files]]:
    opened: list[Files] = []
    yield opened
    for files in opened:
        await files.aclose()


@pytest.mark.parametrize("when", ["before it was sequenced", "in the middle", "after it was chained as opened"])
async def test_after_kill_9_the_chain_verifies_and_the_open_call_is_told(tmp_path: Path, when: str, lives: list[Files]) -> None:
    """Every call that ended is there once; the one that had not is abandoned."""
    killed(tmp_path, when)
    files = Files(tmp_path, "life_2")
    lives.append(files)
    await files.sequencer.flush()
    found = await verify(files.store, files.heads, KEYS)
    assert found.valid, found.faults
    assert (found.open_calls, found.abandoned_calls) == (0, 1)
    rows, _ = await files.store.find(AuditQuery(tenant_id=a_principal().tenant_id))
    states = {shown["id"]: shown["state"] for shown in map(view, rows)}
    assert states == {**{f"aud_{number:02d}": "closed" for number in range(21)}, "aud_open": "abandoned"}
    assert found.entries == (23 if when == "after it was chained as opened" else 22)


async def test_a_database_that_was_tampered_with_is_found_and_not_continued(tmp_path: Path, lives: list[Files]) -> None:
    """Rows that were changed in the file itself, while no process looked."""
    killed(tmp_path, "in the middle")
    for statement, kind in (
        ("UPDATE audit_entries SET body = CAST('{}' AS BLOB) WHERE seq = 3", "changed"),
        ("UPDATE audit_entries SET kind = 'bogus' WHERE seq = 4", "changed"),
        ("DELETE FROM audit_entries WHERE seq = 7", "removed"),
        ("UPDATE audit_heads SET hash = 'x' WHERE seq = 20", "head_forged"),
        ("DELETE FROM audit_entries WHERE seq > 18", "truncated"),
    ):
        sql = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
        subprocess.run([sys.executable, "-c", sql, str(tmp_path / "store.db"), statement], check=True)
        files = Files(tmp_path, "life_2")
        found = await verify(files.store, files.heads, KEYS)
        assert kind in {fault.kind for fault in found.faults}, statement
        await files.aclose()
    files = Files(tmp_path, "life_3")
    lives.append(files)
    await files.sequencer.flush()
    assert "acme/0" in files.sequencer.lag.fault
    assert (await files.store.last_entry("acme", 0)).seq == 18

"""The file journal keeps its promise: whole or not at all, whatever happens to the process or the disk."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from triskel.adapters.file_journal import Durability, FileJournal
from triskel.errors import Unavailable
from triskel.testing.contracts.journal import DurableJournalContract, read_all

SMALL_BYTES = 20_000


class FileJournalSuite(DurableJournalContract):
    durability: Durability = "process"
    segment_bytes = 16 * 1024 * 1024

    @pytest.fixture
    async def journal(self, tmp_path: Path) -> AsyncIterator[FileJournal]:
        self.folder = tmp_path / "journal"
        self.opened = FileJournal.open(self.folder, durability=self.durability, segment_bytes=self.segment_bytes)
        yield self.opened
        await self.opened.aclose()

    @pytest.fixture
    async def reopen(self, journal: FileJournal) -> Callable[[], Awaitable[FileJournal]]:
        async def again() -> FileJournal:
            await self.opened.aclose()
            self.opened = FileJournal.open(self.folder, durability=self.durability, segment_bytes=self.segment_bytes)
            return self.opened

        return again


class TestFileJournal(FileJournalSuite):
    """With one large segment."""


class TestFileJournalInSmallSegments(FileJournalSuite):
    """With a new segment after a few records."""

    segment_bytes = SMALL_BYTES


class TestFileJournalOnDisk(FileJournalSuite):
    """With every append on the disk before it returns."""

    durability: Durability = "disk"
    segment_bytes = SMALL_BYTES


async def filled(folder: Path, count: int = 10, size: int = 100) -> list[bytes]:
    journal = FileJournal.open(folder)
    data = [b"%03d" % number + b"x" * size for number in range(count)]
    for item in data:
        await journal.append("acme", 0, item)
    await journal.aclose()
    return data


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


@pytest.mark.parametrize("cut", [1, 5, 60, 112])
async def test_a_record_that_was_half_written_is_dropped(tmp_path: Path, cut: int) -> None:
    """A crash in the middle of a write loses that record alone; the next append follows the last whole one."""
    data = await filled(tmp_path)
    (segment,) = segments(tmp_path)
    os.truncate(segment, segment.stat().st_size - cut)
    journal = FileJournal.open(tmp_path)
    await journal.append("acme", 0, b"next")
    assert [record.data for record in await read_all(journal)] == [*data[:-1], b"next"]
    await journal.aclose()


@pytest.mark.parametrize("garbage", [b"\0" * 5000, b"\xff" * 5000, b"\x05\0\0\0abcd\0\0\x09\0z", b"\x01"])
async def test_what_a_power_cut_left_behind_the_last_record_is_dropped(tmp_path: Path, garbage: bytes) -> None:
    """Zeros and noise at the end are no records."""
    data = await filled(tmp_path)
    with segments(tmp_path)[0].open("ab") as segment:
        segment.write(garbage)
    journal = FileJournal.open(tmp_path)
    assert [record.data for record in await read_all(journal)] == data
    await journal.aclose()


async def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    """A bit that flipped after the journal was opened is never returned as a record."""
    await filled(tmp_path)
    journal = FileJournal.open(tmp_path)
    with segments(tmp_path)[0].open("r+b") as segment:
        segment.seek(400)
        segment.write(b"!")
    records = await journal.read(0, 3)
    with pytest.raises(Unavailable, match="damaged"):
        await journal.read(records[-1].position, 3)
    await journal.aclose()


async def test_trimming_deletes_files(tmp_path: Path) -> None:
    """What was trimmed takes no room: the folder stays small for ever."""
    journal = FileJournal.open(tmp_path, segment_bytes=SMALL_BYTES)
    for _ in range(20):
        for _ in range(30):
            await journal.append("acme", 0, b"x" * 1000)
        await journal.trim((await read_all(journal))[-1].position)
    assert len(segments(tmp_path)) <= 2
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3 * SMALL_BYTES
    await journal.aclose()


async def test_trimmed_records_do_not_come_back_after_a_restart(tmp_path: Path) -> None:
    """Also those whose segment is still there."""
    data = await filled(tmp_path)
    journal = FileJournal.open(tmp_path)
    await journal.trim((await read_all(journal))[5].position)
    await journal.aclose()
    journal = FileJournal.open(tmp_path)
    assert [record.data for record in await read_all(journal)] == data[6:]
    await journal.aclose()


@pytest.mark.parametrize("mark", [b"", b"garbage", b"99999999999999999999\n"])
async def test_a_damaged_mark_loses_no_later_record(tmp_path: Path, mark: bytes) -> None:
    """Whatever a power cut made of the mark of the trimmed, what is appended from now on is read."""
    await filled(tmp_path)
    (tmp_path / "trimmed").write_bytes(mark)
    journal = FileJournal.open(tmp_path)
    await journal.append("acme", 0, b"new")
    assert [record.data for record in await read_all(journal)][-1] == b"new"
    await journal.aclose()


async def test_one_process_holds_the_folder(tmp_path: Path) -> None:
    """A second one is told so, and can have it when the first lets go."""
    journal = FileJournal.open(tmp_path)
    with pytest.raises(Unavailable, match="in use by another process"):
        FileJournal.open(tmp_path)
    await journal.aclose()
    await FileJournal.open(tmp_path).aclose()


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """The folder is the owner's alone, and so is each file."""
    await filled(tmp_path / "deep" / "journal")
    folder = tmp_path / "deep" / "journal"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The error names the folder and the reason."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match=r"file/journal.*cannot be used"):
        FileJournal.open(tmp_path / "file" / "journal")


async def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    """Nothing is kept, nothing is read, nothing works."""
    journal = FileJournal.open(tmp_path)
    await journal.aclose()
    for refused in (journal.append("acme", 0, b"x"), journal.read(0, 1), journal.check()):
        with pytest.raises(Unavailable, match="closed"):
            await refused


async def test_appends_that_wait_for_the_disk_share_its_syncs(tmp_path: Path) -> None:
    """A hundred appends at once are all kept; none is readable before it is on the disk."""
    journal = FileJournal.open(tmp_path, durability="disk")
    pending = [asyncio.ensure_future(journal.append("acme", 0, b"%d" % number)) for number in range(100)]
    await asyncio.sleep(0)
    assert await journal.read(0, 1000) == []
    await asyncio.gather(*pending)
    assert len(await read_all(journal)) == 100
    await journal.aclose()


CRASH = """
import asyncio, os, sys
from pathlib import Path
from triskel.adapters.file_journal import FileJournal

async def main():
    journal = FileJournal.open(Path(sys.argv[1]))
    number = 0
    while True:
        await journal.append("acme", 0, b"%06d" % number + b"x" * 700)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_what_was_appended_survives_kill_9(tmp_path: Path) -> None:
    """Every record whose append returned is there after its process was killed."""
    process = subprocess.Popen([sys.executable, "-c", CRASH, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(300):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    returned = 300 + len(process.stdout.read().splitlines())
    process.wait()
    process.stdout.close()
    journal = FileJournal.open(tmp_path)
    numbers = [int(record.data[:6]) for record in await read_all(journal)]
    assert len(numbers) >= returned
    assert numbers == list(range(len(numbers)))
    await journal.aclose()


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from triskel.adapters.file_journal import FileJournal
from triskel.errors import Unavailable

async def main():
    journal = FileJournal.open(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    kept, refused = [], 0
    for number in range(2000):
        try:
            await journal.append("acme", 0, b"%06d" % number + b"x" * (number % 7 * 300))
            kept.append(number)
        except Unavailable as error:
            assert "cannot be written" in str(error), error
            refused += 1
    try:
        await journal.check()
        print("the check did not tell")
    except Unavailable:
        pass
    records = []
    while page := await journal.read(records[-1].position if records else 0, 100):
        records.extend(page)
    assert [int(record.data[:6]) for record in records] == kept
    assert kept and refused
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (Path(sys.argv[1]).parent / "ballast").unlink()
    await journal.check()
    await journal.append("acme", 0, b"999999")
    await journal.aclose()
    journal = FileJournal.open(Path(sys.argv[1]))
    assert (await journal.read(records[-1].position, 10))[-1].data == b"999999"
    await journal.aclose()
    print("whole")

asyncio.run(main())
"""


def run_full(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_where_a_file_may_not_grow_nothing_is_half_kept(tmp_path: Path) -> None:
    """At a file size limit an append is refused whole, the check says so, and appends work again when there is room."""
    assert run_full(str(tmp_path / "journal"), "200000") == "whole\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_on_a_full_disk_nothing_is_half_kept(tmp_path: Path) -> None:
    """On a disk without room an append is refused whole, the check says so, and appends work again when there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        (disk / "ballast").write_bytes(b"x" * 500_000)
        assert run_full(str(disk / "journal")) == "whole\n"
    finally:
        subprocess.run(["umount", str(disk)], check=True)

"""The file of signed heads: nothing that was in it disappears unnoticed."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from triskel.adapters.file_heads import FileHeads
from triskel.errors import Unavailable
from triskel.testing.contracts.heads import DurableHeadLogContract, head


class FileHeadsSuite(DurableHeadLogContract):
    rotate_bytes = 1_000_000

    @pytest.fixture
    def heads(self, tmp_path: Path) -> FileHeads:
        self.path = tmp_path / "proof" / "heads.jsonl"
        return FileHeads(self.path, rotate_bytes=self.rotate_bytes)

    @pytest.fixture
    def reopen(self, heads: FileHeads) -> Callable[[], Awaitable[FileHeads]]:
        async def again() -> FileHeads:
            return FileHeads(self.path, rotate_bytes=self.rotate_bytes)

        return again


class TestFileHeads(FileHeadsSuite):
    """With one file."""


class TestFileHeadsBegunAnew(FileHeadsSuite):
    """With a new file as often as possible."""

    rotate_bytes = 1


async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """The file and the folder made for it are the owner's alone."""
    path = tmp_path / "proof" / "heads.jsonl"
    await FileHeads(path).append([head("acme", 1)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_line_that_was_half_written_is_dropped(tmp_path: Path) -> None:
    """Nobody relied on it: the heads before it stand, and the next one takes its place."""
    path = tmp_path / "heads.jsonl"
    await FileHeads(path).append([head("acme", 1), head("acme", 2)])
    os.truncate(path, path.stat().st_size - 20)
    heads = FileHeads(path)
    assert list(await heads.latest()) == [head("acme", 1)]
    await heads.append([head("acme", 3)])
    assert list(await FileHeads(path).latest()) == [head("acme", 3)]


@pytest.mark.parametrize("damage", [b"{}", b"\xff\xfe", b'{"tenant_id":"acme"', b"x" * 20_000, b'["acme",0]', b""])
async def test_a_damaged_line_is_told(tmp_path: Path, damage: bytes) -> None:
    """The log says which line, and neither reads nor appends."""
    path = tmp_path / "heads.jsonl"
    await FileHeads(path).append([head("acme", 1), head("acme", 2), head("acme", 3)])
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], damage, lines[2], b""]))
    heads = FileHeads(path)
    with pytest.raises(Unavailable, match="damaged in line 2"):
        await heads.latest()
    with pytest.raises(Unavailable, match="damaged in line 2"):
        await heads.append([head("acme", 4)])


@pytest.mark.parametrize("how", ["cut", "deleted", "replaced", "emptied"])
async def test_heads_that_disappear_are_missed(tmp_path: Path, how: str) -> None:
    """Who has seen a head does not accept a file without it."""
    path = tmp_path / "heads.jsonl"
    heads = FileHeads(path)
    await heads.append([head("acme", 1)])
    before = path.read_bytes()
    await heads.append([head("acme", 2)])
    if how == "cut":
        os.truncate(path, len(before))
    elif how == "emptied":
        os.truncate(path, 0)
    else:
        path.unlink()
        if how == "replaced":
            path.write_bytes(before)
    with pytest.raises(Unavailable, match="gone"):
        await heads.latest()
    with pytest.raises(Unavailable, match="gone"):
        await heads.append([head("acme", 3)])


async def test_two_writers_share_the_file(tmp_path: Path) -> None:
    """Each sees what the other appended, also while the file is begun anew under their hands."""
    path = tmp_path / "heads.jsonl"
    writers = [FileHeads(path, rotate_bytes=2_000) for _ in range(2)]
    await asyncio.gather(*(writers[number % 2].append([head("acme", number + 1), head(f"t{number}", 1)]) for number in range(40)))
    for writer in writers:
        latest = {(h.tenant_id, h.seq) for h in await writer.latest()}
        assert latest == {("acme", 40), *((f"t{number}", 1) for number in range(40))}


async def test_the_file_does_not_grow_without_bound(tmp_path: Path) -> None:
    """It is begun anew with the newest heads; the one before it stays beside it."""
    path = tmp_path / "heads.jsonl"
    heads = FileHeads(path, rotate_bytes=2_000)
    for seq in range(1, 60):
        await heads.append([head("acme", seq)])
    assert path.stat().st_size < 3_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["heads.jsonl", "heads.jsonl.1"]
    assert list(await FileHeads(path).latest()) == [head("acme", 59)]


async def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """As Unavailable, with the reason."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be used"):
        await FileHeads(tmp_path / "file" / "heads.jsonl").append([head("acme", 1)])

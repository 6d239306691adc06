"""The journal and the head log in memory are held to the same suites as the real ones."""

import pytest

from triskel.errors import Unavailable
from triskel.testing.contracts.heads import HeadLogContract, head
from triskel.testing.contracts.journal import JournalContract
from triskel.testing.memory_heads import MemoryHeads
from triskel.testing.memory_journal import MemoryJournal


class TestMemoryJournal(JournalContract):
    """In the process alone."""

    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal()


class TestMemoryHeads(HeadLogContract):
    """In the process alone."""

    @pytest.fixture
    def heads(self) -> MemoryHeads:
        return MemoryHeads()


async def test_they_fail_when_told_to() -> None:
    """With the reason that the test gave; then nothing is kept."""
    journal, heads = MemoryJournal(), MemoryHeads()
    journal.fault = heads.fault = "gone"
    for refused in (journal.append("acme", 0, b"x"), journal.check(), heads.append([head("acme", 1)])):
        with pytest.raises(Unavailable, match="gone"):
            await refused
    assert await journal.read(0, 1) == []
    assert await heads.latest() == []

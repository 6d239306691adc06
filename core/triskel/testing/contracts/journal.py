"""What every `ports.journal.Journal` must do. One rule: only what the port promises is asked.

A backend's test module inherits `JournalContract` and has a fixture `journal`; where records outlive the object, it
inherits `DurableJournalContract` and has a fixture `reopen` too, which closes the journal and opens it again.
"""

from collections.abc import Awaitable, Callable, Sequence

from triskel.ports.journal import Journal, JournalRecord


async def read_all(journal: Journal, page: int = 100) -> list[JournalRecord]:
    """Every record, read page by page."""
    records: list[JournalRecord] = []
    while found := await journal.read(records[-1].position if records else 0, page):
        records.extend(found)
    return records


def _content(records: Sequence[JournalRecord]) -> list[tuple[str, int, bytes]]:
    return [(record.tenant_id, record.shard, record.data) for record in records]


class JournalContract:
    """Of every journal."""

    async def test_a_new_journal_is_empty(self, journal: Journal) -> None:
        """There is nothing to read before the first append."""
        assert await journal.read(0, 10) == []

    async def test_records_come_back_as_they_were_appended(self, journal: Journal) -> None:
        """Tenant, shard, bytes and order are kept, whatever the bytes are."""
        appended = [
            ("acme", 0, b"first"),
            ("tenant-ü", 3, bytes(range(256))),
            ("acme", 1, b""),
            ("acme", 0, b"\n\x00\n"),
            ("acme", 0, b"x" * 700_000),
            ("acme", 0, b"last"),
        ]
        for tenant_id, shard, data in appended:
            await journal.append(tenant_id, shard, data)
        assert _content(await journal.read(0, 10)) == appended

    async def test_positions_grow_from_above_zero(self, journal: Journal) -> None:
        """Each position is greater than the one before, and the first is greater than 0."""
        for number in range(20):
            await journal.append("acme", 0, b"%d" % number)
        positions = [record.position for record in await journal.read(0, 100)]
        assert positions == sorted(set(positions))
        assert positions[0] > 0

    async def test_reading_goes_on_behind_a_position(self, journal: Journal) -> None:
        """`read(after)` gives what stands behind it; behind the last there is nothing, until something is appended."""
        for number in range(5):
            await journal.append("acme", 0, b"%d" % number)
        records = await journal.read(0, 100)
        assert await journal.read(records[1].position, 100) == records[2:]
        assert await journal.read(records[-1].position, 100) == []
        await journal.append("acme", 0, b"later")
        assert _content(await journal.read(records[-1].position, 100)) == [("acme", 0, b"later")]

    async def test_a_page_is_as_long_as_asked_unless_it_is_the_last(self, journal: Journal) -> None:
        """A reader may take a short page for the end."""
        for number in range(250):
            await journal.append("acme", 0, b"%d" % number * 1000)
        first = await journal.read(0, 100)
        second = await journal.read(first[-1].position, 100)
        third = await journal.read(second[-1].position, 100)
        assert [len(first), len(second), len(third)] == [100, 100, 50]
        assert [record.data for record in (*first, *second, *third)] == [b"%d" % n * 1000 for n in range(250)]

    async def test_trimming_keeps_what_is_behind(self, journal: Journal) -> None:
        """Records behind the trimmed position stay, with their positions."""
        for number in range(10):
            await journal.append("acme", 0, b"%d" % number)
        records = await journal.read(0, 100)
        await journal.trim(records[3].position)
        assert await journal.read(records[3].position, 100) == records[4:]
        assert list(await journal.read(0, 100))[-6:] == records[4:]

    async def test_any_position_may_be_asked_for(self, journal: Journal) -> None:
        """Positions need not be those of records: what is trimmed to just before a record leaves it, and all behind it."""
        for number in range(10):
            await journal.append("acme", 0, b"%d" % number * 50)
        records = await journal.read(0, 100)
        for place, record in enumerate(records):
            assert await journal.read(record.position - 1, 100) == records[place:]
        await journal.trim(records[4].position - 1)
        assert list(await journal.read(0, 100))[-6:] == records[4:]
        assert await journal.read(records[4].position, 100) == records[5:]

    async def test_positions_grow_after_everything_was_trimmed(self, journal: Journal) -> None:
        """A position is never used twice."""
        await journal.append("acme", 0, b"before")
        last = (await journal.read(0, 1))[0].position
        await journal.trim(last)
        await journal.append("acme", 0, b"after")
        later = await journal.read(last, 10)
        assert _content(later) == [("acme", 0, b"after")]
        assert later[0].position > last

    async def test_a_check_leaves_nothing_behind(self, journal: Journal) -> None:
        """Readiness may ask as often as it likes."""
        await journal.append("acme", 0, b"one")
        for _ in range(3):
            await journal.check()
        await journal.append("acme", 0, b"two")
        assert _content(await journal.read(0, 10)) == [("acme", 0, b"one"), ("acme", 0, b"two")]


class DurableJournalContract(JournalContract):
    """Of a journal whose records outlive the object."""

    async def test_records_and_positions_survive(self, journal: Journal, reopen: Callable[[], Awaitable[Journal]]) -> None:
        """Opened again, the journal has the same records at the same positions."""
        for number in range(5):
            await journal.append("acme", 0, b"%d" % number)
        before = await read_all(journal)
        assert await read_all(await reopen()) == before

    async def test_what_was_trimmed_to_before_a_record_is_read_after_a_restart(
        self, journal: Journal, reopen: Callable[[], Awaitable[Journal]]
    ) -> None:
        """Whoever died with one record still to be looked at finds it, and those behind it."""
        for number in range(10):
            await journal.append("acme", 0, b"%d" % number * 50)
        records = await journal.read(0, 100)
        await journal.trim(records[4].position - 1)
        again = await reopen()
        assert list(await again.read(0, 100))[-6:] == records[4:]

    async def test_positions_grow_over_a_restart(self, journal: Journal, reopen: Callable[[], Awaitable[Journal]]) -> None:
        """Also when everything was trimmed before it."""
        await journal.append("acme", 0, b"before")
        last = (await journal.read(0, 1))[0].position
        await journal.trim(last)
        again = await reopen()
        await again.append("acme", 0, b"after")
        later = await again.read(last, 10)
        assert _content(later) == [("acme", 0, b"after")]
        assert later[0].position > last

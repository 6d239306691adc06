"""The writer: no record, no effect."""

import pytest
from tests.unit.audit.records import a_decision, an_intent, an_outcome

from triskel.audit.record import decode_body, parse_record
from triskel.audit.writer import AuditWriter, shard_of
from triskel.errors import Unavailable
from triskel.model.audit import EntryKind
from triskel.model.decision import Verdict
from triskel.testing.memory_journal import MemoryJournal


async def test_a_call_leaves_two_records():
    """The intent before the effect, and after it a record that is whole in itself."""
    journal, woken = MemoryJournal(), []
    writer = AuditWriter(journal, epoch="life_1", on_append=lambda: woken.append(1))
    opened = await writer.open(an_intent())
    await writer.close(opened, an_outcome())
    records = [parse_record(record.data) for record in await journal.read(0, 10)]
    assert [header.kind for header, _ in records] == [EntryKind.OPENED, EntryKind.CLOSED]
    assert [decode_body(body)[1:] for _, body in records] == [(an_intent(), None), (an_intent(), an_outcome())]
    assert len(woken) == 2


async def test_a_refused_call_leaves_one():
    """It was closed before it could begin."""
    journal = MemoryJournal()
    denied = an_intent(decision=a_decision(Verdict.DENY))
    await AuditWriter(journal, epoch="life_1").refuse(denied, an_outcome(outcome="denied"))
    (record,) = await journal.read(0, 10)
    header, body = parse_record(record.data)
    assert header.kind is EntryKind.CLOSED
    assert decode_body(body)[1:] == (denied, an_outcome(outcome="denied"))


async def test_without_a_journal_nothing_may_begin():
    """Opening, closing and refusing all tell."""
    journal = MemoryJournal()
    writer = AuditWriter(journal, epoch="life_1")
    opened = await writer.open(an_intent())
    journal.fault = "disk full"
    for attempt in (
        writer.open(an_intent("aud_2")),
        writer.close(opened, an_outcome()),
        writer.refuse(an_intent("aud_3"), an_outcome()),
    ):
        with pytest.raises(Unavailable, match="disk full"):
            await attempt
    assert len(await journal.read(0, 10)) == 1


async def test_both_records_of_a_call_are_in_one_shard():
    """Which depends on tenant and audit id alone, and is the same in every process."""
    journal = MemoryJournal()
    writer = AuditWriter(journal, epoch="life_1", shards=8)
    for number in range(50):
        await writer.close(await writer.open(an_intent(f"aud_{number}")), an_outcome())
    records = await journal.read(0, 1000)
    shards = [record.shard for record in records]
    assert shards[::2] == shards[1::2] == [shard_of("acme", f"aud_{number}", 8) for number in range(50)]
    assert set(shards) == set(range(8))
    assert [shard_of(tenant, "aud_3", 8) for tenant in ("acme", "other")] == [0, 0]

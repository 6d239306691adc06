"""The sequencer: what was put on record stands in its chain, once and in order."""

import logging

from tests.unit.audit.records import House, WatchedStore, an_intent, an_outcome

from triskel.audit.record import decode_body
from triskel.audit.sequencer import Pace
from triskel.audit.writer import AuditWriter, shard_of


async def test_a_quick_call_makes_one_entry():
    """Intent and outcome that are read together become one `closed` entry, which says everything."""
    house = House()
    await house.call("aud_1")
    await house.sequencer.flush()
    assert await house.story() == ["closed aud_1"]
    (entry,) = await house.entries()
    _, intent, outcome = decode_body(entry.body)
    assert (intent.audit_id, outcome.outcome) == ("aud_1", "ok")
    assert entry.at_ms == outcome.closed_at_ms
    assert (await house.verify()).valid


async def test_a_long_call_is_opened_after_the_grace_and_closed_at_its_end():
    """Until the grace has passed nothing is written; afterwards the chain shows that the call is open."""
    house = House()
    opened = await house.open("aud_1")
    await house.sequencer.flush()
    house.clock.advance(900)
    await house.sequencer.flush()
    assert await house.story() == []
    house.clock.advance(200)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1"]
    assert (await house.verify()).open_calls == 1
    await house.close(opened)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1", "closed aud_1"]
    assert (await house.verify()).open_calls == 0


async def test_a_refused_call_makes_one_entry():
    """It has no effect, so its record is whole at once."""
    house = House()
    await house.writer.refuse(an_intent("aud_1"), an_outcome(outcome="denied", route="", attempts=()))
    await house.sequencer.flush()
    assert await house.story() == ["closed aud_1"]


async def test_draining_chains_open_calls_too():
    """When a process is about to freeze, the chain shows what is under way."""
    house = House()
    await house.open("aud_1")
    await house.call("aud_2")
    assert await house.sequencer.drain(1_000)
    assert await house.story() == ["closed aud_2", "opened aud_1"]
    assert house.sequencer.lag.waiting == 0


async def test_tenants_and_shards_have_chains_of_their_own():
    """Each counts from 1; a call stays in its shard."""
    house = House()
    house.writer = AuditWriter(house.journal, epoch=house.epoch, shards=4)
    ids = [f"aud_{number}" for number in range(40)]
    for audit_id in ids:
        for tenant_id in ("acme", "other"):
            await house.call(audit_id, tenant_id)
    await house.sequencer.flush()
    for tenant_id in ("acme", "other"):
        for shard in range(4):
            expected = [f"closed {audit_id}" for audit_id in ids if shard_of(tenant_id, audit_id, 4) == shard]
            assert expected
            assert await house.story(tenant_id, shard) == expected
    assert (await house.verify()).entries == 80


async def test_heads_go_outside_and_the_journal_is_trimmed_last():
    """The log holds the end of the chain; the journal is told to forget what is chained, not what waits."""
    house = House()
    await house.call("aud_1")
    await house.open("aud_2")
    await house.call("aud_3")
    await house.sequencer.flush()
    (head,) = await house.heads.latest()
    assert (head.seq, head.hash) == (2, (await house.entries())[-1].hash)
    assert house.journal.trims == [2]
    house.clock.advance(1_001)
    await house.sequencer.flush()
    assert house.journal.trims == [2, 5]


async def test_a_crash_between_intent_and_outcome_leaves_an_abandoned_call():
    """The next life of the process finds the intent, and nobody who could close it."""
    house = House()
    await house.call("aud_1")
    await house.open("aud_2")
    house.restart("life_2")
    await house.sequencer.flush()
    assert await house.story() == ["closed aud_1", "abandoned aud_2"]
    assert decode_body((await house.entries())[1].body)[0].reason == "process_gone"
    found = await house.verify()
    assert (found.valid, found.abandoned_calls, found.open_calls) == (True, 1, 0)


async def test_an_open_call_of_a_dead_process_is_abandoned_once():
    """Also when it was chained as opened before the crash, and in every later life."""
    house = House()
    await house.open("aud_1")
    await house.sequencer.drain(1_000)
    for life in range(2, 5):
        house.restart(f"life_{life}")
        await house.sequencer.flush()
        assert await house.story() == ["opened aud_1", "abandoned aud_1"]


async def test_an_open_call_of_this_process_is_abandoned_long_after_its_deadline():
    """Nobody can close it any more; its reason says so."""
    house = House()
    await house.open("aud_1")
    await house.sequencer.drain(1_000)
    house.clock.advance(60_000 + 59_999)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1"]
    house.clock.advance(1)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1", "abandoned aud_1"]
    assert decode_body((await house.entries())[1].body)[0].reason == "deadline_passed"


async def test_an_end_that_comes_after_all_is_recorded():
    """Proof is never thrown away: the call is then closed, not abandoned."""
    house = House()
    opened = await house.open("aud_1")
    await house.sequencer.drain(1_000)
    house.clock.advance(200_000)
    await house.sequencer.flush()
    await house.close(opened)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1", "abandoned aud_1", "closed aud_1"]
    found = await house.verify()
    assert (found.valid, found.abandoned_calls, found.open_calls) == (True, 0, 0)


async def test_where_other_processes_write_too_their_calls_may_still_end():
    """An intent of another epoch is opened, and given up by its deadline alone."""
    house = House(sole=False)
    await house.open("aud_1")
    house.restart("life_2")
    await house.sequencer.flush()
    house.clock.advance(1_001)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1"]
    house.clock.advance(120_000)
    await house.sequencer.flush()
    assert await house.story() == ["opened aud_1", "abandoned aud_1"]


async def test_what_is_no_record_is_passed_over(caplog):
    """Something foreign in the journal stops nothing; the log tells where it is."""
    house = House()
    await house.journal.append("acme", 0, b"garbage")
    await house.call("aud_1")
    with caplog.at_level(logging.ERROR):
        await house.sequencer.flush()
    assert await house.story() == ["closed aud_1"]
    assert "no audit record" in caplog.text


async def test_what_waits_is_bounded():
    """When too many calls are open at once, the oldest are chained as opened before their grace is over."""
    house = House(pace=Pace(max_waiting=10, step_records=16))
    opened = [await house.open(f"aud_{number:03d}") for number in range(100)]
    await house.sequencer.flush()
    assert house.sequencer.lag.waiting == 10
    assert await house.story() == [f"opened aud_{number:03d}" for number in range(90)]
    for call in opened:
        await house.close(call)
    await house.sequencer.flush()
    assert await house.story() == [
        *(f"opened aud_{number:03d}" for number in range(90)),
        *(f"closed aud_{number:03d}" for number in range(100)),
    ]


async def test_entries_go_to_the_store_in_bounded_batches():
    """However long the journal is."""
    house = House(store=WatchedStore(), pace=Pace(step_records=32))
    for number in range(500):
        await house.call(f"aud_{number}")
    await house.sequencer.flush()
    assert sum(house.store.sizes) == 500
    assert max(house.store.sizes) <= 32

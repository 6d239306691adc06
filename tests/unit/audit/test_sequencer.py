"""The sequencer: what was put on record stands in its chain once, whatever happened in between."""

import asyncio
import logging

import pytest

from tests.unit.audit.records import House, an_intent, an_outcome, until
from triskel.audit.chain import Tail
from triskel.audit.heads import Signer
from triskel.audit.record import decode_body
from triskel.audit.sequencer import Pace
from triskel.audit.writer import AuditWriter, shard_of
from triskel.errors import InvalidRequest, Unavailable

QUICK = Pace(batch_delay_ms=1, retry_ms=5)


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


@pytest.mark.parametrize("crash", ["before", "after"])
async def test_a_store_that_fails_makes_nothing_twice(crash):
    """Whether it failed before it wrote or after it, each record is chained once."""
    house = House()
    for number in range(5):
        await house.call(f"aud_{number}")
    await house.open("aud_open")
    house.store.faults.append(crash)
    with pytest.raises(Unavailable):
        await house.sequencer.flush()
    assert "the store" in house.sequencer.lag.fault
    await house.call("aud_5")
    await house.sequencer.flush()
    assert await house.story() == [f"closed aud_{number}" for number in range(6)]
    assert house.sequencer.lag.fault == ""
    assert (await house.verify()).valid


@pytest.mark.parametrize("crash", ["before", "after", "heads", "trim"])
async def test_a_crash_between_any_two_steps_makes_nothing_twice(crash):
    """A new process reads the whole journal again, and chains what is missing and no more."""
    house = House()
    await house.call("aud_0")
    await house.sequencer.flush()
    for number in range(1, 5):
        await house.call(f"aud_{number}")
    opened = await house.open("aud_open")
    if crash in ("before", "after"):
        house.store.faults.append(crash)
    elif crash == "heads":
        house.heads.fault = "the log is away"
    try:
        await house.sequencer.flush()
    except Unavailable:
        pass
    house.heads.fault = ""
    house.restart("life_2")
    await house.call("aud_5")
    await house.sequencer.flush()
    assert await house.story() == [*(f"closed aud_{number}" for number in range(6)), f"abandoned {opened.intent.audit_id}"]
    (head,) = await house.heads.latest()
    assert head.seq == 7
    found = await house.verify()
    assert (found.valid, found.entries, found.abandoned_calls) == (True, 7, 1)


async def test_a_head_that_did_not_go_outside_goes_with_the_next_process():
    """Even when there is nothing new to chain in any other chain."""
    house = House()
    house.heads.fault = "the log is away"
    await house.call("aud_1")
    with pytest.raises(Unavailable):
        await house.sequencer.flush()
    assert house.journal.trims == []
    house.heads.fault = ""
    house.restart("life_2")
    await house.call("aud_2")
    await house.sequencer.flush()
    assert [head.seq for head in await house.heads.latest()] == [2]
    assert (await house.verify()).valid


async def test_a_log_that_failed_is_tried_again():
    """The store has the entries already; the head follows, then the journal is trimmed."""
    house = House()
    await house.call("aud_1")
    house.heads.fault = "the log is away"
    for _ in range(3):
        with pytest.raises(Unavailable, match="the log is away"):
            await house.sequencer.flush()
    house.heads.fault = ""
    await house.sequencer.flush()
    assert await house.story() == ["closed aud_1"]
    assert [head.seq for head in await house.heads.latest()] == [1]
    assert house.journal.trims == [2]


async def test_two_sequencers_on_one_journal_chain_each_record_once():
    """Who comes second looks again at what the first one did."""
    house = House(sole=False)
    for number in range(10):
        await house.call(f"aud_{number}")
    first = house.sequencer
    house.restart("life_2")
    await asyncio.gather(first.flush(), house.sequencer.flush())
    await house.call("aud_10")
    await first.flush()
    await house.sequencer.flush()
    assert await house.story() == [f"closed aud_{number}" for number in range(11)]
    assert (await house.verify()).valid


async def test_a_chain_whose_tail_is_gone_is_not_continued():
    """To sign on would hide the theft. Other chains go on, the journal keeps the records, and readiness hears of it."""
    house = House()
    for number in range(3):
        await house.call(f"aud_{number}")
    await house.call("aud_x", "other")
    await house.sequencer.flush()
    thief = [entry for entry in house.store.rows if (entry.tenant_id, entry.seq) != ("acme", 3)]
    stolen = set(house.store.rows) - set(thief)
    house.store.rows[:] = thief
    house.restart("life_2")
    await house.call("aud_3")
    await house.call("aud_y", "other")
    await house.sequencer.flush()
    assert await house.story("acme") == ["closed aud_0", "closed aud_1"]
    assert await house.story("other") == ["closed aud_x", "closed aud_y"]
    assert "acme/0" in house.sequencer.lag.fault
    assert "gone" in house.sequencer.lag.fault
    assert not await house.sequencer.drain(1_000)
    assert max(house.journal.trims) < 9
    # Mended from a backup, it goes on where it stopped.
    house.store.rows.extend(stolen)
    house.clock.advance(1_001)
    await house.sequencer.flush()
    assert await house.story("acme") == [f"closed aud_{number}" for number in range(4)]
    assert house.sequencer.lag.fault == ""
    assert (await house.verify()).valid
    assert max(house.journal.trims) == 12


@pytest.mark.parametrize("theft", ["changed", "unsigned", "other key", "all"])
async def test_a_chain_that_contradicts_its_heads_is_not_continued(theft):
    """Whatever was done to its end while no process looked."""
    house = House()
    await house.call("aud_0")
    await house.call("aud_1")
    await house.sequencer.flush()
    if theft == "changed":
        house.store.rows[-1] = type(house.store.rows[-1])(
            **{**{f: getattr(house.store.rows[-1], f) for f in house.store.rows[-1].__dataclass_fields__}, "body": b"{}"}
        )
    elif theft == "unsigned":
        house.store.head_rows.clear()
        house.heads.lines.clear()
    elif theft == "other key":
        house.heads.lines[-1] = Signer(bytes(32)).sign(("acme", 0), Tail(2, house.store.rows[-1].hash), 1)
    else:
        house.store.rows.clear()
        house.store.head_rows.clear()
    before = len(house.store.rows)
    house.restart("life_2")
    await house.call("aud_2")
    await house.sequencer.flush()
    assert len(house.store.rows) == before
    assert "acme/0" in house.sequencer.lag.fault


async def test_a_chain_that_the_store_refuses_does_not_stop_the_others():
    """What can never be stored is held in the journal and told."""
    house = House()
    append = house.store.append_entries

    async def choosy(entries, head):
        if head.tenant_id == "odd":
            raise InvalidRequest("no such text")
        return await append(entries, head)

    house.store.append_entries = choosy
    await house.call("aud_1", "odd")
    await house.call("aud_2")
    await house.sequencer.flush()
    assert await house.story("acme") == ["closed aud_2"]
    assert house.sequencer.lag.fault == "odd/0: no such text"


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
    house = House(pace=Pace(step_records=32))
    sizes = []
    append = house.store.append_entries

    async def counting(entries, head):
        sizes.append(len(entries))
        return await append(entries, head)

    house.store.append_entries = counting
    for number in range(500):
        await house.call(f"aud_{number}")
    await house.sequencer.flush()
    assert sum(sizes) == 500
    assert max(sizes) <= 32


async def test_the_task_sequences_what_is_appended():
    """A woken task chains the record within its delay, and stands still when there is nothing to do."""
    house = House(pace=QUICK)
    task = asyncio.create_task(house.sequencer.run())
    reads = 0
    read = house.journal.read

    async def counting(after, limit):
        nonlocal reads
        reads += 1
        return await read(after, limit)

    house.journal.read = counting
    await house.call("aud_1")
    await until(lambda: len(house.store.rows) == 1)
    await asyncio.sleep(0.05)
    reads_before = reads
    await asyncio.sleep(0.05)
    assert reads == reads_before
    await house.call("aud_2")
    await until(lambda: len(house.store.rows) == 2)
    task.cancel()


async def test_the_task_outlives_a_failure():
    """It tries again until the store is back, and shows the fault meanwhile."""
    house = House(pace=QUICK)
    house.store.faults.extend(["before", "after"])
    task = asyncio.create_task(house.sequencer.run())
    await house.call("aud_1")
    await until(lambda: not house.store.faults)
    await until(lambda: house.sequencer.lag.fault == "")
    assert await house.story() == ["closed aud_1"]
    task.cancel()


async def test_a_flush_that_failed_leaves_the_task_work_to_do():
    """The task does not sleep over records that somebody else could not chain."""
    house = House(pace=QUICK)
    task = asyncio.create_task(house.sequencer.run())
    await asyncio.sleep(0.02)
    house.store.faults.append("before")
    await house.call("aud_1")
    with pytest.raises(Unavailable):
        await house.sequencer.flush()
    await until(lambda: len(house.store.rows) == 1)
    task.cancel()


async def test_lag_counts_from_the_first_record_not_looked_at():
    """Readiness sees how far the chains are behind."""
    house = House()
    await house.sequencer.flush()
    house.clock.advance(5_000)
    assert house.sequencer.lag.behind_ms == 0
    await house.call("aud_1")
    house.clock.advance(700)
    assert house.sequencer.lag.behind_ms == 700
    house.store.faults.append("before")
    with pytest.raises(Unavailable):
        await house.sequencer.flush()
    house.clock.advance(300)
    assert house.sequencer.lag.behind_ms == 1_000
    await house.sequencer.flush()
    assert house.sequencer.lag.behind_ms == 0


async def test_draining_ends_in_time():
    """A store that hangs does not keep a process from ending; the records stay in the journal."""
    house = House()
    append = house.store.append_entries

    async def hanging(entries, head):
        await asyncio.sleep(60)

    await house.call("aud_1")
    house.store.append_entries = hanging
    assert not await house.sequencer.drain(20)
    house.store.append_entries = append
    assert await house.sequencer.drain(1_000)
    assert await house.story() == ["closed aud_1"]


async def test_a_new_key_continues_the_chain_of_an_old_one():
    """The old key is trusted, the new one signs."""
    house = House()
    await house.call("aud_1")
    await house.sequencer.flush()
    house.signer = Signer(bytes(32))
    house.restart("life_2")
    await house.call("aud_2")
    await house.sequencer.flush()
    assert {head.key_id for head in house.store.head_rows} == {"56475aa75463474c", house.signer.key_id}

"""The sequencer as a task: it works when there is work, outlives failures and says how far it is behind."""

import asyncio

import pytest
from tests.unit.audit.records import House, WatchedJournal, WatchedStore, until

from triskel.audit.sequencer import Pace
from triskel.errors import Unavailable

QUICK = Pace(batch_delay_ms=1, retry_ms=5)


async def test_the_task_sequences_what_is_appended():
    """A woken task chains the record within its delay, and stands still when there is nothing to do."""
    house = House(journal=WatchedJournal(), pace=QUICK)
    task = asyncio.create_task(house.sequencer.run())
    await house.call("aud_1")
    await until(lambda: len(house.store.rows) == 1)
    await asyncio.sleep(0.05)
    reads = len(house.journal.reads)
    await asyncio.sleep(0.05)
    assert len(house.journal.reads) == reads
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
    house = House(store=WatchedStore())
    await house.call("aud_1")
    house.store.hangs = True
    assert not await house.sequencer.drain(20)
    house.store.hangs = False
    assert await house.sequencer.drain(1_000)
    assert await house.story() == ["closed aud_1"]

"""The sequencer in trouble: nothing is lost, nothing is chained twice, and no theft is signed over."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.unit.audit.records import House, WatchedJournal, WatchedStore

from triskel.audit.chain import Tail
from triskel.audit.heads import Signer
from triskel.errors import Unavailable


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
    with suppress(Unavailable):
        await house.sequencer.flush()
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


async def test_while_the_log_is_away_nothing_is_read_twice():
    """The store goes on taking entries; however long it lasts, the journal is not read from its beginning again."""
    house = House(journal=WatchedJournal())
    house.heads.fault = "the log is away"
    for number in range(5):
        await house.call(f"aud_{number}")
        with pytest.raises(Unavailable):
            await house.sequencer.flush()
    assert house.journal.reads == [0, 2, 4, 6, 8]
    assert len(house.store.rows) == 5
    assert house.journal.trims == []
    house.heads.fault = ""
    await house.sequencer.flush()
    assert house.journal.trims == [10]
    assert (await house.verify()).valid


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
        house.store.rows[-1] = replace(house.store.rows[-1], body=b"{}")
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
    house = House(store=WatchedStore())
    house.store.refused = "odd"
    await house.call("aud_1", "odd")
    await house.call("aud_2")
    await house.sequencer.flush()
    assert await house.story("acme") == ["closed aud_2"]
    assert house.sequencer.lag.fault == "odd/0: no such text"


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

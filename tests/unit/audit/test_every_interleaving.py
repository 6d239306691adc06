"""Whatever order things happen and fail in: each call is in its chain, and nothing is in it twice."""

from collections import Counter
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.audit.records import House

from triskel.audit.sequencer import Pace
from triskel.errors import Unavailable
from triskel.model.audit import EntryKind

ACTIONS = st.one_of(
    st.tuples(st.just("open"), st.integers(0, 2)),
    st.tuples(st.just("close"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["flush", "drain", "crash", "log fails", "log is back"]), st.just(0)),
    st.tuples(st.just("store fails"), st.integers(0, 1)),
    st.tuples(st.just("time"), st.sampled_from([400, 1_100, 130_000])),
)


class Life:
    """Does what a list of actions says, and remembers what was promised."""

    def __init__(self) -> None:
        self.house = House(pace=Pace(step_records=4, max_waiting=3))
        self.open = []
        self.opened = []
        self.closed = []
        self.lives = 1

    async def act(self, action: str, argument: int) -> None:
        house = self.house
        if action == "open":
            audit_id = f"aud_{len(self.opened):03d}"
            self.open.append(await house.open(audit_id, f"tenant_{argument}"))
            self.opened.append((f"tenant_{argument}", audit_id))
        elif action == "close" and self.open:
            call = self.open.pop(argument % len(self.open))
            await house.close(call)
            self.closed.append(call.intent.audit_id)
        elif action == "time":
            house.clock.advance(argument)
        elif action == "store fails":
            house.store.faults.append(["before", "after"][argument])
        elif action.startswith("log"):
            house.heads.fault = "the log is away" if action == "log fails" else ""
        elif action == "drain":
            await house.sequencer.drain(10_000)
        elif action == "flush":
            with suppress(Unavailable):
                await house.sequencer.flush()
        elif action == "crash":
            self.lives += 1
            self.open.clear()
            house.restart(f"life_{self.lives}")


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=40))
async def test_each_record_is_chained_exactly_once(actions: list[tuple[str, int]]) -> None:
    """After the last failure, every call has its entries, each kind once; open ones of dead processes are abandoned."""
    life = Life()
    for action, argument in actions:
        await life.act(action, argument)
    life.house.heads.fault = ""
    life.house.store.faults.clear()
    assert await life.house.sequencer.drain(10_000)
    rows = life.house.store.rows
    assert max(Counter((row.audit_id, row.kind) for row in rows).values(), default=1) == 1
    assert {(row.tenant_id, row.audit_id) for row in rows} == set(life.opened)
    assert sorted(row.audit_id for row in rows if row.kind is EntryKind.CLOSED) == sorted(life.closed)
    gone = {audit_id for _, audit_id in life.opened} - set(life.closed) - {call.intent.audit_id for call in life.open}
    assert gone <= {row.audit_id for row in rows if row.kind is EntryKind.ABANDONED}
    found = await life.house.verify()
    assert found.valid, found.faults
    assert found.entries == len(rows)
    assert found.open_calls + found.abandoned_calls + len(life.closed) == len(life.opened)

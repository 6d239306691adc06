"""Verification finds whatever somebody with the database, but without the key, can do to a chain."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.unit.audit.records import KEYS, SIGNER, House

from triskel.audit import check, verify
from triskel.audit.chain import Draft, Tail, extend
from triskel.audit.check import ChainCheck
from triskel.audit.heads import Signer
from triskel.errors import Unavailable
from triskel.model.audit import Entry, EntryKind, Verification
from triskel.testing.memory_audit_store import MemoryAuditStore

COUNT = 12
BATCH = 4


class ReadStore(MemoryAuditStore):
    """Notes how much was read at once; cannot give the row `unreadable` of `acme`; calls `grow` before each page of it."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []
        self.unreadable = 0
        self.grow: Callable[[], Awaitable[None]] | None = None

    async def chain(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Entry]:
        if tenant_id == "acme" and self.grow is not None:
            await self.grow()
        rows = await super().chain(tenant_id, shard, after_seq, limit)
        self.limits.append(limit)
        if tenant_id == "acme" and any(row.seq == self.unreadable for row in rows):
            raise ValueError("`bogus` is not a valid kind")
        return rows


class Growth:
    """Chains three more calls, the last one while the log outside is away."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.calls = 0

    async def __call__(self) -> None:
        if self.calls < 3:
            self.calls += 1
            self.house.heads.fault = "slow" if self.calls == 3 else ""
            await self.house.call(f"aud_late_{self.calls}")
            with suppress(Unavailable):
                await self.house.sequencer.flush()


async def a_house() -> House:
    """Three batches of four calls in `acme`, one call in `other`."""
    house = House(store=ReadStore())
    for batch in range(COUNT // BATCH):
        for number in range(BATCH):
            await house.call(f"aud_{batch * BATCH + number + 1}")
        await house.sequencer.flush()
    await house.call("aud_x", "other")
    await house.sequencer.flush()
    assert [head.seq for head in await house.store.heads("acme", 0, 0, 1_000)] == [4, 8, 12]
    return house


def at(house: House, seq: int) -> Entry:
    return next(entry for entry in house.store.rows if (entry.tenant_id, entry.seq) == ("acme", seq))


def put(house: House, seq: int, **change) -> None:
    house.store.rows[house.store.rows.index(at(house, seq))] = replace(at(house, seq), **change)


def remove(house: House, *seqs: int) -> None:
    for seq in seqs:
        house.store.rows.remove(at(house, seq))


def rehash(house: House, first: int) -> None:
    """Recompute every hash from `first` on, as a careful forger would."""
    kept = [entry for entry in house.store.rows if entry.tenant_id != "acme" or entry.seq < first]
    rest = sorted((e for e in house.store.rows if e.tenant_id == "acme" and e.seq >= first), key=lambda e: e.seq)
    tail = Tail(first - 1, at(house, first - 1).hash if first > 1 else "0" * 64)
    drafts = [Draft(e.audit_id, e.kind, e.at_ms, e.body, 0, False, 0, "") for e in rest]
    house.store.rows[:] = [*kept, *extend(("acme", 0), tail, drafts)]


def swap(house: House, one: int, other: int) -> None:
    first, second = at(house, one), at(house, other)
    remove(house, one, other)
    house.store.rows.extend([replace(first, seq=other), replace(second, seq=one)])


def renumber(house: House, first: int, by: int) -> None:
    house.store.rows[:] = [
        replace(e, seq=e.seq + by) if e.tenant_id == "acme" and e.seq >= first else e for e in house.store.rows
    ]


def faults(found: Verification) -> list[tuple[str, int]]:
    assert all(fault.tenant_id == "acme" for fault in found.faults)
    assert found.valid is (not found.faults)
    return [(fault.kind, fault.seq) for fault in found.faults]


async def test_an_untouched_chain_is_valid():
    """Every entry and every head is counted."""
    house = await a_house()
    found = await house.verify()
    # Each of the three heads in the store, and the newest outside it; two for the other tenant.
    assert found == Verification(valid=True, entries=13, heads=6, open_calls=0, abandoned_calls=0)
    assert (await house.verify("acme")).entries == 12
    assert (await house.verify("nobody")) == Verification(valid=True, entries=0, heads=0, open_calls=0, abandoned_calls=0)


@pytest.mark.parametrize("seq", [1, 5, 8, 12])
@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"v":1}'},
        {"hash": "a" * 64},
        {"prev_hash": "a" * 64},
        {"at_ms": 1},
        {"audit_id": "aud_other"},
        {"kind": EntryKind.OPENED},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_changed_field_is_found(seq, change):
    """Whichever it is, at its place and nowhere else."""
    house = await a_house()
    put(house, seq, **change)
    assert faults(await house.verify()) == [("changed", seq)]


@pytest.mark.parametrize("seq", [1, 5, 7])
async def test_a_changed_entry_with_a_new_hash_is_found(seq):
    """The next entry, or a signed head, still names the old one."""
    house = await a_house()
    entry = at(house, seq)
    put(house, seq, body=b"{}")
    (forged,) = extend(
        ("acme", 0), Tail(seq - 1, entry.prev_hash), [Draft(entry.audit_id, entry.kind, entry.at_ms, b"{}", 0, False, 0, "")]
    )
    put(house, seq, hash=forged.hash)
    assert faults(await house.verify()) == [("changed", seq)]


@pytest.mark.parametrize("seq", [1, 6, 12])
async def test_a_rewritten_rest_of_the_chain_is_found(seq):
    """A forger who recomputes every hash cannot sign the heads."""
    house = await a_house()
    put(house, seq, body=b"{}")
    rehash(house, seq)
    found = faults(await house.verify())
    assert found
    assert set(found) <= {("changed", 4), ("changed", 8), ("changed", 12)}


@pytest.mark.parametrize("seqs", [(1,), (5,), (4, 5, 6), (8,)])
async def test_a_removed_entry_is_found(seqs):
    """The gap is told where it begins."""
    house = await a_house()
    remove(house, *seqs)
    assert faults(await house.verify()) == [("removed", seqs[0])]


@pytest.mark.parametrize("first", [12, 10, 9, 1])
async def test_a_removed_tail_is_found(first):
    """By the heads in the store and by the one outside."""
    house = await a_house()
    remove(house, *range(first, COUNT + 1))
    assert ("truncated", first) in faults(await house.verify())
    assert {kind for kind, _ in faults(await house.verify())} == {"truncated"}


@pytest.mark.parametrize("first", [9, 5, 1])
async def test_a_tail_removed_with_its_heads_is_found(first):
    """The log outside the store remembers."""
    house = await a_house()
    remove(house, *range(first, COUNT + 1))
    house.store.head_rows[:] = [h for h in house.store.head_rows if h.tenant_id != "acme" or h.seq < first]
    assert faults(await house.verify()) == [("truncated", first)]


async def test_an_inserted_entry_is_found():
    """Twice the same number, a shifted rest, or an end that nobody signed."""
    house = await a_house()
    house.store.rows.append(replace(at(house, 5), audit_id="aud_forged"))
    assert faults(await house.verify()) == [("inserted", 5)]
    house = await a_house()
    forged = replace(at(house, 5), audit_id="aud_forged")
    renumber(house, 5, by=1)
    house.store.rows.append(forged)
    assert not (await house.verify()).valid
    house = await a_house()
    end = Tail(COUNT, at(house, COUNT).hash)
    house.store.rows.extend(extend(("acme", 0), end, [Draft("aud_forged", EntryKind.CLOSED, 1, b"{}", 0, False, 0, "")]))
    assert faults(await house.verify()) == [("inserted", COUNT + 1)]


async def test_an_inserted_entry_with_a_recomputed_rest_is_found():
    """Everything is linked, and no head fits."""
    house = await a_house()
    forged = replace(at(house, 5), audit_id="aud_forged")
    renumber(house, 5, by=1)
    house.store.rows.append(forged)
    rehash(house, 5)
    assert set(faults(await house.verify())) == {("changed", 8), ("changed", 12), ("inserted", 13)}


@pytest.mark.parametrize(("one", "other"), [(3, 4), (1, 2), (2, 11), (4, 8)])
async def test_reordered_entries_are_found(one, other):
    """Each at the place where another belongs."""
    house = await a_house()
    swap(house, one, other)
    assert faults(await house.verify()) == [("reordered", one), ("reordered", other)]


async def test_a_removed_entry_with_a_renumbered_rest_is_found():
    """Every entry that moved is told, and the end is missing."""
    house = await a_house()
    remove(house, 10)
    renumber(house, 11, by=-1)
    found = faults(await house.verify())
    assert ("reordered", 10) in found
    assert ("truncated", 12) in found


@pytest.mark.parametrize("change", [{"hash": "a" * 64}, {"seq": 7}, {"at_ms": 1}, {"signature": "00" * 64}, {"key_id": "x"}])
async def test_a_forged_head_is_found(change):
    """In the store as well as outside it."""
    house = await a_house()
    head = house.store.head_rows[1]
    house.store.head_rows[1] = replace(head, **change)
    assert ("head_forged", change.get("seq", 8)) in faults(await house.verify())
    house = await a_house()
    place = house.heads.lines.index(house.store.head_rows[2])
    house.heads.lines[place] = replace(house.heads.lines[place], **{**change, "seq": 12})
    if "seq" not in change:
        assert ("head_forged", 12) in faults(await house.verify())


async def test_a_head_of_another_key_is_found():
    """A forger's own key is not trusted, however well he signs."""
    house = await a_house()
    put(house, 12, body=b"{}")
    rehash(house, 12)
    house.store.head_rows[2] = Signer(bytes(32)).sign(("acme", 0), Tail(12, at(house, 12).hash), 1)
    assert set(faults(await house.verify())) == {("head_forged", 12), ("changed", 12), ("removed", 12)}


async def test_a_genuine_head_of_another_chain_does_not_count():
    """What is signed for one chain proves nothing for another."""
    house = await a_house()
    foreign = SIGNER.sign(("other", 0), Tail(12, at(house, 12).hash), 1)
    check_ = ChainCheck(("acme", 0), KEYS)
    check_.expect([foreign])
    for seq in range(1, COUNT + 1):
        check_.feed(at(house, seq))
    check_.finish(logged=True)
    assert [(fault.kind, fault.seq) for fault in check_.faults] == [("head_forged", 12), ("inserted", 1)]


async def test_heads_removed_from_the_store_are_found():
    """The newest, or all of them: the log outside knows how far the chain was signed."""
    house = await a_house()
    house.store.head_rows[:] = [h for h in house.store.head_rows if (h.tenant_id, h.seq) != ("acme", 12)]
    assert faults(await house.verify()) == [("removed", 12)]
    house.store.head_rows[:] = [h for h in house.store.head_rows if h.tenant_id != "acme"]
    assert faults(await house.verify()) == [("removed", 12)]


async def test_a_log_that_was_emptied_is_found():
    """A chain without a head outside the store could have been cut."""
    house = await a_house()
    house.heads.lines[:] = [h for h in house.heads.lines if h.tenant_id != "acme"]
    assert faults(await house.verify()) == [("removed", 12)]


async def test_a_chain_removed_whole_is_found():
    """Nothing in the store speaks of it, but the log does."""
    house = await a_house()
    house.store.rows[:] = [e for e in house.store.rows if e.tenant_id != "acme"]
    house.store.head_rows[:] = [h for h in house.store.head_rows if h.tenant_id != "acme"]
    assert faults(await house.verify()) == [("truncated", 1)]
    assert faults(await house.verify("acme")) == [("truncated", 1)]


async def test_an_entry_that_cannot_be_read_is_found():
    """A row that no longer makes an entry is a fault, not the end of the verification."""
    house = await a_house()
    house.store.unreadable = 6
    assert faults(await house.verify()) == [("changed", 6)]


async def test_verification_may_run_while_the_chain_grows():
    """Entries that come in the middle of it are no intruders, and a head that is not outside yet is no fault."""
    house = await a_house()
    house.store.grow = grow = Growth(house)
    found = await house.verify()
    assert found.valid, found.faults
    assert (grow.calls, found.entries) == (3, 16)


async def test_verification_reads_in_pages():
    """However long the chain is, little of it is in memory."""
    house = await a_house()
    assert (await house.verify()).valid
    assert max(house.store.limits) <= verify.PAGE


def test_named_faults_are_bounded():
    """A chain that is wrong from end to end does not fill the memory."""
    broken = ChainCheck(("acme", 0), KEYS)
    entry = extend(("acme", 0), Tail(), [Draft("aud", EntryKind.CLOSED, 1, b"{}", 0, False, 0, "")])[0]
    for seq in range(1, check.MAX_FAULTS + 200):
        broken.feed(replace(entry, seq=seq * 2))
    assert len(broken.faults) == check.MAX_FAULTS


TAMPERINGS: dict[str, Callable[[House], None]] = {
    "changed": lambda house: put(house, 3, body=b"{}"),
    "cut": lambda house: remove(house, 12),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_one_tenants_fault_is_not_anothers(tampering):
    """Who verifies its own chains does not hear of others'."""
    house = await a_house()
    TAMPERINGS[tampering](house)
    assert not (await house.verify("acme")).valid
    assert (await house.verify("other")).valid
    assert not (await house.verify()).valid

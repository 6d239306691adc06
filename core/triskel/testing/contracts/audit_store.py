"""What every `ports.store.AuditStore` must do. One rule: a chain has one next entry, and whoever comes second is told.

A backend's test module inherits `AuditStoreContract` and has the fixtures `store` and `rival`: a second connection to the
same data, as another process has one, or the same object where no other process can have one.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from triskel.errors import InvalidRequest
from triskel.model.audit import AuditQuery, Entry, EntryKind, Head
from triskel.ports.store import AuditStore

START_MS = 1_750_000_000_000
ODD_IDS = (
    "acme",
    "Acme",
    "ACME",
    "acme ",
    " acme",
    "ac'me",
    'ac"me',
    "ac%me",
    "ac_me",
    "acmé",
    "acme\u0301",
    "ac\0me",
    "租户",
    "🦊",
)
"""Ids that a careless comparison takes for one another."""


@dataclass
class ChainBuilder:
    """Makes the next entries of one chain, which nobody hashed or signed as the audit does: a store does not look."""

    tenant_id: str = "acme"
    shard: int = 0
    seq: int = 0
    last_hash: str = "0" * 64
    made: list[Entry] = field(default_factory=list)

    def entry(
        self,
        audit_id: str,
        *,
        kind: EntryKind = EntryKind.CLOSED,
        opened_at_ms: int | None = START_MS,
        body: bytes | None = None,
        **said: str,
    ) -> Entry:
        """The next entry. `said` are further keys of its body; `body` stands in its place."""
        if body is None:
            body = json.dumps({"audit_id": audit_id, **said, "intent": {"opened_at_ms": opened_at_ms}}).encode()
        self.seq += 1
        prev_hash, self.last_hash = self.last_hash, hashlib.sha256(self.last_hash.encode() + body).hexdigest()
        entry = Entry(
            tenant_id=self.tenant_id,
            shard=self.shard,
            seq=self.seq,
            audit_id=audit_id,
            kind=kind,
            at_ms=START_MS + self.seq,
            body=body,
            prev_hash=prev_hash,
            hash=self.last_hash,
        )
        self.made.append(entry)
        return entry

    def head(self) -> Head:
        """A head for the last entry."""
        return Head(
            tenant_id=self.tenant_id,
            shard=self.shard,
            seq=self.seq,
            hash=self.last_hash,
            at_ms=START_MS + self.seq,
            key_id="key-1",
            signature="ab" * 64,
        )

    async def append(self, store: AuditStore, *entries: Entry) -> bool:
        """Append entries just made, with their head."""
        return await store.append_entries(entries, self.head())


async def pages(store: AuditStore, query: AuditQuery) -> list[Sequence[Entry]]:
    """Every page of a query."""
    found: list[Sequence[Entry]] = []
    cursor = query.cursor
    while True:
        page, cursor = await store.find(replace(query, cursor=cursor))
        found.append(page)
        if cursor is None:
            return found


async def found(store: AuditStore, query: AuditQuery) -> list[str]:
    """The audit ids of every page of a query, in order."""
    return [entry.audit_id for page in await pages(store, query) for entry in page]


class ChainContract:
    """Of chains and their heads."""

    async def test_entries_come_back_as_they_were_appended(self, store: AuditStore) -> None:
        """Every field, whatever the bytes of the body, in the order of `seq`."""
        chain = ChainBuilder()
        bodies = (b"", b"not json", bytes(range(256)), b'{"a":"\xc3\xa4"}', b"x" * 5_000_000, b'{"call_id":17}', b"[" * 50_000)
        entries = [chain.entry(f"aud_{number}", body=body) for number, body in enumerate(bodies)]
        entries.append(chain.entry("aud_opened", kind=EntryKind.OPENED))
        entries.append(chain.entry("aud_abandoned", kind=EntryKind.ABANDONED))
        assert await chain.append(store, *entries)
        assert list(await store.chain("acme", 0, 0, 100)) == entries
        assert await store.last_entry("acme", 0) == entries[-1]
        assert list(await store.heads("acme", 0, 0, 1_000)) == [chain.head()]

    async def test_a_chain_is_read_in_pages(self, store: AuditStore) -> None:
        """At most `limit` entries behind `after_seq`."""
        chain = ChainBuilder()
        await chain.append(store, *[chain.entry(f"aud_{number}") for number in range(10)])
        assert [entry.seq for entry in await store.chain("acme", 0, 0, 4)] == [1, 2, 3, 4]
        assert [entry.seq for entry in await store.chain("acme", 0, 8, 4)] == [9, 10]
        assert list(await store.chain("acme", 0, 10, 4)) == []
        assert list(await store.chain("acme", 0, 0, 0)) == []

    async def test_a_chain_that_does_not_exist_is_empty(self, store: AuditStore) -> None:
        """Nothing to read, and no error."""
        assert await store.last_entry("acme", 0) is None
        assert list(await store.chain("acme", 0, 0, 10)) == []
        assert list(await store.heads("acme", 0, 0, 1_000)) == []
        assert list(await store.chains()) == []
        assert list(await store.open_calls("acme", 0)) == []

    async def test_chains_are_apart_by_tenant_and_shard(self, store: AuditStore) -> None:
        """Ids that look alike are different tenants, and each has its own numbers."""
        chains = [ChainBuilder(tenant_id=tenant_id, shard=shard) for tenant_id in ODD_IDS for shard in (0, 3)]
        for chain in chains:
            assert await chain.append(store, chain.entry("aud_1"), chain.entry("aud_2"))
        for chain in chains:
            assert list(await store.chain(chain.tenant_id, chain.shard, 0, 10)) == chain.made
        assert sorted(await store.chains()) == sorted((chain.tenant_id, chain.shard) for chain in chains)
        assert sorted(await store.chains("acme")) == [("acme", 0), ("acme", 3)]
        assert list(await store.chains("nobody")) == []

    async def test_only_the_next_number_is_taken(self, store: AuditStore) -> None:
        """An entry that was written before, or leaves a gap, is refused, and nothing of the append is kept."""
        chain = ChainBuilder()
        first = chain.entry("aud_1")
        await chain.append(store, first)
        again, gap = ChainBuilder(), ChainBuilder(seq=2)
        assert not await again.append(store, again.entry("aud_x"), again.entry("aud_y"))
        assert not await gap.append(store, gap.entry("aud_z"))
        assert list(await store.chain("acme", 0, 0, 10)) == [first]
        assert [head.seq for head in await store.heads("acme", 0, 0, 1_000)] == [1]
        assert await found(store, AuditQuery(tenant_id="acme")) == ["aud_1"]

    async def test_entries_that_do_not_belong_together_are_refused(self, store: AuditStore) -> None:
        """Gaps, other chains, or a head that names another end are ValueError, and nothing is kept."""
        one, other, shard = ChainBuilder(), ChainBuilder(tenant_id="other", seq=1), ChainBuilder(shard=1, seq=1)
        first = one.entry("aud_1")
        for stranger in (other.entry("aud_2"), shard.entry("aud_2"), replace(first, seq=3), first):
            with pytest.raises(ValueError, match="consecutive"):
                await store.append_entries([first, stranger], one.head())
        for head in (replace(one.head(), seq=2), replace(one.head(), hash="f" * 64), replace(one.head(), shard=1)):
            with pytest.raises(ValueError, match="head"):
                await store.append_entries([first], head)
        assert list(await store.chains()) == []

    async def test_of_two_writers_one_wins(self, store: AuditStore, rival: AuditStore) -> None:
        """Twenty rounds of two who append the same numbers at once: one is told True, and the chain is that one's."""
        winners = ChainBuilder()
        for _ in range(20):
            sides = [replace(winners, made=[]) for _ in range(2)]
            batches = [
                [side.entry(f"aud_{winners.seq}_{name}_{n}") for n in range(3)] for side, name in zip(sides, "ab", strict=True)
            ]
            outcomes = await asyncio.gather(
                sides[0].append(store, *batches[0]),
                sides[1].append(rival, *batches[1]),
            )
            assert sorted(outcomes) == [False, True]
            won = sides[outcomes.index(True)]
            winners = replace(won, made=[*winners.made, *won.made])
        for side in (store, rival):
            assert list(await side.chain("acme", 0, 0, 1_000)) == winners.made
        assert [head.seq for head in await store.heads("acme", 0, 0, 1_000)] == list(range(3, 61, 3))
        assert [head.seq for head in await store.heads("acme", 0, 6, 2)] == [9, 12]
        assert len(await found(store, AuditQuery(tenant_id="acme"))) == 60


class SearchContract:
    """Of finding calls by what their newest entry says."""

    async def test_calls_come_newest_first(self, store: AuditStore) -> None:
        """By the moment at which they were opened, not by the order of their entries."""
        chain = ChainBuilder()
        moments = [5, 1, 4, 2, 3]
        await chain.append(store, *[chain.entry(f"aud_{n}", opened_at_ms=START_MS + n) for n in moments])
        assert await found(store, AuditQuery(tenant_id="acme")) == ["aud_5", "aud_4", "aud_3", "aud_2", "aud_1"]

    async def test_of_each_call_the_newest_entry_is_found(self, store: AuditStore) -> None:
        """A call that was opened and closed is one row, and matches by what the last entry says."""
        chain = ChainBuilder()
        opened = chain.entry("aud_1", kind=EntryKind.OPENED, verdict="allow")
        await chain.append(store, opened)
        assert await store.find(AuditQuery(tenant_id="acme")) == ([opened], None)
        closed = chain.entry("aud_1", verdict="redact", route="aws/bedrock/small")
        await chain.append(store, closed)
        assert (await store.find(AuditQuery(tenant_id="acme")))[0] == [closed]
        assert (await store.find(AuditQuery(tenant_id="acme", verdict="allow")))[0] == []
        assert (await store.find(AuditQuery(tenant_id="acme", verdict="redact")))[0] == [closed]

    async def test_two_entries_of_a_call_in_one_append(self, store: AuditStore) -> None:
        """The later one counts."""
        chain = ChainBuilder()
        opened, closed = chain.entry("aud_1", kind=EntryKind.OPENED), chain.entry("aud_1")
        await chain.append(store, opened, closed)
        assert (await store.find(AuditQuery(tenant_id="acme")))[0] == [closed]
        assert list(await store.open_calls("acme", 0)) == []

    async def test_each_filter_and_all_together(self, store: AuditStore) -> None:
        """Filters are joined by `and`; bounds of time are inclusive from, exclusive to."""
        chain = ChainBuilder()
        said: list[dict[str, Any]] = [
            {"call_id": f"call_{n}", "decision_id": f"dec_{n}", "principal_id": p, "verdict": v, "route": r}
            for n, (p, v, r) in enumerate(
                (p, v, r) for p in ("ann", "bob") for v in ("allow", "deny") for r in ("x/y/z", "u/v/w")
            )
        ]
        entries = [chain.entry(f"aud_{n}", opened_at_ms=START_MS + n, **keys) for n, keys in enumerate(said)]
        await chain.append(store, *entries)
        expected = {
            AuditQuery(tenant_id="acme", audit_id="aud_3"): [3],
            AuditQuery(tenant_id="acme", call_id="call_4"): [4],
            AuditQuery(tenant_id="acme", decision_id="dec_5"): [5],
            AuditQuery(tenant_id="acme", principal_id="ann"): [3, 2, 1, 0],
            AuditQuery(tenant_id="acme", verdict="deny"): [7, 6, 3, 2],
            AuditQuery(tenant_id="acme", verdict="allow"): [5, 4, 1, 0],
            AuditQuery(tenant_id="acme", route="u/v/w"): [7, 5, 3, 1],
            AuditQuery(tenant_id="acme", from_ms=START_MS + 2, to_ms=START_MS + 5): [4, 3, 2],
            AuditQuery(tenant_id="acme", principal_id="bob", verdict="deny", route="x/y/z", from_ms=START_MS): [6],
            AuditQuery(tenant_id="acme", principal_id="bob", call_id="call_0"): [],
            AuditQuery(tenant_id="acme", principal_id=""): [],
            AuditQuery(tenant_id="acme", from_ms=START_MS + 5, to_ms=START_MS + 5): [],
        }
        for query, numbers in expected.items():
            assert await found(store, query) == [f"aud_{n}" for n in numbers], query

    async def test_a_tenant_finds_its_own_calls_only(self, store: AuditStore) -> None:
        """Also where the names of everything are the same, and with a cursor of another tenant."""
        for tenant_id in ODD_IDS:
            chain = ChainBuilder(tenant_id=tenant_id)
            entries = [chain.entry(f"aud_{n}", principal_id="ann", call_id="call_1") for n in range(3)]
            await chain.append(store, *entries)
        for tenant_id in ODD_IDS:
            queries = (
                AuditQuery(tenant_id=tenant_id),
                AuditQuery(tenant_id=tenant_id, principal_id="ann", limit=2),
                AuditQuery(tenant_id=tenant_id, call_id="call_1", limit=1),
            )
            for query in queries:
                entries = [entry for page in await pages(store, query) for entry in page]
                assert [entry.tenant_id for entry in entries] == [tenant_id] * 3
        _, cursor = await store.find(AuditQuery(tenant_id="acme", limit=1))
        page, _ = await store.find(AuditQuery(tenant_id="Acme", cursor=cursor))
        assert {entry.tenant_id for entry in page} <= {"Acme"}

    async def test_filters_compare_exactly(self, store: AuditStore) -> None:
        """Case, blanks, wildcards and look-alike characters make a difference in every field."""
        chain = ChainBuilder()
        entries = [
            chain.entry(f"aud_{n}", principal_id=odd, call_id=odd, decision_id=odd, verdict=odd, route=odd)
            for n, odd in enumerate(ODD_IDS)
        ]
        await chain.append(store, *entries)
        for n, odd in enumerate(ODD_IDS):
            queries = (
                AuditQuery(tenant_id="acme", principal_id=odd),
                AuditQuery(tenant_id="acme", call_id=odd),
                AuditQuery(tenant_id="acme", decision_id=odd),
                AuditQuery(tenant_id="acme", verdict=odd),
                AuditQuery(tenant_id="acme", route=odd),
            )
            for query in queries:
                assert await found(store, query) == [f"aud_{n}"]

    async def test_a_body_that_says_nothing_is_found_by_its_call(self, store: AuditStore) -> None:
        """Proof is kept and found by tenant, id and the entry's time, even where its body cannot be read."""
        chain = ChainBuilder()
        bodies = (b"", b"\xff\xfe", b"[1]", b'{"call_id":{}}', b'{"intent":{"opened_at_ms":1e400}}', b'{"intent":7}')
        await chain.append(store, *[chain.entry(f"aud_{n}", body=body) for n, body in enumerate(bodies)])
        assert await found(store, AuditQuery(tenant_id="acme")) == [f"aud_{n}" for n in reversed(range(len(bodies)))]
        assert await found(store, AuditQuery(tenant_id="acme", audit_id="aud_1")) == ["aud_1"]
        assert await found(store, AuditQuery(tenant_id="acme", from_ms=START_MS + 2, to_ms=START_MS + 4)) == ["aud_2", "aud_1"]


class PagingContract:
    """Of pages and cursors."""

    async def test_pages_are_full_until_the_last(self, store: AuditStore) -> None:
        """Together they are everything, once, in order, also where many calls were opened in one millisecond."""
        chain = ChainBuilder()
        await chain.append(store, *[chain.entry(f"aud_{n}", opened_at_ms=START_MS + n // 7) for n in range(50)])
        for limit in (1, 7, 10, 25, 50, 100):
            found_pages = await pages(store, AuditQuery(tenant_id="acme", limit=limit))
            assert [len(page) for page in found_pages[:-1]] == [limit] * (len(found_pages) - 1)
            assert 0 < len(found_pages[-1]) <= limit
            assert [entry.audit_id for page in found_pages for entry in page] == [f"aud_{n}" for n in reversed(range(50))]

    async def test_an_empty_answer_is_one_empty_page(self, store: AuditStore) -> None:
        """Without a cursor."""
        assert await store.find(AuditQuery(tenant_id="acme")) == ([], None)

    async def test_pages_do_not_move_under_inserts(self, store: AuditStore) -> None:
        """Calls that come while somebody turns pages are neither shown twice nor push others out; closed calls stay put."""
        chain = ChainBuilder()
        for n in range(20):
            kind = EntryKind.OPENED if n % 3 == 0 else EntryKind.CLOSED
            await chain.append(store, chain.entry(f"aud_{n}", opened_at_ms=START_MS + n, kind=kind, principal_id="ann"))
        query = AuditQuery(tenant_id="acme", principal_id="ann", limit=6)
        seen: list[str] = []
        cursor: str | None = None
        for turn in range(4):
            page, cursor = await store.find(replace(query, cursor=cursor))
            seen.extend(entry.audit_id for entry in page)
            new = chain.entry(f"aud_new_{turn}", opened_at_ms=START_MS + 100 + turn, principal_id="ann")
            closed = chain.entry(f"aud_{turn * 3}", opened_at_ms=START_MS + turn * 3, principal_id="ann")
            await chain.append(store, new, closed)
        assert cursor is None
        assert seen == [f"aud_{n}" for n in reversed(range(20))]

    @pytest.mark.parametrize(
        "cursor", ["", "x", "1", "1.", ".1", "1.x", "1.2.3", "९.९", "9" * 50, "1.1' OR 1=1", "\0", "-1.-1.0"]
    )
    async def test_a_cursor_that_no_page_ended_with_is_refused(self, store: AuditStore, cursor: str) -> None:
        """As InvalidRequest that names the field."""
        with pytest.raises(InvalidRequest) as caught:
            await store.find(AuditQuery(tenant_id="acme", cursor=cursor))
        assert caught.value.field == "cursor"

    @pytest.mark.parametrize("limit", [0, -1, 10_001])
    async def test_a_limit_out_of_range_is_refused(self, store: AuditStore, limit: int) -> None:
        """From 1 to 10,000; another one is InvalidRequest that names the field."""
        with pytest.raises(InvalidRequest) as caught:
            await store.find(AuditQuery(tenant_id="acme", limit=limit))
        assert caught.value.field == "limit"


class OpenCallsContract:
    """Of calls that nobody has closed."""

    async def test_open_calls_are_those_without_a_later_entry(self, store: AuditStore) -> None:
        """Of this chain alone, in its order; closed and abandoned ones are not among them."""
        chain, shard = ChainBuilder(), ChainBuilder(shard=1)
        opened = [chain.entry(f"aud_{n}", kind=EntryKind.OPENED, opened_at_ms=START_MS - n) for n in range(5)]
        await chain.append(store, *opened)
        await shard.append(store, shard.entry("aud_9", kind=EntryKind.OPENED))
        assert list(await store.open_calls("acme", 0)) == opened
        await chain.append(store, chain.entry("aud_1"), chain.entry("aud_3", kind=EntryKind.ABANDONED), chain.entry("aud_7"))
        assert list(await store.open_calls("acme", 0)) == [opened[0], opened[2], opened[4]]
        assert [entry.audit_id for entry in await store.open_calls("acme", 1)] == ["aud_9"]


class AuditStoreContract(ChainContract, SearchContract, PagingContract, OpenCallsContract):
    """Of every audit store."""

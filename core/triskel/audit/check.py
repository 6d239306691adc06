"""One chain, checked entry by entry. Pure, streaming, bounded. One rule: what no signed head covers proves nothing.

Kinds of fault:

    changed      an entry is not the one that was hashed, linked to, or signed
    removed      an entry, or the signed head of the chain's end, is missing
    inserted     an entry stands twice, or behind everything that was signed
    reordered    an entry stands where another was
    truncated    entries that a signed head speaks of are missing from the end
    head_forged  a head is not signed by a known key, or not for this chain
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from triskel.audit.chain import GENESIS, Chain, hash_of
from triskel.audit.heads import PublicKeys, is_genuine
from triskel.model.audit import ChainFault, Entry, EntryKind, Head

MAX_FAULTS = 1_000
"""So many are named for each chain; a chain with one fault is as broken as one with more."""
_SEARCH = 100
_MAX_SEARCHES = 50
_MAX_ABANDONED = 100_000


class ChainCheck:
    """Feed it a chain's heads and entries, by `seq`; then ask for the faults."""

    def __init__(self, chain: Chain, keys: PublicKeys) -> None:
        self._chain = chain
        self._keys = keys
        self._heads: list[tuple[Head, bool]] = []
        self._searches = 0
        self._previous = {GENESIS}
        self._suspect = False
        self._open: set[str] = set()
        self._abandoned: OrderedDict[str, None] = OrderedDict()
        self._abandoned_forgotten = 0
        self._signed_seq = 0
        self._logged_seq = 0
        self.faults: list[ChainFault] = []
        self.last_seq = 0
        self.entries = 0
        self.heads = 0

    @property
    def reach(self) -> int:
        """How far the heads that were to be expected reach, whoever signed them."""
        return max((head.seq for head, _ in self._heads[:1]), default=self.last_seq)

    @property
    def open_calls(self) -> int:
        """Calls let through and not ended, so far."""
        return len(self._open)

    @property
    def abandoned_calls(self) -> int:
        """Calls given up, so far."""
        return len(self._abandoned) + self._abandoned_forgotten

    def expect(self, heads: Iterable[Head], *, outside: bool = False) -> None:
        """Heads that are to be met, from the store or from the log outside it."""
        self._heads.extend((head, outside) for head in heads)
        # The next one to be met stands last.
        self._heads.sort(key=lambda item: item[0].seq, reverse=True)

    def feed(self, entry: Entry) -> None:
        """The next entry, as the store has it."""
        self.entries += 1
        if entry.seq <= self.last_seq:
            self._fault(entry.seq, "inserted", "the entry stands twice")
            return
        gap = entry.seq > self.last_seq + 1
        if gap:
            self._missing(self.last_seq + 1, entry.seq)
        self._link(entry, follows_gap=gap)
        self.last_seq = entry.seq
        self._meet_heads(entry.seq, entry.hash)
        self._count(entry)

    def unreadable(self, seq: int) -> None:
        """An entry that the store has but cannot give."""
        self.entries += 1
        self._fault(seq, "changed", "the entry cannot be read")
        self.last_seq = seq
        self._previous = set()
        self._meet_heads(seq, None)

    def finish(self, *, logged: bool) -> None:
        """The chain has no more entries; `logged` says that the log outside the store knows it."""
        signed_further = False
        while self._heads and len(self.faults) < MAX_FAULTS:
            head, outside = self._heads.pop()
            if self._is_genuine(head, outside=outside):
                signed_further = True
                self._fault(self.last_seq + 1, "truncated", f"{_name(outside)} speaks of {head.seq} entries")
        # What is left of a cut batch had its head at the end that is gone.
        if self.last_seq and not signed_further:
            self._check_end()
        if self.last_seq and not logged:
            self._fault(self.last_seq, "removed", "the log outside the store has no head of this chain")

    def _check_end(self) -> None:
        covered = max(self._signed_seq, self._logged_seq)
        if covered < self.last_seq:
            self._fault(covered + 1, "inserted", "no signed head covers it")
        elif self._signed_seq < self.last_seq:
            self._fault(self.last_seq, "removed", "the store's signed head of the entry is gone")

    def _link(self, entry: Entry, *, follows_gap: bool) -> None:
        own = hash_of(entry)
        linked = follows_gap or not self._previous or entry.prev_hash in self._previous
        if own != entry.hash:
            origin = self._origin(entry)
            if origin:
                self._fault(entry.seq, "reordered", f"the entry was written as number {origin}")
            else:
                self._fault(entry.seq, "changed", "the entry does not match its hash")
            self._suspect = True
        elif not linked:
            # This entry is whole in itself, so what it was linked to is no longer there.
            if not self._suspect:
                self._fault(max(entry.seq - 1, 1), "changed", "the next entry was linked to another one")
            self._suspect = False
        else:
            self._suspect = False
        self._previous = {own, entry.hash}

    def _origin(self, entry: Entry) -> int:
        """The number under which the entry's hash holds, if it is near; else 0."""
        if self._searches >= _MAX_SEARCHES:
            return 0
        self._searches += 1
        for distance in range(1, _SEARCH + 1):
            for seq in (entry.seq - distance, entry.seq + distance):
                if seq > 0 and hash_of(replace(entry, seq=seq)) == entry.hash:
                    return seq
        return 0

    def _meet_heads(self, seq: int, entry_hash: str | None) -> None:
        while self._heads and self._heads[-1][0].seq <= seq:
            head, outside = self._heads.pop()
            if not self._is_genuine(head, outside=outside):
                continue
            if outside:
                self._logged_seq = head.seq
            else:
                self._signed_seq = head.seq
            if entry_hash is not None and head.seq == seq and head.hash != entry_hash and not self._suspect:
                self._fault(seq, "changed", f"the entry is not the one of {_name(outside)}")

    def _count(self, entry: Entry) -> None:
        if entry.kind is EntryKind.OPENED:
            self._open.add(entry.audit_id)
            return
        self._open.discard(entry.audit_id)
        if entry.kind is EntryKind.ABANDONED:
            self._abandoned[entry.audit_id] = None
            if len(self._abandoned) > _MAX_ABANDONED:
                self._abandoned.popitem(last=False)
                self._abandoned_forgotten += 1
        else:
            self._abandoned.pop(entry.audit_id, None)

    def _missing(self, first: int, until: int) -> None:
        count = until - first
        self._fault(first, "removed", f"entry {first} is missing" if count == 1 else f"{count} entries are missing")

    def _is_genuine(self, head: Head, *, outside: bool) -> bool:
        self.heads += 1
        if (head.tenant_id, head.shard) == self._chain and is_genuine(head, self._keys):
            return True
        self._fault(head.seq, "head_forged", f"{_name(outside)} is not signed by a known key for this chain")
        return False

    def _fault(self, seq: int, kind: str, detail: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(ChainFault(tenant_id=self._chain[0], shard=self._chain[1], seq=seq, kind=kind, detail=detail))


def _name(outside: bool) -> str:
    return "the head outside the store" if outside else "a head in the store"

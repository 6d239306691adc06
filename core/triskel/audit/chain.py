"""The hash chain. One rule: a hash covers everything that an entry says, its place included.

    hash = SHA-256( ["triskel.audit.entry.v1", prev_hash, tenant, shard, seq, audit_id, kind, at_ms] LF body )

The list is compact JSON, so that no two different places write the same bytes; JSON has no line feed of its own.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from triskel.model.audit import Entry, EntryKind

GENESIS = "0" * 64
"""What stands for the hash before the first entry."""

Chain = tuple[str, int]
"""A tenant id and a shard."""

_encode = msgspec.json.Encoder().encode
_TAG = "triskel.audit.entry.v1"


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a chain ends: the last `seq` (0 for an empty chain) and its hash."""

    seq: int = 0
    hash: str = GENESIS


class Draft(msgspec.Struct, gc=False):
    """An entry to be: everything but its place. `position` is its journal record's, 0 where it has none.

    `recheck` says that it may be in the chain already. `deadline_ms` and `epoch` are its call's.
    """

    audit_id: str
    kind: EntryKind
    at_ms: int
    body: bytes
    position: int
    recheck: bool
    deadline_ms: int
    epoch: str


def hash_of(entry: Entry) -> str:
    """The hash that `entry` should have: 64 hexadecimal digits."""
    place = (entry.prev_hash, entry.tenant_id, entry.shard, entry.seq, entry.audit_id, entry.kind, entry.at_ms)
    return _digest(place, entry.body)


def _digest(place: tuple[str, str, int, int, str, str, int], body: bytes) -> str:
    return hashlib.sha256(_encode((_TAG, *place)) + b"\n" + body).hexdigest()


def extend(chain: Chain, tail: Tail, drafts: Sequence[Draft]) -> list[Entry]:
    """The entries that put `drafts` behind `tail`, in their order."""
    tenant_id, shard = chain
    previous = tail.hash
    entries = []
    for seq, draft in enumerate(drafts, tail.seq + 1):
        own = _digest((previous, tenant_id, shard, seq, draft.audit_id, draft.kind, draft.at_ms), draft.body)
        entries.append(
            Entry(
                tenant_id=tenant_id,
                shard=shard,
                seq=seq,
                audit_id=draft.audit_id,
                kind=draft.kind,
                at_ms=draft.at_ms,
                body=draft.body,
                prev_hash=previous,
                hash=own,
            )
        )
        previous = own
    return entries

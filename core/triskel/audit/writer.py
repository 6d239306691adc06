"""The gateway's side of the audit: durable before the effect, whole after it. One rule: no record, no effect.

A record of a call that ended holds its intent again, so that nobody has to find the intent to close it.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from triskel.audit.record import Intent, Outcome, closed_record, encode, opened_record
from triskel.ports.journal import Journal


@dataclass(frozen=True, slots=True)
class Opened:
    """An intent on record, to be closed. Holds the encoded intent, about 1 KB, for as long as the call takes."""

    intent: Intent
    encoded: bytes
    shard: int


class AuditWriter:
    """Writes a call's two records to the journal. Keeps nothing itself."""

    def __init__(self, journal: Journal, *, epoch: str, shards: int = 1, on_append: Callable[[], None] | None = None) -> None:
        """`epoch` names this life of the process; `shards` is how many chains a tenant has; `on_append` wakes the sequencer."""
        self._journal = journal
        self._epoch = epoch
        self._shards = shards
        self._on_append = on_append

    async def open(self, intent: Intent) -> Opened:
        """Put `intent` on record. When this returns, the effect may begin. Raises Unavailable: then it must not."""
        encoded = encode(intent)
        tenant_id = intent.principal.tenant_id
        shard = 0 if self._shards == 1 else shard_of(tenant_id, intent.audit_id, self._shards)
        await self._journal.append(tenant_id, shard, opened_record(intent, encoded, self._epoch))
        if self._on_append is not None:
            self._on_append()
        return Opened(intent, encoded, shard)

    async def close(self, opened: Opened, outcome: Outcome) -> None:
        """Put on record how it ended. Raises Unavailable; the call then stays open, and is given up after its deadline."""
        intent = opened.intent
        record = closed_record(intent, opened.encoded, outcome, self._epoch)
        await self._journal.append(intent.principal.tenant_id, opened.shard, record)
        if self._on_append is not None:
            self._on_append()

    async def refuse(self, intent: Intent, outcome: Outcome) -> None:
        """Put a call without an effect on record, at once and whole. Raises Unavailable."""
        encoded = encode(intent)
        tenant_id = intent.principal.tenant_id
        shard = 0 if self._shards == 1 else shard_of(tenant_id, intent.audit_id, self._shards)
        await self._journal.append(tenant_id, shard, closed_record(intent, encoded, outcome, self._epoch))
        if self._on_append is not None:
            self._on_append()


def shard_of(tenant_id: str, audit_id: str, shards: int) -> int:
    """The shard of a call: the same in every process for the same number of shards."""
    return zlib.crc32(f"{tenant_id}/{audit_id}".encode()) % shards

"""The gateway's side of the audit: durable before the effect, whole after it. One rule: no record, no effect.

A record of a call that ended holds its intent again, so that nobody has to find the intent to close it.
"""

import zlib
from collections.abc import Callable

import msgspec

from triskel.audit.record import Intent, Outcome, beginning, closed_record, opened_record
from triskel.ports.journal import Journal


class Opened(msgspec.Struct, frozen=True, gc=False):
    """An intent on record, to be closed. `begun` is what its records begin with, about 1.3 KB."""

    intent: Intent
    begun: bytes
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
        epoch = self._epoch
        begun = beginning(intent, epoch)
        shard = self._shard(intent)
        await self._journal.append(intent.principal.tenant_id, shard, opened_record(intent, begun, epoch))
        if self._on_append is not None:
            self._on_append()
        return Opened(intent, begun, shard)

    async def close(self, opened: Opened, outcome: Outcome) -> None:
        """Put on record how it ended. Raises Unavailable; the call then stays open, and is given up after its deadline."""
        intent = opened.intent
        record = closed_record(intent, opened.begun, self._epoch, outcome)
        await self._journal.append(intent.principal.tenant_id, opened.shard, record)
        if self._on_append is not None:
            self._on_append()

    async def refuse(self, intent: Intent, outcome: Outcome) -> None:
        """Put a call without an effect on record, at once and whole. Raises Unavailable."""
        await self.close(Opened(intent, beginning(intent, self._epoch), self._shard(intent)), outcome)

    def _shard(self, intent: Intent) -> int:
        if self._shards == 1:
            return 0
        return shard_of(intent.principal.tenant_id, intent.audit_id, self._shards)


def shard_of(tenant_id: str, audit_id: str, shards: int) -> int:
    """The shard of a call: the same in every process for the same number of shards."""
    return zlib.crc32(f"{tenant_id}/{audit_id}".encode()) % shards

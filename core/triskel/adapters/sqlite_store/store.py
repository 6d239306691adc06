"""`ports.store.Store` on SQLite. Its one rule: it only joins rows to threads; the rows know SQL, the threads know waiting."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from triskel.adapters.sqlite_store import audit_rows, identity_rows, schema
from triskel.adapters.sqlite_store.connections import Connections, Synchronous
from triskel.errors import Unavailable
from triskel.model.audit import AuditQuery, Entry, Head
from triskel.model.principal import ApiKey, Tenant
from triskel.ports.store import ANY, BundleActivation, StoredBundle, Whatever


class SqliteStore:
    """Everything that is kept, in one file. Every method raises Unavailable, with the reason, when the file is out of order."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    def open(
        cls, path: Path, *, synchronous: Synchronous = "NORMAL", busy_ms: int = 5_000, max_bytes: int | None = None
    ) -> "SqliteStore":
        """The store in `path`, made or migrated where needed; its folder must exist. Raises Unavailable with the reason.

        `NORMAL` survives the death of the process; `FULL` also a power cut, for one flush of the disk a commit. `busy_ms` is
        how long a write waits for another process. Above `max_bytes` the file refuses to grow.
        """
        return cls(Connections(path, synchronous=synchronous, busy_ms=busy_ms, max_bytes=max_bytes))

    async def put_tenant(self, tenant: Tenant) -> None:
        """Create or replace."""
        await self._connections.write(identity_rows.put_tenant, tenant)

    async def tenant(self, tenant_id: str) -> Tenant | None:
        """The tenant, or None."""
        return await self._connections.read(identity_rows.tenant, tenant_id)

    async def put_key(self, key: ApiKey) -> None:
        """Create or replace the key with this `key_id`."""
        await self._connections.write(identity_rows.put_key, key)

    async def key(self, key_id: str) -> ApiKey | None:
        """The key, revoked or not, or None."""
        return await self._connections.read(identity_rows.key, key_id)

    async def keys(self, tenant_id: str) -> Sequence[ApiKey]:
        """The tenant's keys, oldest first."""
        return await self._connections.read(identity_rows.keys, tenant_id)

    async def put_bundle(self, bundle: StoredBundle) -> None:
        """Keep a bundle. The same hash twice is a no-op."""
        await self._connections.write(identity_rows.put_bundle, bundle)

    async def bundle(self, bundle_hash: str) -> StoredBundle | None:
        """The bundle of this hash that was put first, or None."""
        return await self._connections.read(identity_rows.bundle, bundle_hash)

    async def activate_bundle(
        self, owner: str, bundle_hash: str, at_ms: int, *, by: str = "", if_active: str | Whatever | None = ANY
    ) -> bool:
        """Make a kept bundle the active one of `owner`, or False where `if_active` is not the active one. Raises NotFound."""
        activation = BundleActivation(at_ms=at_ms, bundle_hash=bundle_hash, by=by)
        return await self._connections.write(identity_rows.activate_bundle, owner, activation, if_active)

    async def active_bundle(self, owner: str) -> StoredBundle | None:
        """The bundle that was activated last, or None."""
        return await self._connections.read(identity_rows.active_bundle, owner)

    async def bundle_history(self, owner: str, limit: int) -> Sequence[BundleActivation]:
        """At most `limit` activations, the last one first."""
        return await self._connections.read(identity_rows.bundle_history, owner, limit)

    async def append_entries(self, entries: Sequence[Entry], head: Head) -> bool:
        """Add consecutive entries of one chain and its new head, or nothing and False where somebody else wrote first.

        Raises ValueError where the entries are not consecutive, not of one chain, or do not end at the head.
        """
        first = entries[0]
        for seq, entry in enumerate(entries, first.seq):
            if entry.seq != seq or entry.shard != first.shard or entry.tenant_id != first.tenant_id:
                raise ValueError("entries to append are consecutive and of one chain")
        last = entries[-1]
        if (head.tenant_id, head.shard, head.seq, head.hash) != (last.tenant_id, last.shard, last.seq, last.hash):
            raise ValueError("a head names the last entry that is appended with it")
        return await self._connections.write(audit_rows.append, entries, head)

    async def last_entry(self, tenant_id: str, shard: int) -> Entry | None:
        """The end of a chain, or None."""
        return await self._connections.read(audit_rows.last_entry, tenant_id, shard)

    async def chains(self, tenant_id: str | None = None) -> Sequence[tuple[str, int]]:
        """(tenant, shard) of every chain, or of one tenant's."""
        return await self._connections.read(audit_rows.chains, tenant_id)

    async def chain(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Entry]:
        """At most `limit` entries behind `after_seq`, by `seq`."""
        return await self._connections.read(audit_rows.chain, tenant_id, shard, after_seq, limit)

    async def heads(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Head]:
        """At most `limit` of the chain's signed heads behind `after_seq`, by `seq`."""
        return await self._connections.read(audit_rows.heads, tenant_id, shard, after_seq, limit)

    async def find(self, query: AuditQuery) -> tuple[Sequence[Entry], str | None]:
        """A page of calls by their newest entries, the call opened last first. Raises InvalidRequest for a bad cursor."""
        return await self._connections.read(audit_rows.find, query)

    async def open_calls(self, tenant_id: str, shard: int) -> Sequence[Entry]:
        """The `opened` entries whose call has no later entry, by `seq`."""
        return await self._connections.read(audit_rows.open_calls, tenant_id, shard)

    async def check(self) -> None:
        """Return if a write would be taken now and the schema is the one expected. Raises Unavailable with the reason."""
        stored = await self._connections.write(_stored_version)
        schema.refuse_newer(stored)
        if stored < schema.known_version():
            raise Unavailable(f"the store has schema {stored}, older than {schema.known_version()}")

    async def aclose(self) -> None:
        """Finish what is under way and release the file."""
        await self._connections.aclose()


def _stored_version(connection: sqlite3.Connection) -> int:
    return schema.stored_version(connection)

"""The store in memory. Its one rule: it is held to the same suite as the real ones, and is their oracle."""

from collections.abc import Sequence
from dataclasses import replace

from triskel.errors import InvalidRequest, NotFound, Unavailable
from triskel.model.audit import AuditQuery, Entry, Head
from triskel.model.principal import ApiKey, Tenant
from triskel.ports.store import ANY, BundleActivation, StoredBundle, Whatever
from triskel.testing.memory_audit_store import MAX_PAGE, MemoryAuditStore


class MemoryStore(MemoryAuditStore):
    """`ports.store.Store`. Set `fault` to make `check` fail with it."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = ""
        self._tenants: dict[str, Tenant] = {}
        self._keys: dict[str, ApiKey] = {}
        self._bundles: dict[tuple[str, str], StoredBundle] = {}
        self._activations: dict[str, list[BundleActivation]] = {}

    async def put_tenant(self, tenant: Tenant) -> None:
        """Create or replace."""
        self._tenants[_storable(tenant.tenant_id)] = tenant

    async def tenant(self, tenant_id: str) -> Tenant | None:
        """The tenant, or None."""
        return self._tenants.get(_storable(tenant_id))

    async def put_key(self, key: ApiKey) -> None:
        """Create or replace."""
        self._keys[_storable(key.key_id)] = key

    async def key(self, key_id: str) -> ApiKey | None:
        """The key, or None."""
        return self._keys.get(_storable(key_id))

    async def keys(self, tenant_id: str) -> Sequence[ApiKey]:
        """The tenant's keys, oldest first."""
        found = [key for key in self._keys.values() if key.principal.tenant_id == tenant_id]
        return sorted(found, key=lambda key: (key.created_at_ms, key.key_id))

    async def put_bundle(self, bundle: StoredBundle) -> None:
        """Keep it, unless it is kept already."""
        self._bundles.setdefault((bundle.owner, bundle.bundle_hash), bundle)

    async def bundle(self, bundle_hash: str) -> StoredBundle | None:
        """The one of this hash that was put first, or None."""
        return next((bundle for (_, name), bundle in self._bundles.items() if name == bundle_hash), None)

    async def activate_bundle(
        self, owner: str, bundle_hash: str, at_ms: int, *, by: str = "", if_active: str | Whatever | None = ANY
    ) -> bool:
        """Make it the active one, or False where `if_active` is not. Raises NotFound."""
        if (owner, bundle_hash) not in self._bundles:
            raise NotFound(f"`{owner}` has no policy bundle `{bundle_hash}`")
        mine = self._activations.setdefault(owner, [])
        if if_active is not ANY and if_active != (mine[-1].bundle_hash if mine else None):
            return False
        mine.append(BundleActivation(at_ms=at_ms, bundle_hash=bundle_hash, by=by))
        return True

    async def active_bundle(self, owner: str) -> StoredBundle | None:
        """The bundle that was activated last, or None."""
        mine = self._activations.get(owner)
        return self._bundles[owner, mine[-1].bundle_hash] if mine else None

    async def bundle_history(self, owner: str, limit: int) -> Sequence[BundleActivation]:
        """Activations, the last one first."""
        return self._activations.get(owner, [])[::-1][: max(limit, 0)]

    async def append_entries(self, entries: Sequence[Entry], head: Head) -> bool:
        """Add entries and head, or nothing and False. Raises ValueError where they do not belong together."""
        first, last = entries[0], entries[-1]
        wanted = [(first.tenant_id, first.shard, first.seq + number) for number in range(len(entries))]
        if [(entry.tenant_id, entry.shard, entry.seq) for entry in entries] != wanted:
            raise ValueError("entries to append are consecutive and of one chain")
        if (head.tenant_id, head.shard, head.seq, head.hash) != (last.tenant_id, last.shard, last.seq, last.hash):
            raise ValueError("a head names the last entry that is appended with it")
        return await super().append_entries(entries, head)

    async def find(self, query: AuditQuery) -> tuple[Sequence[Entry], str | None]:
        """A page, and as its cursor the call that it ended with, behind which the next page begins whatever was added."""
        if not 1 <= query.limit <= MAX_PAGE:
            raise InvalidRequest(f"`limit` is from 1 to {MAX_PAGE}", field="limit")
        matching, _ = await super().find(replace(query, cursor=None, limit=MAX_PAGE))
        if query.cursor is not None:
            everything, _ = await super().find(AuditQuery(tenant_id=query.tenant_id, limit=MAX_PAGE))
            places = {entry.audit_id: place for place, entry in enumerate(everything)}
            if query.cursor not in places:
                raise InvalidRequest("`cursor` is not one that a page ended with", field="cursor")
            matching = [entry for entry in matching if places[entry.audit_id] > places[query.cursor]]
        page = matching[: query.limit]
        return page, page[-1].audit_id if len(matching) > len(page) else None

    async def check(self) -> None:
        """Raises Unavailable where `fault` is set."""
        if self.fault:
            raise Unavailable(self.fault)

    async def aclose(self) -> None:
        """Refuse from now on."""
        self.fault = "the store is closed"


def _storable(text: str) -> str:
    """`text`, where it is Unicode. Raises InvalidRequest for half a surrogate pair, which no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise InvalidRequest("text that is not Unicode or a number of more than 64 bits cannot be stored") from fault
    return text

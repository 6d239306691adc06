"""The truth that outlives every process. Small Protocols, composed; each backend serves them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from triskel.model.audit import AuditQuery, Entry, Head
from triskel.model.principal import ApiKey, Tenant


class TenantStore(Protocol):
    """Who the customers are."""

    async def put_tenant(self, tenant: Tenant) -> None:
        """Create or replace."""

    async def tenant(self, tenant_id: str) -> Tenant | None:
        """The tenant, or None."""


class KeyStore(Protocol):
    """API keys. Secrets are never stored."""

    async def put_key(self, key: ApiKey) -> None:
        """Create or replace the key with this `key_id`."""

    async def key(self, key_id: str) -> ApiKey | None:
        """The key, revoked or not, or None."""

    async def keys(self, tenant_id: str) -> Sequence[ApiKey]:
        """The tenant's keys, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBundle:
    """A published policy bundle: an immutable document under its content hash. `owner` is a tenant id or `platform`."""

    owner: str
    bundle_hash: str
    document: bytes
    published_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleActivation:
    """When a bundle became the active one of its owner, and who saw to that; "" where nobody was named."""

    at_ms: int
    bundle_hash: str
    by: str


class Whatever(Enum):
    """The type of `ANY`, which no hash can be mistaken for."""

    ANY = "any"


ANY: Final = Whatever.ANY
"""Whatever is active, or nothing."""


class BundleStore(Protocol):
    """Published policy bundles and which of them is active."""

    async def put_bundle(self, bundle: StoredBundle) -> None:
        """Keep a bundle. The same hash twice is a no-op."""

    async def bundle(self, bundle_hash: str) -> StoredBundle | None:
        """The bundle of this hash, active or not, whoever owns it; of several owners' the one that was put first. Or None."""

    async def activate_bundle(
        self, owner: str, bundle_hash: str, at_ms: int, *, by: str = "", if_active: str | Whatever | None = ANY
    ) -> bool:
        """Make a bundle that `owner` has put its active one. Raises NotFound.

        `if_active` is the hash that must be the active one, or None where none may be. False, and nothing written, where
        it is not so: looking and writing are one step, whoever else writes.
        """

    async def active_bundle(self, owner: str) -> StoredBundle | None:
        """The active bundle of `owner`, or None."""

    async def bundle_history(self, owner: str, limit: int) -> Sequence[BundleActivation]:
        """At most `limit` activations, the last one first."""


class AuditStore(Protocol):
    """Chains of entries. Entries are never changed; nothing here deletes."""

    async def append_entries(self, entries: Sequence[Entry], head: Head) -> bool:
        """Add consecutive entries of one chain and its new head in one transaction.

        False, and nothing written, where the first entry's `seq` is not the chain's next: somebody else wrote first.
        """

    async def last_entry(self, tenant_id: str, shard: int) -> Entry | None:
        """The end of a chain, or None."""

    async def chains(self, tenant_id: str | None = None) -> Sequence[tuple[str, int]]:
        """(tenant, shard) of every chain, or of one tenant's."""

    async def chain(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Entry]:
        """At most `limit` entries behind `after_seq`, by `seq`."""

    async def heads(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Head]:
        """At most `limit` of the chain's signed heads behind `after_seq`, by `seq`."""

    async def find(self, query: AuditQuery) -> tuple[Sequence[Entry], str | None]:
        """The newest entry of each matching call, newest call first, and the cursor of the next page or None.

        A call matches by its newest entry. A page may hold fewer than `limit` rows only when it is the last.
        """

    async def open_calls(self, tenant_id: str, shard: int) -> Sequence[Entry]:
        """The `opened` entries whose call has no later entry, by `seq`."""


class Store(TenantStore, KeyStore, BundleStore, AuditStore, Protocol):
    """Everything that a backend keeps."""

    async def check(self) -> None:
        """Return if the store answers and its schema is the one expected. Raises Unavailable with the reason."""

    async def aclose(self) -> None:
        """Finish what is under way and release what is held."""

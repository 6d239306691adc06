"""`triskel keys`: API keys in the store of a data directory. Its one rule: a secret is shown once, when it is made."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from triskel.adapters.random_ids import RandomIds
from triskel.adapters.sqlite_store import SqliteStore
from triskel.adapters.system_clock import SystemClock
from triskel.errors import InvalidRequest, NotFound
from triskel.identity.api_keys import make
from triskel.local.home import Home
from triskel.model.principal import Principal, PrincipalKind, Tenant

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """For whom a key is made."""

    tenant_id: str
    principal_id: str
    kind: str
    tier: str
    teams: tuple[str, ...]


def create(home: Home, new: NewKey) -> int:
    """Make a key, and its tenant where there is none yet; print the key. Returns the exit status."""
    for name, value in (("--tenant", new.tenant_id), ("--principal", new.principal_id)):
        if not 0 < len(value) <= 256:
            raise InvalidRequest(f"{name} must have 1 to 256 characters")

    async def work(store: SqliteStore) -> str:
        if await store.tenant(new.tenant_id) is None:
            await store.put_tenant(Tenant(tenant_id=new.tenant_id, name=new.tenant_id, tier=new.tier))
        principal = Principal(
            tenant_id=new.tenant_id,
            principal_id=new.principal_id,
            kind=PrincipalKind(new.kind),
            tier=new.tier,
            teams=new.teams,
            credential="",
        )
        plain, record = make(principal, RandomIds(), SystemClock())
        await store.put_key(record)
        return plain

    print(_with_store(home, work))
    return 0


def show(home: Home, tenant_id: str) -> int:
    """Print a tenant's keys, without their secrets. Returns the exit status."""
    for key in _with_store(home, lambda store: store.keys(tenant_id)):
        who = key.principal
        state = "revoked" if key.revoked_at_ms is not None else "active"
        print(f"{key.key_id}  {state:8}{who.kind:9}{who.principal_id}  tier {who.tier}  teams {', '.join(who.teams) or '-'}")
    return 0


def revoke(home: Home, key_id: str) -> int:
    """Revoke a key; a running gateway refuses it within five seconds. Returns the exit status. Raises NotFound."""

    async def work(store: SqliteStore) -> None:
        key = await store.key(key_id)
        if key is None:
            raise NotFound(f"there is no key `{key_id[:64]}`")
        if key.revoked_at_ms is None:
            await store.put_key(replace(key, revoked_at_ms=SystemClock().now_ms()))

    _with_store(home, work)
    print(f"{key_id} is revoked")
    return 0


def _with_store(home: Home, work: Callable[[SqliteStore], Awaitable[Found]]) -> Found:
    home.prepare()

    async def run() -> Found:
        store = SqliteStore.open(home.database, synchronous="FULL")
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(run())

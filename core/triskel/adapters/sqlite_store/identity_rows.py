"""Tenants, keys and policy bundles as rows. Its one rule: every function is one unit of work on a connection."""

import json
import sqlite3
from typing import Any

from triskel.errors import NotFound
from triskel.model.principal import ApiKey, Principal, PrincipalKind, Tenant
from triskel.ports.store import BundleActivation, StoredBundle, Whatever

_KEY = (
    "SELECT key_id, secret_sha256, tenant_id, principal_id, principal_kind, tier, credential, teams, created_at_ms, "
    "revoked_at_ms FROM api_keys "
)
_BUNDLE = "SELECT b.owner, b.bundle_hash, b.document, b.published_at_ms "


def put_tenant(connection: sqlite3.Connection, tenant: Tenant) -> None:
    """Create or replace."""
    row = (tenant.tenant_id, tenant.name, tenant.tier, tenant.home_cell)
    connection.execute("INSERT OR REPLACE INTO tenants VALUES (?, ?, ?, ?)", row)


def tenant(connection: sqlite3.Connection, tenant_id: str) -> Tenant | None:
    """The tenant, or None."""
    sql = "SELECT tenant_id, name, tier, home_cell FROM tenants WHERE tenant_id = ?"
    row = connection.execute(sql, (tenant_id,)).fetchone()
    return None if row is None else Tenant(tenant_id=row[0], name=row[1], tier=row[2], home_cell=row[3])


def put_key(connection: sqlite3.Connection, key: ApiKey) -> None:
    """Create or replace."""
    who = key.principal
    connection.execute(
        "INSERT OR REPLACE INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.key_id,
            key.secret_sha256,
            who.tenant_id,
            who.principal_id,
            who.kind.value,
            who.tier,
            who.credential,
            json.dumps(who.teams),
            key.created_at_ms,
            key.revoked_at_ms,
        ),
    )


def key(connection: sqlite3.Connection, key_id: str) -> ApiKey | None:
    """The key, or None."""
    row = connection.execute(_KEY + "WHERE key_id = ?", (key_id,)).fetchone()
    return None if row is None else _key(row)


def keys(connection: sqlite3.Connection, tenant_id: str) -> list[ApiKey]:
    """The tenant's keys, oldest first."""
    rows = connection.execute(_KEY + "WHERE tenant_id = ? ORDER BY created_at_ms, key_id", (tenant_id,))
    return [_key(row) for row in rows]


def put_bundle(connection: sqlite3.Connection, bundle: StoredBundle) -> None:
    """Keep it, unless it is kept already."""
    row = (bundle.owner, bundle.bundle_hash, bundle.document, bundle.published_at_ms)
    connection.execute("INSERT INTO bundles VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row)


def bundle(connection: sqlite3.Connection, bundle_hash: str) -> StoredBundle | None:
    """The one of this hash that was put first, or None."""
    sql = _BUNDLE + "FROM bundles b WHERE b.bundle_hash = ? ORDER BY b.rowid LIMIT 1"
    row = connection.execute(sql, (bundle_hash,)).fetchone()
    return None if row is None else _stored(row)


def activate_bundle(
    connection: sqlite3.Connection, owner: str, activation: BundleActivation, if_active: str | Whatever | None
) -> bool:
    """Make it the active one, or False where `if_active` is not. Raises NotFound."""
    known = "SELECT 1 FROM bundles WHERE owner = ? AND bundle_hash = ?"
    if connection.execute(known, (owner, activation.bundle_hash)).fetchone() is None:
        raise NotFound(f"`{owner}` has no policy bundle `{activation.bundle_hash}`")
    if not isinstance(if_active, Whatever):
        last = bundle_history(connection, owner, 1)
        if (last[0].bundle_hash if last else None) != if_active:
            return False
    sql = "INSERT INTO bundle_activations (owner, bundle_hash, at_ms, activated_by) VALUES (?, ?, ?, ?)"
    connection.execute(sql, (owner, activation.bundle_hash, activation.at_ms, activation.by))
    return True


def active_bundle(connection: sqlite3.Connection, owner: str) -> StoredBundle | None:
    """The bundle that was activated last, or None."""
    row = connection.execute(
        _BUNDLE + "FROM bundle_activations a "
        "JOIN bundles b USING (owner, bundle_hash) WHERE a.owner = ? ORDER BY a.activation_no DESC LIMIT 1",
        (owner,),
    ).fetchone()
    return None if row is None else _stored(row)


def bundle_history(connection: sqlite3.Connection, owner: str, limit: int) -> list[BundleActivation]:
    """Activations, the last one first."""
    sql = "SELECT at_ms, bundle_hash, activated_by FROM bundle_activations WHERE owner = ? ORDER BY activation_no DESC LIMIT ?"
    rows = connection.execute(sql, (owner, max(limit, 0)))
    return [BundleActivation(at_ms=row[0], bundle_hash=row[1], by=row[2]) for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredBundle:
    return StoredBundle(owner=row[0], bundle_hash=row[1], document=row[2], published_at_ms=row[3])


def _key(row: tuple[Any, ...]) -> ApiKey:
    principal = Principal(
        tenant_id=row[2],
        principal_id=row[3],
        kind=PrincipalKind(row[4]),
        tier=row[5],
        credential=row[6],
        teams=tuple(json.loads(row[7])),
    )
    return ApiKey(key_id=row[0], secret_sha256=row[1], principal=principal, created_at_ms=row[8], revoked_at_ms=row[9])

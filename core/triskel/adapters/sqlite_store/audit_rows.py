"""Audit chains as rows. Its one rule: an entry is inserted once and never changed."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from triskel.adapters.sqlite_store.audit_fields import fields
from triskel.adapters.sqlite_store.bulk_insert import BulkInsert
from triskel.errors import InvalidRequest
from triskel.model.audit import AuditQuery, Entry, EntryKind, Head
from triskel.model.decision import Verdict

_ENTRY = "e.tenant_id, e.shard, e.seq, e.audit_id, e.kind, e.at_ms, e.body, e.prev_hash, e.hash"
_HEAD = "tenant_id, shard, seq, hash, at_ms, key_id, signature"
_put_entries = BulkInsert("INSERT INTO audit_entries", columns=10)
_put_calls = BulkInsert(
    "INSERT INTO audit_calls (tenant_id, audit_id, shard, entry_no, kind, opened_at_ms, call_id, decision_id, principal_id, "
    "verdict, route)",
    columns=11,
    after="ON CONFLICT (tenant_id, audit_id) DO UPDATE SET shard = excluded.shard, entry_no = excluded.entry_no, "
    "kind = excluded.kind, call_id = excluded.call_id, decision_id = excluded.decision_id, "
    "principal_id = excluded.principal_id, verdict = excluded.verdict, route = excluded.route",
)
MAX_PAGE = 10_000


def append(connection: sqlite3.Connection, entries: Sequence[Entry], head: Head) -> bool:
    """Add entries and head, or nothing and False where the chain does not end just before the first entry."""
    first = entries[0]
    chain = (first.tenant_id, first.shard)
    last = connection.execute("SELECT max(seq) FROM audit_entries WHERE tenant_id = ? AND shard = ?", chain).fetchone()[0]
    if first.seq != (last or 0) + 1:
        return False
    if last is None:
        connection.execute("INSERT INTO audit_chains VALUES (?, ?) ON CONFLICT DO NOTHING", chain)
    next_no = connection.execute("SELECT coalesce(max(entry_no), 0) + 1 FROM audit_entries").fetchone()[0]
    numbered = list(enumerate(entries, next_no))
    _put_entries.run(
        connection,
        [(no, e.tenant_id, e.shard, e.seq, e.audit_id, e.kind.value, e.at_ms, e.body, e.prev_hash, e.hash) for no, e in numbered],
    )
    _put_calls.run(connection, [(e.tenant_id, e.audit_id, e.shard, no, e.kind.value, *fields(e)) for no, e in numbered])
    connection.execute(
        f"INSERT INTO audit_heads ({_HEAD}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  a constant
        (head.tenant_id, head.shard, head.seq, head.hash, head.at_ms, head.key_id, head.signature),
    )
    return True


def last_entry(connection: sqlite3.Connection, tenant_id: str, shard: int) -> Entry | None:
    """The end of a chain, or None."""
    sql = f"SELECT {_ENTRY} FROM audit_entries e WHERE tenant_id = ? AND shard = ? ORDER BY seq DESC LIMIT 1"  # noqa: S608
    row = connection.execute(sql, (tenant_id, shard)).fetchone()
    return None if row is None else _entry(row)


def chains(connection: sqlite3.Connection, tenant_id: str | None) -> list[tuple[str, int]]:
    """(tenant, shard) of every chain, or of one tenant's."""
    if tenant_id is None:
        return connection.execute("SELECT tenant_id, shard FROM audit_chains ORDER BY tenant_id, shard").fetchall()
    sql = "SELECT tenant_id, shard FROM audit_chains WHERE tenant_id = ? ORDER BY shard"
    return connection.execute(sql, (tenant_id,)).fetchall()


def chain(connection: sqlite3.Connection, tenant_id: str, shard: int, after_seq: int, limit: int) -> list[Entry]:
    """Entries behind `after_seq`, by `seq`."""
    sql = f"SELECT {_ENTRY} FROM audit_entries e WHERE tenant_id = ? AND shard = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return [_entry(row) for row in connection.execute(sql, (tenant_id, shard, after_seq, max(limit, 0)))]


def heads(connection: sqlite3.Connection, tenant_id: str, shard: int, after_seq: int, limit: int) -> list[Head]:
    """At most `limit` of the chain's heads behind `after_seq`, by `seq`."""
    sql = f"SELECT {_HEAD} FROM audit_heads WHERE tenant_id = ? AND shard = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    return [_head(row) for row in connection.execute(sql, (tenant_id, shard, after_seq, limit))]


def open_calls(connection: sqlite3.Connection, tenant_id: str, shard: int) -> list[Entry]:
    """The `opened` entries without a later one, by `seq`."""
    sql = (
        f"SELECT {_ENTRY} FROM audit_calls c JOIN audit_entries e USING (entry_no) "  # noqa: S608
        "WHERE c.tenant_id = ? AND c.shard = ? AND c.kind = 'opened' ORDER BY c.entry_no"
    )
    return [_entry(row) for row in connection.execute(sql, (tenant_id, shard))]


def find(connection: sqlite3.Connection, query: AuditQuery) -> tuple[list[Entry], str | None]:
    """One page and the next cursor. Raises InvalidRequest for a limit or a cursor that makes no sense."""
    sql, values = search(query)
    rows = connection.execute(sql, values).fetchall()
    page = rows[: query.limit]
    cursor = f"{page[-1][0]}.{page[-1][1]}" if len(rows) > len(page) else None
    return [_entry(row[2:]) for row in page], cursor


def search(query: AuditQuery) -> tuple[str, list[str | int]]:
    """The statement that answers a query, and its values. It asks for one row more than the page has."""
    if not 1 <= query.limit <= MAX_PAGE:
        raise InvalidRequest(f"`limit` is from 1 to {MAX_PAGE}", field="limit")
    conditions = ["c.tenant_id = ?"]
    values: list[str | int] = [query.tenant_id]
    for condition, value in (
        ("c.audit_id = ?", query.audit_id),
        ("c.call_id = ?", query.call_id),
        ("c.decision_id = ?", query.decision_id),
        ("c.principal_id = ?", query.principal_id),
        ("c.verdict = ?", query.verdict),
        ("c.route = ?", query.route),
        ("c.opened_at_ms >= ?", query.from_ms),
        ("c.opened_at_ms < ?", query.to_ms),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if query.verdict not in (None, Verdict.ALLOW):
        conditions.append("c.verdict <> 'allow'")  # so that the index of the other verdicts can be used
    if query.cursor is not None:
        conditions.append("(c.opened_at_ms, c.call_no) < (?, ?)")
        values.extend(_position(query.cursor))
    sql = (
        f"SELECT c.opened_at_ms, c.call_no, {_ENTRY} FROM audit_calls c JOIN audit_entries e USING (entry_no) "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} ORDER BY c.opened_at_ms DESC, c.call_no DESC LIMIT ?"
    )
    return sql, [*values, query.limit + 1]


def _position(cursor: str) -> tuple[int, int]:
    opened_at_ms, _, call_no = cursor.partition(".")
    try:
        if len(cursor) > 40 or not cursor.isascii():
            raise ValueError
        return int(opened_at_ms), int(call_no)
    except ValueError:
        raise InvalidRequest("`cursor` is not one that a page ended with", field="cursor") from None


def _entry(row: Any) -> Entry:
    tenant_id, shard, seq, audit_id, kind, at_ms, body, prev_hash, digest = row
    return Entry(
        tenant_id=tenant_id,
        shard=shard,
        seq=seq,
        audit_id=audit_id,
        kind=EntryKind(kind),
        at_ms=at_ms,
        body=body,
        prev_hash=prev_hash,
        hash=digest,
    )


def _head(row: Any) -> Head:
    return Head(tenant_id=row[0], shard=row[1], seq=row[2], hash=row[3], at_ms=row[4], key_id=row[5], signature=row[6])

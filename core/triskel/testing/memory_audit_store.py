"""An audit store in memory. One rule: its rows lie open, so that tests can do to them what a thief with the database could."""

from collections import deque
from collections.abc import Sequence

import msgspec

from triskel.errors import InvalidRequest, Unavailable
from triskel.model.audit import AuditQuery, Entry, EntryKind, Head

MAX_PAGE = 10_000


class _Intent(msgspec.Struct):
    opened_at_ms: int | None = None


class _Body(msgspec.Struct):
    call_id: str | None = None
    principal_id: str | None = None
    decision_id: str | None = None
    verdict: str | None = None
    route: str | None = None
    intent: _Intent | None = None


class MemoryAuditStore:
    """`ports.store.AuditStore`. `rows` and `head_rows` are the tables.

    `faults` are taken one for each append: `before` fails and writes nothing, `after` writes and then fails.
    """

    def __init__(self) -> None:
        self.rows: list[Entry] = []
        self.head_rows: list[Head] = []
        self.faults: deque[str] = deque()

    async def append_entries(self, entries: Sequence[Entry], head: Head) -> bool:
        """Add entries and head, or nothing and False. Raises Unavailable as `faults` say."""
        fault = self.faults.popleft() if self.faults else ""
        if fault == "before":
            raise Unavailable("the store is away")
        last = await self.last_entry(head.tenant_id, head.shard)
        if entries[0].seq != (last.seq if last else 0) + 1:
            return False
        self.rows.extend(entries)
        self.head_rows.append(head)
        if fault == "after":
            raise Unavailable("the store went away")
        return True

    async def last_entry(self, tenant_id: str, shard: int) -> Entry | None:
        """The end of a chain, or None."""
        return max(self._chain(tenant_id, shard), key=lambda entry: entry.seq, default=None)

    async def chains(self, tenant_id: str | None = None) -> Sequence[tuple[str, int]]:
        """(tenant, shard) of every chain, or of one tenant's."""
        return sorted({(e.tenant_id, e.shard) for e in self.rows if tenant_id in (None, e.tenant_id)})

    async def chain(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Entry]:
        """At most `limit` entries behind `after_seq`, by `seq`."""
        found = [entry for entry in self._chain(tenant_id, shard) if entry.seq > after_seq]
        return sorted(found, key=lambda entry: entry.seq)[:limit]

    async def heads(self, tenant_id: str, shard: int, after_seq: int, limit: int) -> Sequence[Head]:
        """At most `limit` of the chain's heads behind `after_seq`, by `seq`."""
        mine = [head for head in self.head_rows if (head.tenant_id, head.shard) == (tenant_id, shard)]
        return sorted((head for head in mine if head.seq > after_seq), key=lambda head: head.seq)[:limit]

    async def find(self, query: AuditQuery) -> tuple[Sequence[Entry], str | None]:
        """The newest entry of each matching call, newest call first, and the next page's cursor."""
        if not 1 <= query.limit <= MAX_PAGE:
            raise InvalidRequest(f"`limit` is from 1 to {MAX_PAGE}", field="limit")
        if query.cursor is not None and not (query.cursor.isascii() and query.cursor.isdigit()):
            raise InvalidRequest("`cursor` is not one that a page ended with", field="cursor")
        newest: dict[str, Entry] = {}
        first_seen: dict[str, int] = {}
        for number, entry in enumerate(self.rows):
            if entry.tenant_id == query.tenant_id:
                newest[entry.audit_id] = entry
                first_seen.setdefault(entry.audit_id, number)
        calls = [(_body(entry), entry) for entry in newest.values()]
        matching = [(body, entry) for body, entry in calls if _matches(query, body, entry)]
        matching.sort(key=lambda call: (_opened_ms(*call), first_seen[call[1].audit_id]), reverse=True)
        start = int(query.cursor or 0)
        page = [entry for _, entry in matching[start : start + query.limit]]
        more = start + query.limit < len(matching)
        return page, str(start + query.limit) if more else None

    async def open_calls(self, tenant_id: str, shard: int) -> Sequence[Entry]:
        """The `opened` entries whose call has no later entry, by `seq`."""
        newest = {entry.audit_id: entry for entry in self._chain(tenant_id, shard)}
        return sorted((e for e in newest.values() if e.kind is EntryKind.OPENED), key=lambda entry: entry.seq)

    def _chain(self, tenant_id: str, shard: int) -> list[Entry]:
        return [entry for entry in self.rows if (entry.tenant_id, entry.shard) == (tenant_id, shard)]


def _body(entry: Entry) -> _Body:
    try:
        return msgspec.json.decode(entry.body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Body()


def _opened_ms(body: _Body, entry: Entry) -> int:
    opened_ms = body.intent.opened_at_ms if body.intent else None
    return entry.at_ms if opened_ms is None else opened_ms


def _matches(query: AuditQuery, body: _Body, entry: Entry) -> bool:
    if query.from_ms is not None and _opened_ms(body, entry) < query.from_ms:
        return False
    if query.to_ms is not None and _opened_ms(body, entry) >= query.to_ms:
        return False
    wanted = (
        (query.audit_id, entry.audit_id),
        (query.call_id, body.call_id),
        (query.decision_id, body.decision_id),
        (query.principal_id, body.principal_id),
        (query.verdict, body.verdict),
        (query.route, body.route),
    )
    return all(value is None or value == found for value, found in wanted)

"""`GET /v1/audit` and `GET /v1/audit/verify`: proof, for the tenant whose it is."""

from datetime import datetime

from triskel.audit.query import view
from triskel.errors import InvalidRequest
from triskel.http.calls import CallMaker, principal_of
from triskel.http.exchange import Exchange, encode_json
from triskel.http.surfaces import Surfaces
from triskel.model.audit import AuditQuery
from triskel.model.call import Action, Target
from triskel.model.decision import Verdict
from triskel.model.principal import Principal

MAX_PAGE = 1000

_PARAMETERS = frozenset({"id", "call", "decision", "decision_id", "principal", "route", "from", "to", "limit", "cursor"})


async def list_audit(surfaces: Surfaces, exchange: Exchange) -> None:
    """One page of the caller's own tenant's calls, newest first."""
    principal = await _reader(surfaces, exchange)
    query = _query(principal, exchange.query(_PARAMETERS))
    await surfaces.sequencer.flush()
    entries, cursor = await surfaces.audit_store.find(query)
    page = {"object": "list", "data": [view(entry) for entry in entries], "next_cursor": cursor}
    await exchange.reply(200, encode_json(page))


async def verify_audit(surfaces: Surfaces, exchange: Exchange) -> None:
    """Whether the caller's own tenant's chains are whole."""
    principal = await _reader(surfaces, exchange)
    exchange.query(frozenset())
    await surfaces.sequencer.flush()
    await exchange.reply(200, encode_json(await surfaces.verify_audit(principal.tenant_id)))


async def _reader(surfaces: Surfaces, exchange: Exchange) -> Principal:
    """A principal that may read its tenant's audit. Raises InvalidCredential or PolicyDenied."""
    principal = await principal_of(surfaces, exchange)
    target = Target(kind="AuditLog", name=principal.tenant_id)
    await surfaces.gateway.permit(
        CallMaker(surfaces, exchange).control_call(principal, Action.READ_AUDIT, target, surface="triskel.audit")
    )
    return principal


def _query(principal: Principal, given: dict[str, str]) -> AuditQuery:
    verdict = given.get("decision")
    if verdict is not None and verdict not in set(Verdict):
        raise InvalidRequest(f"`decision` must be one of {', '.join(Verdict)}", field="decision")
    return AuditQuery(
        tenant_id=principal.tenant_id,
        audit_id=given.get("id"),
        call_id=given.get("call"),
        decision_id=given.get("decision_id"),
        principal_id=given.get("principal"),
        verdict=verdict,
        route=given.get("route"),
        from_ms=_moment(given, "from"),
        to_ms=_moment(given, "to"),
        limit=_limit(given.get("limit", "100")),
        cursor=given.get("cursor"),
    )


def _limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 6 and 1 <= int(value) <= MAX_PAGE):
        raise InvalidRequest(f"`limit` must be a whole number from 1 to {MAX_PAGE}", field="limit")
    return int(value)


def _moment(given: dict[str, str], name: str) -> int | None:
    """A time in milliseconds, from RFC 3339 or from milliseconds since the epoch."""
    value = given.get(name)
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        expected = "an RFC 3339 time with a zone, or milliseconds since 1970"
        raise InvalidRequest(f"`{name}` must be {expected}", field=name)
    return int(moment.timestamp() * 1000)

"""Records of the audit, as questions that can be asked again. One rule: it reads, and changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from triskel.audit.record import Intent, Outcome, decode_body
from triskel.control.publishing import Publisher
from triskel.errors import ConfigurationInvalid, NotFound
from triskel.model.audit import AuditQuery, Entry
from triskel.model.finding import FindingRecord
from triskel.policy.bundle import Bundle, load_bundle
from triskel.policy.publishing.comparison import Summary
from triskel.policy.publishing.explanation import explanation
from triskel.policy.publishing.owners import PLATFORM, may_own
from triskel.policy.publishing.replay import Recorded
from triskel.policy.verdict import Layers
from triskel.ports.store import AuditStore, Store

PAGE = 500


def recorded(entry: Entry) -> Recorded:
    """The call of an entry. Raises Unavailable where it cannot be read."""
    _, intent, outcome = decode_body(entry.body)
    return _recorded(intent, outcome)


def _recorded(intent: Intent, outcome: Outcome | None) -> Recorded:
    return Recorded(
        audit_id=intent.audit_id,
        call_id=intent.call_id,
        principal=intent.principal,
        action=intent.action.value,
        target=intent.target,
        surface=intent.surface,
        at_ms=intent.opened_at_ms,
        input=intent.decision,
        output=outcome.decision if outcome is not None else None,
        # A quote comes after the scan: where there is one the text was looked at, even if there was none to look at.
        looked_at=bool(intent.request_hash or intent.token_estimate or intent.clouds),
        token_estimate=intent.token_estimate,
        cost_estimate=intent.cost_estimate,
        clouds=intent.clouds,
    )


async def calls_of(store: AuditStore, tenant_id: str, most: int) -> AsyncIterator[Sequence[Entry]]:
    """At most `most` calls of a tenant, the newest first, in pages."""
    cursor: str | None = None
    while most > 0:
        page, cursor = await store.find(AuditQuery(tenant_id=tenant_id, limit=min(PAGE, most), cursor=cursor))
        if page:
            yield page
        most -= len(page)
        if cursor is None:
            return


async def tenants_of(store: Store, owner: str) -> list[str]:
    """The tenants about whose calls an owner's policies decide and that have had any."""
    if may_own(owner):
        return [owner]
    tenants = sorted({tenant_id for tenant_id, _ in await store.chains()})
    if owner == PLATFORM:
        return tenants
    return [tenant_id for tenant_id in tenants if not may_own(tenant_id) or not await store.bundle_history(tenant_id, 1)]


async def replay_tenant(store: AuditStore, tenant_id: str, candidate: Layers, most: int, into: Summary) -> None:
    """Replay the newest `most` calls of a tenant against a candidate."""
    async for page in calls_of(store, tenant_id, most):
        await asyncio.to_thread(_replay, into, page, candidate)


async def simulate(store: Store, owner: str, candidate: Bundle, other: Bundle, most: int) -> Summary:
    """What a candidate of `owner` would have changed about the newest `most` calls of each tenant it decides about.

    `other` is the active bundle beside it: the default one beside a platform's, which a tenant's own stands in for, or else
    the platform's.
    """
    summary = Summary()
    for tenant_id in await tenants_of(store, owner):
        layers = Layers(candidate, await _own(store, tenant_id) or other) if owner == PLATFORM else Layers(other, candidate)
        await replay_tenant(store, tenant_id, layers, most, summary)
    return summary


async def _own(store: Store, tenant_id: str) -> Bundle | None:
    stored = await store.active_bundle(tenant_id) if may_own(tenant_id) else None
    return None if stored is None else await asyncio.to_thread(load_bundle, stored.document, stored.bundle_hash)


def _replay(summary: Summary, page: Sequence[Entry], layers: Layers) -> None:
    summary.add(map(recorded, page), layers)


async def explain_decision(store: AuditStore, publisher: Publisher, decision_id: str, tenant_id: str | None) -> dict[str, Any]:
    """Why it was decided so; of one tenant's decisions and for that tenant, or of all and for an operator. Raises NotFound.

    See `policy.publishing.explanation`.
    """
    entry = await _entry_of(store, decision_id, tenant_id)
    _, intent, outcome = decode_body(entry.body)
    call = _recorded(intent, outcome)
    findings: list[tuple[str, FindingRecord]] = [("input", record) for record in intent.findings]
    findings += [("output", record) for record in (outcome.findings if outcome is not None else ())]
    layers: dict[str, Layers] = {}
    missing: list[str] = []
    # A reply that came while a new bundle was taken into use was decided by that one.
    for pair in {call.input.bundle_hash, call.output.bundle_hash if call.output is not None else ""} - {""}:
        bundles: list[Bundle] = []
        for name in pair.split("+"):
            bundle = await _bundle(publisher, name)
            if bundle is None:
                missing.append(name)
            else:
                bundles.append(bundle)
        if len(bundles) == 2:
            layers[pair] = Layers(*bundles)
    return await asyncio.to_thread(
        explanation, call, layers, findings, missing=sorted(set(missing)), for_operator=tenant_id is None
    )


async def _bundle(publisher: Publisher, name: str) -> Bundle | None:
    document = await publisher.kept(name)
    if document is None:
        return None
    try:
        return await asyncio.to_thread(load_bundle, document, name)
    except ConfigurationInvalid:
        return None


async def _entry_of(store: AuditStore, decision_id: str, tenant_id: str | None) -> Entry:
    tenants = [tenant_id] if tenant_id is not None else sorted({name for name, _ in await store.chains()})
    for name in tenants:
        found, _ = await store.find(AuditQuery(tenant_id=name, decision_id=decision_id, limit=1))
        if found:
            return found[0]
    raise NotFound(f"the audit has no decision `{decision_id[:64]}`")

"""`/v1/policies…`: a tenant works on its own policies.

    GET  /v1/policies                  which bundles were active, since when and by whom, and which is
    POST /v1/policies/validate         {"files"}: what is wrong with them
    POST /v1/policies/format           {"files"}: the same, laid out
    POST /v1/policies/test             {"files"}: their golden cases, tried
    POST /v1/policies/diff             {"a", "b", "requests"}: whose decision changes
    POST /v1/policies/simulate         {"files" | "bundle", "limit"}: what they would have changed
    POST /v1/policies/publish          {"files", "if_active", "hash"}, or If-Match: make them the active ones
    POST /v1/policies/rollback         {"to", "if_active"}, or If-Match
    GET  /v1/policies/explain/{id}     why a decision was made

`files` are texts by their names in a folder; `a`, `b` and `bundle` are a hash or `active`. One rule: a tenant touches its
own policies only, and only where its policies permit `administer`; an explanation needs `read_audit`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from triskel.control.records import explain_decision, replay_tenant
from triskel.errors import ConfigurationInvalid, Conflict, InvalidRequest, NotFound, PolicyDenied, Unavailable
from triskel.http.calls import CallMaker, principal_of
from triskel.http.exchange import Exchange, encode_json
from triskel.http.faults import error_object
from triskel.http.surfaces import Surfaces
from triskel.model.call import Action, Call, Target
from triskel.model.decision import Verdict
from triskel.policy.bundle import Bundle, bundle_hash, load_bundle
from triskel.policy.cedar.source import Source
from triskel.policy.publishing.cases import Case, read_cases
from triskel.policy.publishing.comparison import Summary, changed_cases
from triskel.policy.publishing.draft import BY_TENANT, Draft, read_draft
from triskel.policy.publishing.golden import Tried, try_cases
from triskel.policy.publishing.owners import TENANT_DEFAULT, may_own
from triskel.policy.publishing.question import ask
from triskel.policy.verdict import Layers

MAX_UPLOAD_BYTES = 4 * 1024 * 1024
MAX_FAULTS = 100
"""So many faults are told; the rest show when these are mended."""
MAX_SIMULATED = 10_000

_SURFACE = "triskel.policies"


class _Desk:
    """One request of a principal that may administer its tenant."""

    def __init__(self, surfaces: Surfaces, exchange: Exchange, call: Call) -> None:
        self.surfaces = surfaces
        self.exchange = exchange
        self.call = call
        self.owner = call.principal.tenant_id
        self.by = f"{call.principal.kind}:{call.principal.principal_id}"

    async def body(self, *known: str) -> dict[str, Any]:
        """The body, an object with no other fields than these. Raises InvalidRequest."""
        body = await self.exchange.json(min(MAX_UPLOAD_BYTES, self.surfaces.max_body_bytes))
        if not isinstance(body, dict):
            raise InvalidRequest("the body must be a JSON object")
        for name in body:
            if name not in known:
                raise InvalidRequest(f"unknown field `{name[:64]}`; known are {', '.join(known)}", field=name[:64])
        return body

    def draft(self, given: Any, field: str = "files") -> Draft:
        """The draft of uploaded files. Raises InvalidRequest or ConfigurationInvalid."""
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            raise InvalidRequest(f"`{field}` must be an object of texts by file name", field=field)
        return read_draft(given, BY_TENANT)

    async def compiled(self, draft: Draft) -> Bundle:
        """The draft as a bundle. Raises ConfigurationInvalid."""
        document = await self.surfaces.authoring.compiled(draft, self.owner)
        bundle = await asyncio.to_thread(load_bundle, document, bundle_hash(document))
        if len(bundle.evaluator.policies) > BY_TENANT.policies:
            raise ConfigurationInvalid(f"there are more than {BY_TENANT.policies} policies")
        return bundle

    async def tried(self, draft: Draft, layers: Layers) -> list[Tried]:
        """The golden cases. Raises ConfigurationInvalid."""
        cases = await self.cases(draft.tests)
        return await asyncio.to_thread(try_cases, cases, layers, "tenant", self.surfaces.scanner.scan)

    async def cases(self, sources: Sequence[Source], *, expecting: bool = True) -> list[Case]:
        """The cases of some files. Raises ConfigurationInvalid."""
        return await asyncio.to_thread(read_cases, sources, most=BY_TENANT.cases, expecting=expecting)

    async def bundle(self, reference: Any, field: str) -> Bundle:
        """A bundle that this tenant published, or uploads now. Raises InvalidRequest, NotFound or ConfigurationInvalid."""
        if isinstance(reference, dict):
            return await self.compiled(self.draft(reference, field))
        if not isinstance(reference, str):
            raise InvalidRequest(f"`{field}` must be files, a bundle's hash or `active`", field=field)
        if reference == "active":
            return self.surfaces.bundles.layers(self.owner).tenant
        document = await self.surfaces.publisher.document(self.owner, reference)
        return await asyncio.to_thread(load_bundle, document, bundle_hash(document))

    def over_platform(self, bundle: Bundle) -> Layers:
        """The bundle beneath the platform's that is in use."""
        return Layers(self.surfaces.bundles.base.platform, bundle)

    def if_active(self, body: dict[str, Any]) -> str | None:
        """The hash that must be active, if the caller insists on one. Raises InvalidRequest."""
        match = self.exchange.header(b"if-match")
        given = body.get("if_active") if match is None else match.strip().strip('"')
        if given is not None and not isinstance(given, str):
            raise InvalidRequest("`if_active` must be a bundle's hash", field="if_active")
        return given

    async def put_on_record(self, change: str) -> str:
        """Leave proof of who changes what; the id of the record. Raises PolicyDenied, RateLimited or Unavailable."""
        check = await self.surfaces.gateway.check(replace(self.call, effect_key=change))
        if not check.passes:
            raise PolicyDenied("administering is not permitted any more", decision_id=check.decision.decision_id)
        return check.audit_id

    async def reply(self, document: Any, status: int = 200, *, etag: str = "") -> None:
        """Answer."""
        headers = [(b"etag", f'"{etag}"'.encode())] if etag else []
        await self.exchange.reply(status, encode_json(document), headers=headers)

    async def refuse(self, error: ConfigurationInvalid) -> None:
        """Answer that what was uploaded is at fault, and where."""
        if not error.faults and "extra" in error.message:
            raise Unavailable(error.message)
        refusal = error_object(InvalidRequest(error.message, field="files"))
        refusal["error"]["faults"] = list(error.faults[:MAX_FAULTS])
        await self.reply(refusal, 400)


async def list_bundles(surfaces: Surfaces, exchange: Exchange) -> None:
    """Activations, the last one first."""
    desk = await _desk(surfaces, exchange)
    limit = exchange.query(frozenset({"limit"})).get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= 1_000):
        raise InvalidRequest("`limit` must be a whole number from 1 to 1000", field="limit")
    history = await surfaces.publisher.history(desk.owner, int(limit))
    in_use, refused = surfaces.bundles.in_use(desk.owner)
    await desk.reply(
        {
            "object": "list",
            "owner": desk.owner,
            "data": history,
            "in_use": in_use or surfaces.bundles.in_use(TENANT_DEFAULT)[0],
            "in_use_owner": desk.owner if in_use else TENANT_DEFAULT,
            "warning": None if refused is None else f"`{refused.bundle_hash}` cannot be used: {refused.reason}",
        },
        etag=history[0].bundle_hash if history else "",
    )


async def validate(surfaces: Surfaces, exchange: Exchange) -> None:
    """What is wrong with policies: an answer, not an error."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("files")
    try:
        draft = desk.draft(body.get("files"))
        bundle = await desk.compiled(draft)
        cases = await desk.cases(draft.tests)
    except ConfigurationInvalid as error:
        faults = list(error.faults[:MAX_FAULTS]) or [error.message]
        await desk.reply({"valid": False, "message": error.message, "faults": faults})
        return
    policies = len(bundle.evaluator.policies)
    await desk.reply({"valid": True, "faults": [], "bundle_hash": bundle.hash, "policies": policies, "cases": len(cases)})


async def format_policies(surfaces: Surfaces, exchange: Exchange) -> None:
    """The policies as Cedar's formatter lays them out."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("files")
    try:
        draft = desk.draft(body.get("files"))
        formatted = await surfaces.authoring.formatted(draft)
    except ConfigurationInvalid as error:
        await desk.refuse(error)
        return
    await desk.reply({"files": formatted, "changed": sorted(s.name for s in draft.sources if formatted[s.name] != s.text)})


async def test(surfaces: Surfaces, exchange: Exchange) -> None:
    """The golden cases beside the policies, tried above the platform's policies in use."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("files")
    try:
        draft = desk.draft(body.get("files"))
        tried = await desk.tried(draft, desk.over_platform(await desk.compiled(draft)))
    except ConfigurationInvalid as error:
        await desk.refuse(error)
        return
    failed = [_failed(case) for case in tried if not case.passed]
    await desk.reply({"passed": len(tried) - len(failed), "failed": len(failed), "cases": failed})


async def diff(surfaces: Surfaces, exchange: Exchange) -> None:
    """The requests that two bundles decide differently, with the policies that make the difference."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("a", "b", "requests")
    if not isinstance(body.get("requests"), str):
        raise InvalidRequest("`requests` must be a YAML or JSON text: a list of cases", field="requests")
    try:
        before, after = await desk.bundle(body.get("a", "active"), "a"), await desk.bundle(body.get("b"), "b")
        cases = await desk.cases([Source("requests", body["requests"])], expecting=False)
        changes = await asyncio.to_thread(_changes, desk, cases, before, after)
    except ConfigurationInvalid as error:
        await desk.refuse(error)
        return
    await desk.reply({"a": before.hash, "b": after.hash, "requests": len(cases), "changes": changes})


async def simulate(surfaces: Surfaces, exchange: Exchange) -> None:
    """What other policies would have changed about this tenant's newest recorded calls."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("files", "bundle", "limit")
    limit = body.get("limit", 1_000)
    if limit.__class__ is not int or not 1 <= limit <= MAX_SIMULATED:
        raise InvalidRequest(f"`limit` must be a whole number from 1 to {MAX_SIMULATED}", field="limit")
    try:
        candidate = await desk.bundle(body.get("files", body.get("bundle")), "files")
    except ConfigurationInvalid as error:
        await desk.refuse(error)
        return
    await surfaces.sequencer.flush()
    summary = Summary()
    await replay_tenant(surfaces.audit_store, desk.owner, desk.over_platform(candidate), limit, summary)
    await desk.reply({"bundle_hash": candidate.hash, **summary.view()})


async def publish(surfaces: Surfaces, exchange: Exchange) -> None:
    """Make policies the active ones: valid, tested, loaded once to try, put on record; then in use at once."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("files", "if_active", "hash", "even_if_locked_out")
    try:
        draft = desk.draft(body.get("files"))
        bundle = await desk.compiled(draft)
        layers = desk.over_platform(bundle)
        tried = await desk.tried(draft, layers)
    except ConfigurationInvalid as error:
        await desk.refuse(error)
        return
    if body.get("hash", bundle.hash) != bundle.hash:
        raise Conflict(f"these files make the bundle `{bundle.hash}`, not the one that was named")
    failed = [f"{case.case.place}:1: {case.case.name}: {line}" for case in tried for line in case.differences]
    if failed:
        await desk.refuse(ConfigurationInvalid("golden cases fail", faults=tuple(failed)))
        return
    if body.get("even_if_locked_out") is not True:
        _keep_the_door_open(desk, layers)
    if_active = desk.if_active(body)
    audit_id = await desk.put_on_record(f"policies.publish:{bundle.hash}")
    published = await surfaces.publisher.publish(desk.owner, bundle.document, by=desk.by, if_active=if_active)
    await surfaces.bundles.look(desk.owner)
    view = {"owner": published.owner, "before": published.before, "after": published.after, "audit_id": audit_id}
    await desk.reply({**view, "cases": len(tried)}, etag=published.after)


async def roll_back(surfaces: Surfaces, exchange: Exchange) -> None:
    """Activate an earlier bundle: the one before, or the one that `to` names."""
    desk = await _desk(surfaces, exchange)
    body = await desk.body("to", "if_active")
    to, if_active = body.get("to"), desk.if_active(body)
    if to is not None and not isinstance(to, str):
        raise InvalidRequest("`to` must be a bundle's hash", field="to")
    audit_id = await desk.put_on_record(f"policies.rollback:{to or 'previous'}")
    try:
        published = await surfaces.publisher.roll_back(desk.owner, to, by=desk.by, if_active=if_active)
    except ConfigurationInvalid as error:
        await desk.refuse(error)
        return
    await surfaces.bundles.look(desk.owner)
    view = {"owner": published.owner, "before": published.before, "after": published.after, "audit_id": audit_id}
    await desk.reply(view, etag=published.after)


async def explain(surfaces: Surfaces, exchange: Exchange) -> None:
    """Why one of the caller's tenant's calls was decided as it was."""
    principal = await principal_of(surfaces, exchange)
    maker, target = CallMaker(surfaces, exchange), Target(kind="AuditLog", name=principal.tenant_id)
    await surfaces.gateway.permit(maker.control_call(principal, Action.READ_AUDIT, target, surface=_SURFACE))
    exchange.query(frozenset())
    decision_id = exchange.path.removeprefix("/v1/policies/explain/")
    await surfaces.sequencer.flush()
    found = await explain_decision(surfaces.audit_store, surfaces.publisher, decision_id, principal.tenant_id)
    await exchange.reply(200, encode_json(found))


async def _desk(surfaces: Surfaces, exchange: Exchange) -> _Desk:
    """For a principal that may administer its tenant. Raises InvalidCredential, PolicyDenied or NotFound."""
    principal = await principal_of(surfaces, exchange)
    target = Target(kind="Tenant", name=principal.tenant_id)
    call = CallMaker(surfaces, exchange).control_call(principal, Action.ADMINISTER, target, surface=_SURFACE)
    await surfaces.gateway.permit(call)
    if not may_own(principal.tenant_id):
        raise NotFound("a tenant of this name has no policies of its own")
    return _Desk(surfaces, exchange, call)


def _keep_the_door_open(desk: _Desk, layers: Layers) -> None:
    """Refuse policies under which their own publisher could not publish again. Raises Conflict."""
    call = desk.call
    request = ask(call.principal, call.action.value, call.target, surface=call.surface, at_ms=call.received_at_ms)
    if layers.evaluate(request).verdict in (Verdict.DENY, Verdict.NEEDS_APPROVAL):
        raise Conflict(
            "under these policies you may not administer any more, and could not take them back;"
            " `even_if_locked_out` publishes them nevertheless"
        )


def _failed(tried: Tried) -> dict[str, Any]:
    return {"name": tried.case.name, "place": tried.case.place, "differences": tried.differences}


def _changes(desk: _Desk, cases: list[Case], before: Bundle, after: Bundle) -> list[Any]:
    return list(changed_cases(cases, desk.over_platform(before), desk.over_platform(after), desk.surfaces.scanner.scan))

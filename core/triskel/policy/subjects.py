"""The nouns of the model as Cedar's entities, and the context of a call, all as `data/schema.cedarschema` has them.

One rule: what a policy can see of a call is made here and nowhere else. Entities are shared between calls.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from triskel.model.finding import Facts
from triskel.model.principal import Principal
from triskel.policy.cedar.request import Entity
from triskel.policy.cedar.values import Uid

NAMESPACE = "Triskel"

ACTIONS = {
    name: Uid("Triskel::Action", name)
    for name in (
        "chat", "embed", "invoke_tool", "message_agent", "run_plan", "run_step", "approve", "read_audit", "administer"
    )
}  # fmt: skip
"""Cedar's actions, by the values of `model.call.Action`."""

INPUT, OUTPUT = "input", "output"
"""The stages of a call."""

_KINDS = {"user": "Triskel::User", "agent": "Triskel::Agent", "service": "Triskel::Service"}
_CACHED = 8_192
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


def tenant_uid(tenant_id: str) -> Uid:
    """The entity of a tenant."""
    return Uid("Triskel::Tenant", tenant_id)


def principal_entity(principal: Principal) -> Entity:
    """Who calls: a member of its teams and its tenant. The same object for equal principals, mostly."""
    return _caller(principal.kind, principal.principal_id, principal.tenant_id, principal.tier, principal.teams)


@lru_cache(_CACHED)
def _caller(kind: str, name: str, tenant_id: str, tier: str, teams: tuple[str, ...]) -> Entity:
    tenant = tenant_uid(tenant_id)
    attributes: dict[str, Any] = {"tenant": tenant, "tier": tier, "teams": frozenset(teams)}
    if kind == "agent":
        attributes["name"] = name
    return Entity(Uid(_KINDS[kind], name), attributes, frozenset({tenant, *(Uid("Triskel::Team", team) for team in teams)}))


@lru_cache(_CACHED)
def resource_entity(kind: str, name: str, tenant_id: str | None = None, parents: tuple[tuple[str, str], ...] = ()) -> Entity:
    """What is called: `kind` is an entity type without its namespace (`Model`, `Tool`, ...), as in `model.call.Target`.

    `tenant_id` where it belongs to one tenant. `parents` are (kind, name) of all that it is in: the model and the cloud of
    a `Deployment`, the connector of a `Tool`. An `AuditLog` is named by its tenant, and so is a `Tenant`.
    """
    ancestors = {Uid(f"Triskel::{parent}", parent_name) for parent, parent_name in parents}
    if kind == "AuditLog":
        tenant = tenant_uid(name)
        return Entity(Uid("Triskel::AuditLog", name), {"tenant": tenant}, frozenset({tenant, *ancestors}))
    attributes: dict[str, Any] = {"name": name}
    if tenant_id is not None and kind != "Tenant":
        attributes["tenant"] = tenant_uid(tenant_id)
    if kind == "Agent":
        attributes |= {"tier": "", "teams": frozenset()}
        ancestors |= {tenant_uid(tenant_id)} if tenant_id is not None else set()
    return Entity(Uid(f"Triskel::{kind}", name), attributes, frozenset(ancestors))


def early_context(
    *, stage: str, surface: str, tier: str, now_ms: int, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The context of a call before its text has been scanned, for `Layers.precheck`."""
    context: dict[str, Any] = {"stage": stage, **control_context(surface=surface, tier=tier, now_ms=now_ms)}
    if arguments is not None:
        context["arguments"] = arguments
    return context


def control_context(*, surface: str, tier: str, now_ms: int) -> dict[str, Any]:
    """The context of `approve`, `read_audit` and `administer`."""
    return {
        "surface": surface,
        "tier": tier,
        "time_ms": now_ms,
        "hour_utc": now_ms // _HOUR_MS % 24,
        # 1970-01-01 was a Thursday, the fourth day of a week.
        "weekday_utc": (now_ms // _DAY_MS + 3) % 7 + 1,
    }


def call_context(
    early: Mapping[str, Any],
    facts: Facts,
    *,
    token_estimate: int = 0,
    cost_estimate: int = 0,
    clouds: frozenset[str] = frozenset(),
    budget_left: int | None = None,
    region: str | None = None,
) -> dict[str, Any]:
    """The whole context: `early_context`, what the scan found, and what the quote says (micro-dollars, tokens)."""
    context = {
        **early,
        "data_classes": frozenset(facts.data_classes),
        "finding_types": frozenset(facts.finding_types),
        "finding_count": facts.finding_count,
        "injection_risk": facts.injection_risk,
        "token_estimate": token_estimate,
        "cost_estimate": cost_estimate,
        "clouds": clouds,
    }
    if budget_left is not None:
        context["budget_left"] = budget_left
    if region is not None:
        context["region"] = region
    return context

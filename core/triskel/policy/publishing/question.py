"""A question to the policies, made from what is known of a call without its text.

One rule: it is made of the same entities and the same context as the gate makes for a call.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from triskel.model.call import Target
from triskel.model.finding import NO_FACTS, Facts
from triskel.model.principal import Principal
from triskel.policy.cedar.request import Request
from triskel.policy.subjects import (
    ACTIONS,
    INPUT,
    call_context,
    control_context,
    early_context,
    principal_entity,
    resource_entity,
)

CONTROL = frozenset({"approve", "read_audit", "administer"})
"""Actions about which a policy knows who and when, but no content."""

TENANT_KINDS = frozenset({"AuditLog", "Tenant"})
"""Resources that are named by the tenant whose they are."""


def ask(
    principal: Principal,
    action: str,
    target: Target,
    *,
    surface: str,
    at_ms: int,
    tenant_id: str | None = None,
    stage: str = INPUT,
    facts: Facts | None = NO_FACTS,
    more: Mapping[str, Any] | None = None,
    **quote: Any,
) -> Request:
    """The request. `facts` None means before the text was looked at; `more` goes over the context as it is.

    `tenant_id` is the target's, where it belongs to one tenant; `quote` as in `subjects.call_context`.
    """
    if action in CONTROL:
        context = control_context(surface=surface, tier=principal.tier, now_ms=at_ms)
    else:
        context = early_context(stage=stage, surface=surface, tier=principal.tier, now_ms=at_ms)
        if facts is not None:
            context = call_context(context, facts, **quote)
    owner = target.name if target.kind in TENANT_KINDS else tenant_id
    return Request(
        principal_entity(principal),
        ACTIONS[action],
        resource_entity(target.kind, target.name, owner),
        {**context, **more} if more else context,
    )


def facts_of(data_classes: Iterable[str], finding_types: Iterable[str], count: int, risk: int) -> Facts:
    """Facts in their order."""
    return Facts(
        data_classes=tuple(sorted(set(data_classes))),
        finding_types=tuple(sorted(set(finding_types))),
        finding_count=count,
        injection_risk=risk,
    )

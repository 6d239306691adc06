"""`POST /v1/policy/check`: for a caller that makes its own model call and asks first.

The body is the chat that it would send, or `{"model", "input": text}`; what comes back holds the same thing, redacted.
"""

from collections.abc import Mapping
from typing import Any

from triskel.errors import InvalidRequest
from triskel.gateway import Check
from triskel.http.calls import CallMaker, principal_of
from triskel.http.exchange import Exchange, Header, encode_json
from triskel.http.surfaces import Surfaces
from triskel.model.call import Action, Part, Surface
from triskel.providers.chat import chat_parts, check_chat


async def check_policy(surfaces: Surfaces, exchange: Exchange) -> None:
    """What the gate would do. A denial is an answer here: status 200 and `"decision": "deny"`."""
    principal = await principal_of(surfaces, exchange)
    body = await exchange.json(surfaces.max_body_bytes)
    payload, parts = _content(body)
    call = CallMaker(surfaces, exchange).model_call(principal, Action.CHAT, payload, parts, surface="triskel.policy_check")
    check = await surfaces.gateway.check(call)
    headers: list[Header] = [
        (b"x-triskel-decision", check.decision.decision_id.encode()),
        (b"x-triskel-audit", check.audit_id.encode()),
    ]
    await exchange.reply(200, encode_json(_view(check)), headers=headers)


def _content(body: Any) -> tuple[Mapping[str, Any], tuple[Part, ...]]:
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    if ("messages" in body) == ("input" in body):
        raise InvalidRequest("the body must hold either `messages` or `input`", field="input")
    body = {"model": "auto", **body}
    if "messages" in body:
        return check_chat(body), chat_parts(check_chat(body))
    text, model, surface = body["input"], body["model"], body.get("surface", Surface.PROMPT)
    if not isinstance(text, str):
        raise InvalidRequest("`input` must be a string", field="input")
    if not isinstance(model, str) or not 0 < len(model) <= 256:
        raise InvalidRequest("`model` must be a string of 1 to 256 characters", field="model")
    if not isinstance(surface, str) or surface not in set(Surface):
        raise InvalidRequest(f"`surface` must be one of {', '.join(Surface)}", field="surface")
    return body, (Part(Surface(surface), ("input",), text),)


def _view(check: Check) -> dict[str, Any]:
    decision, facts = check.decision, check.decision.facts
    name = "messages" if "messages" in check.call.payload else "input"
    return {
        "decision": decision.verdict,
        "decision_id": decision.decision_id,
        "audit_id": check.audit_id,
        "policies": decision.policy_ids,
        "reasons": decision.reasons,
        "obligations": [{"kind": o.kind, "argument": o.argument} for o in decision.obligations],
        "approval_teams": decision.approval_teams,
        "data_classes": facts.data_classes,
        "injection_risk": facts.injection_risk,
        "findings": [
            {
                "part": r.part,
                "type": r.finding.type,
                "category": r.finding.category,
                "start": r.finding.start,
                "end": r.finding.end,
            }
            for r in check.inspection.findings
        ],
        "bundle": decision.bundle_hash,
        # A denied text is not handed back as if it were clean.
        name: check.call.payload[name] if check.passes else None,
    }

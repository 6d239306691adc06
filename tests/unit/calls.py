"""Calls and principals to test with."""

from triskel.model.call import Action, Call, CallKind, Target
from triskel.model.principal import Principal, PrincipalKind
from triskel.model.units import EpochMs
from triskel.providers.chat import chat_parts

NOW_MS = EpochMs(1_790_000_000_000)


def a_principal(**fields) -> Principal:
    """A user of the tenant `acme`."""
    given = {
        "tenant_id": "acme",
        "principal_id": "ada",
        "kind": PrincipalKind.USER,
        "tier": "enterprise",
        "credential": "key:k1",
        "teams": ("research",),
        **fields,
    }
    return Principal(**given)


def a_call(text: str = "hello", **fields) -> Call:
    """A chat of one message."""
    body = {"model": "small", "messages": [{"role": "user", "content": text}]}
    given = {
        "call_id": "call_1",
        "kind": CallKind.MODEL,
        "action": Action.CHAT,
        "principal": a_principal(),
        "target": Target(kind="Model", name="small"),
        "payload": body,
        "parts": chat_parts(body),
        "effect_key": "call_1",
        "received_at_ms": NOW_MS,
        "deadline_ms": EpochMs(NOW_MS + 60_000),
        "surface": "openai.chat",
        **fields,
    }
    return Call(**given)

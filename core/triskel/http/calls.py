"""From a request to a Call."""

from collections.abc import Mapping
from typing import Any

from triskel.http.exchange import Exchange
from triskel.http.surfaces import Surfaces
from triskel.model.call import Action, Call, CallKind, Part, Target
from triskel.model.principal import Principal
from triskel.model.units import EpochMs


async def principal_of(surfaces: Surfaces, exchange: Exchange) -> Principal:
    """Who is calling. Raises InvalidCredential."""
    key = exchange.header(b"x-api-key") or exchange.header(b"api-key")
    return await surfaces.authenticator.authenticate(exchange.header(b"authorization"), key)


class CallMaker:
    """Makes the call of one request."""

    def __init__(self, surfaces: Surfaces, exchange: Exchange) -> None:
        self._surfaces = surfaces
        self._exchange = exchange

    def model_call(
        self,
        principal: Principal,
        action: Action,
        body: Mapping[str, Any],
        parts: tuple[Part, ...],
        *,
        surface: str,
        stream: bool = False,
    ) -> Call:
        """A call of the model that `body` names."""
        target = Target(kind="Model", name=body["model"])
        return self._call(CallKind.MODEL, principal, action, target, payload=body, parts=parts, surface=surface, stream=stream)

    def control_call(self, principal: Principal, action: Action, target: Target, *, surface: str) -> Call:
        """A question to the control plane itself. It has no content."""
        return self._call(CallKind.CONTROL, principal, action, target, payload={}, parts=(), surface=surface, stream=False)

    def _call(
        self,
        kind: CallKind,
        principal: Principal,
        action: Action,
        target: Target,
        *,
        payload: Mapping[str, Any],
        parts: tuple[Part, ...],
        surface: str,
        stream: bool,
    ) -> Call:
        now_ms = self._surfaces.clock.now_ms()
        call_id = self._exchange.request_id
        return Call(
            call_id=call_id,
            kind=kind,
            action=action,
            principal=principal,
            target=target,
            payload=payload,
            parts=parts,
            effect_key=call_id,
            received_at_ms=now_ms,
            deadline_ms=EpochMs(now_ms + self._surfaces.call_timeout_ms),
            surface=surface,
            stream=stream,
        )

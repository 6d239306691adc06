"""The ASGI entry: finds the surface, and turns whatever goes wrong into an answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from triskel.errors import InvalidRequest, MethodNotAllowed, NotFound, PlatformError, TriskelError
from triskel.http import audit, chat, models, policy, readiness, status
from triskel.http.exchange import ClientGone, Exchange, Receive, Scope, Send
from triskel.http.faults import ENDING, reply_error
from triskel.http.surfaces import Surfaces

_log = logging.getLogger("triskel.http")

Handler = Callable[[Surfaces, Exchange], Awaitable[None]]
Lifespan = Callable[[], Awaitable[None]]


def _policies(name: str) -> Handler:
    """A handler of `http.policies`."""

    async def handler(surfaces: Surfaces, exchange: Exchange) -> None:
        from triskel.http import policies  # noqa: PLC0415 - no call needs it, and a cold start need not pay for it

        await getattr(policies, name)(surfaces, exchange)

    return handler


ROUTES: dict[str, dict[str, Handler]] = {
    "/v1/chat/completions": {"POST": chat.chat_completions},
    "/v1/models": {"GET": models.list_models},
    "/v1/policy/check": {"POST": policy.check_policy},
    "/v1/policies": {"GET": _policies("list_bundles")},
    "/v1/policies/validate": {"POST": _policies("validate")},
    "/v1/policies/format": {"POST": _policies("format_policies")},
    "/v1/policies/test": {"POST": _policies("test")},
    "/v1/policies/diff": {"POST": _policies("diff")},
    "/v1/policies/simulate": {"POST": _policies("simulate")},
    "/v1/policies/publish": {"POST": _policies("publish")},
    "/v1/policies/rollback": {"POST": _policies("roll_back")},
    "/v1/audit": {"GET": audit.list_audit},
    "/v1/audit/verify": {"GET": audit.verify_audit},
    "/health": {"GET": status.health},
    "/ready": {"GET": readiness.ready},
    "/metrics": {"GET": status.metrics},
}
"""Every path and method. A test walks them all."""

PREFIXES: dict[str, dict[str, Handler]] = {
    "/v1/models/": {"GET": models.show_model},
    "/v1/policies/explain/": {"GET": _policies("explain")},
}
"""Paths that end in a name."""


class Application:
    """The ASGI application of one system."""

    def __init__(self, surfaces: Surfaces, start: Lifespan, stop: Lifespan) -> None:
        self._surfaces = surfaces
        self._start = start
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "http":
            await self._answer(Exchange(scope, receive, send, self._surfaces.ids.new("call")))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, exchange: Exchange) -> None:
        try:
            self._check_host(exchange)
            await _handler(exchange)(self._surfaces, exchange)
        except ClientGone:
            _log.info("client gone", extra={"request_id": exchange.request_id})
        except TriskelError as error:
            if isinstance(error, PlatformError):
                _log.error("cannot serve", extra={"request_id": exchange.request_id, "reason": error.message})
            if not exchange.started:
                await reply_error(exchange, error)
        except asyncio.CancelledError:
            # By the server, whose grace is over: the call has put its end on record, and this task has nothing left to do.
            if not exchange.started:
                await reply_error(exchange, ENDING)
        except Exception:
            # The traceback goes to the log; the caller learns only where to point.
            _log.exception("unexpected error", extra={"request_id": exchange.request_id})
            if exchange.started:
                raise
            await reply_error(exchange, TriskelError(f"internal error; its request id is {exchange.request_id}"))

    def _check_host(self, exchange: Exchange) -> None:
        """Refuse a Host that is not ours where we are bound to this machine alone: it is a page in a browser, rebinding.

        Nothing else in Triskel depends on the Host.
        """
        allowed = self._surfaces.allowed_hosts
        if allowed and _hostname(exchange.header(b"host") or "") not in allowed:
            raise InvalidRequest("this Host is not served here; see `http.allowed_hosts` in the configuration", field="Host")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except TriskelError as error:
                    await send({"type": "lifespan.startup.failed", "message": error.message})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _handler(exchange: Exchange) -> Handler:
    """The handler of a request. Raises NotFound or MethodNotAllowed."""
    methods = ROUTES.get(exchange.path)
    if methods is None:
        prefix = next((p for p in PREFIXES if exchange.path.startswith(p) and len(exchange.path) > len(p)), None)
        if prefix is None:
            raise NotFound(f"there is nothing at `{exchange.path[:256]}`")
        methods = PREFIXES[prefix]
    handler = methods.get(exchange.method)
    if handler is None:
        raise MethodNotAllowed(f"`{exchange.path[:256]}` answers {' and '.join(methods)}")
    return handler


def _hostname(host: str) -> str:
    """The host without its port, in lower case."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()

"""The paths of a simulated cloud. One rule: nothing is served without the cloud's key, the levers of the simulator included.

- `POST /v1/chat/completions`, `GET /v1/models`, `GET /v1/models/{id}`: as OpenAI's
- `GET`, `PUT` (replace), `POST` (add) and `DELETE /simulator/faults`: a body is one fault or `{"faults": [...]}` (faults.py)
- `GET` and `DELETE /simulator/calls`: what was seen (ledger.py)
"""

import asyncio
import hmac
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import msgspec

from triskel.local.simulator.chat import Chat, Manner
from triskel.local.simulator.connection import Connection, Request
from triskel.local.simulator.faults import FaultKind, read_faults
from triskel.local.simulator.offer import Offer
from triskel.local.simulator.refusal import Refusal
from triskel.local.simulator.script import plain_failure
from triskel.local.simulator.wire import document_bytes, error_bytes

TICK_S = 1.0
IDLE_TICKS = 300
CONNECTIONS_AT_MOST = 8192


class Service:
    """One cloud, serving. `refuse` is called with the seconds for which no connection is to be accepted."""

    def __init__(self, name: str, offer: Offer, key: str, manner: Manner, loop: asyncio.AbstractEventLoop) -> None:
        cloud = offer.clouds[name]
        self.date = b""
        self.tick = 0
        self.connections: set[Connection] = set()
        self.refuse: Callable[[float], None] = lambda _seconds: None
        self._name = name
        self._offer = offer
        self._authorization = f"Bearer {key}".encode()
        self._loop = loop
        self._chat = Chat(cloud.deployments, manner, offer.dated_s, loop)
        self._deployments = frozenset(deployment.name for deployment in cloud.deployments)
        self._ticking: asyncio.TimerHandle | None = None
        self._unauthorized = 0

    def begin(self) -> None:
        """Keep the date, and close connections on which no request was completed for long."""
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        self.tick += 1
        for connection in [one for one in self.connections if not one.busy and self.tick - one.tick > IDLE_TICKS]:
            connection.end()
        self._ticking = self._loop.call_later(TICK_S, self.begin)

    def end(self) -> None:
        """Stop what `begin` began."""
        if self._ticking is not None:
            self._ticking.cancel()

    def connect(self) -> asyncio.Protocol:
        """A connection for the next client; one too many is closed at once."""
        if len(self.connections) >= CONNECTIONS_AT_MOST:
            return _Full()
        return Connection(self, self._loop)

    def handle(self, connection: Connection, request: Request) -> None:
        """Answer a request, now or in time."""
        if not hmac.compare_digest(request.authorization, self._authorization):
            self._unauthorized += 1
            refusal = Refusal(401, "Incorrect API key provided.", code="invalid_api_key")
            connection.answer(401, error_bytes(refusal))
        elif request.path == b"/v1/chat/completions" and request.method == b"POST":
            self._chat.answer(connection, request)
        else:
            self._handle_rest(connection, request)

    def _handle_rest(self, connection: Connection, request: Request) -> None:
        path = request.path.partition(b"?")[0].decode("latin-1")
        try:
            if path == "/simulator/faults":
                self._faults(connection, request)
            elif path == "/simulator/calls":
                self._calls(connection, request)
            elif path == "/v1/models" or path.startswith("/v1/models/"):
                self._models(connection, request, path.removeprefix("/v1/models").removeprefix("/"))
            elif path == "/v1/chat/completions":
                raise _not_allowed(request)
            else:
                raise Refusal(404, f"Unknown request URL: {path[:200]}.", code="unknown_url")
        except Refusal as refusal:
            connection.answer(refusal.status, error_bytes(refusal))

    def _faults(self, connection: Connection, request: Request) -> None:
        board, now_s = self._chat.faults, self._loop.time()
        refused_s = 0.0
        if request.method in (b"PUT", b"POST"):
            faults = read_faults(request.body, self._deployments)
            standing = [fault for fault in faults if fault.kind is not FaultKind.REFUSE]
            (board.replace if request.method == b"PUT" else board.add)(standing, now_s)
            refused_s = max((fault.duration_ms or 0 for fault in faults if fault.kind is FaultKind.REFUSE), default=0) / 1000
        elif request.method == b"DELETE":
            board.replace((), now_s)
        elif request.method != b"GET":
            raise _not_allowed(request)
        _answer_document(connection, {"faults": board.listed(now_s)})
        if refused_s:
            self.refuse(refused_s)

    def _calls(self, connection: Connection, request: Request) -> None:
        stations = self._chat.stations.values()
        if request.method == b"DELETE":
            for station in stations:
                station.counts.clear()
            self._chat.record.clear()
            self._chat.refused = self._unauthorized = 0
        elif request.method != b"GET":
            raise _not_allowed(request)
        deployments = {
            station.deployment.name: {**station.counts.listed(), "in_flight": station.capacity.in_flight} for station in stations
        }
        total = {count: sum(one[count] for one in deployments.values()) for count in next(iter(deployments.values()))}
        total["seen"] += self._chat.refused
        total["refused"] += self._chat.refused
        _answer_document(
            connection,
            {
                "cloud": self._name,
                "total": total,
                "deployments": deployments,
                "unauthorized": self._unauthorized,
                "recorded": self._chat.record.listed(),
            },
        )

    def _models(self, connection: Connection, request: Request, name: str) -> None:
        fault = self._chat.faults.of_whole_cloud(self._loop.time())
        if fault is not None and fault.kind is FaultKind.DOWN:
            connection.cut_off()
            return
        if fault is not None and fault.kind is FaultKind.HANG:
            return
        if fault is not None and fault.kind is FaultKind.STATUS:
            connection.answer(fault.status, plain_failure(fault))
            return
        if request.method != b"GET":
            raise _not_allowed(request)
        models = [
            {"id": model, "object": "model", "created": self._offer.dated_s, "owned_by": f"simulated-{self._name}"}
            for model in self._chat.stations
        ]
        if not name:
            _answer_document(connection, {"object": "list", "data": models})
            return
        found = next((model for model in models if model["id"] == name), None)
        if found is None:
            raise Refusal(404, f"The model `{name[:200]}` does not exist.", code="model_not_found", param="model")
        _answer_document(connection, found)


class _Full(asyncio.Protocol):
    """A connection that there is no room for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn the connection away."""
        transport.close()


def _answer_document(connection: Connection, document: dict[str, Any]) -> None:
    connection.answer(200, document_bytes(msgspec.json.encode(document)))


def _not_allowed(request: Request) -> Refusal:
    return Refusal(405, f"Not allowed to {request.method.decode('latin-1')} here.", code="method_not_allowed")

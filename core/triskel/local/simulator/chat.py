"""Chat completions: from a body to bytes on a connection. One rule: what a body is answered with is worked out once."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from triskel.local.simulator.answer import answer
from triskel.local.simulator.capacity import Capacity
from triskel.local.simulator.connection import Connection, Request
from triskel.local.simulator.faults import FaultBoard
from triskel.local.simulator.ledger import Counts, Record
from triskel.local.simulator.offer import OfferedDeployment
from triskel.local.simulator.playback import Outcome, Playback
from triskel.local.simulator.refusal import Refusal, malformed
from triskel.local.simulator.request import ChatRequest, read_request
from triskel.local.simulator.script import script
from triskel.local.simulator.wire import Reply, error_bytes, reply_bytes

REMEMBERED_BYTES = 32 * 1024 * 1024
REMEMBERED_EACH = 256 * 1024


class Station:
    """A deployment and what happens at it."""

    __slots__ = ("capacity", "counts", "deployment")

    def __init__(self, deployment: OfferedDeployment) -> None:
        self.deployment = deployment
        self.counts = Counts()
        self.capacity = Capacity(deployment)


class Prepared:
    """A reply with its deployment. `instant` is all of it, where it may be sent at once."""

    __slots__ = ("instant", "reply", "size", "station")

    def __init__(self, reply: Reply, station: Station, *, is_instant: bool) -> None:
        self.reply = reply
        self.station = station
        everything = reply.everything
        self.instant = everything if is_instant else None
        self.size = len(everything) * 2 + 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the simulator behaves. `pace` 0 is as fast as it can, 1 is as modelled; `records` keeps the requests."""

    pace: float = 1.0
    limits_capacity: bool = True
    records: bool = False


class Chat:
    """The deployments of one cloud, answering."""

    def __init__(
        self, deployments: tuple[OfferedDeployment, ...], manner: Manner, created_s: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.stations = {deployment.upstream_model: Station(deployment) for deployment in deployments}
        self.faults = FaultBoard()
        self.record = Record()
        self.refused = 0
        """Calls that named no deployment of this cloud, or could not be read."""
        self._manner = manner
        self._created_s = created_s
        self._loop = loop
        self._prepared: OrderedDict[bytes, Prepared] = OrderedDict()
        self._remembered = 0

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer a chat request, now or in time."""
        if self._manner.records:
            self.record.add(request.headers, request.body)
        prepared = self._prepared.get(request.body)
        if prepared is None:
            try:
                prepared = self._prepare(request.body)
            except Refusal as refusal:
                connection.answer(refusal.status, error_bytes(refusal))
                return
        else:
            self._prepared.move_to_end(request.body)
        counts = prepared.station.counts
        counts.seen += 1
        if prepared.instant is not None and not self.faults.standing and not request.is_http10:
            counts.completed += 1
            connection.answer_ok(prepared.instant)
        else:
            self._perform(connection, request, prepared)

    def _perform(self, connection: Connection, request: Request, prepared: Prepared) -> None:
        station, reply = prepared.station, prepared.reply
        now_s = self._loop.time()
        fault = self.faults.take(station.deployment.name, now_s)
        refusal = None
        if request.is_http10 and reply.stream:
            station.counts.refused += 1
            refusal = malformed("A stream needs HTTP/1.1.", "stream")
        elif fault is None and self._manner.limits_capacity:
            wait_s = station.capacity.shortage(reply.tokens, now_s)
            if wait_s:
                station.counts.throttled += 1
                refusal = throttled(station.deployment, wait_s)
        if refusal is not None:
            connection.answer(refusal.status, error_bytes(refusal))
            return
        station.capacity.in_flight += 1

        def ended(outcome: Outcome) -> None:
            station.capacity.in_flight -= 1
            setattr(station.counts, outcome, getattr(station.counts, outcome) + 1)

        Playback(script(reply, station.deployment, self._manner.pace, fault), connection, self._loop, ended).begin()

    def _prepare(self, body: bytes) -> Prepared:
        try:
            request = read_request(body)
            station = self.stations.get(request.model)
            if station is None:
                message = f"The model `{request.model[:200]}` does not exist or you do not have access to it."
                raise Refusal(404, message, code="model_not_found", param="model")
        except Refusal:
            self.refused += 1
            raise
        deployment = station.deployment
        try:
            said = answer(request, deployment, _room(request, deployment))
        except Refusal:
            station.counts.seen += 1
            station.counts.refused += 1
            raise
        is_instant = self._manner.pace == 0 and not deployment.exact and not self._manner.limits_capacity
        prepared = Prepared(reply_bytes(request, said, deployment, self._created_s), station, is_instant=is_instant)
        self._remember(body, prepared)
        return prepared

    def _remember(self, body: bytes, prepared: Prepared) -> None:
        prepared.size += len(body)
        if prepared.size > REMEMBERED_EACH:
            return
        self._prepared[body] = prepared
        self._remembered += prepared.size
        while self._remembered > REMEMBERED_BYTES:
            self._remembered -= self._prepared.popitem(last=False)[1].size


def throttled(deployment: OfferedDeployment, wait_s: int) -> Refusal:
    """429 as OpenAI says it."""
    return Refusal(
        429,
        f"Rate limit reached for `{deployment.upstream_model}`. Please try again in {wait_s}s.",
        code="rate_limit_exceeded",
        kind="requests",
        retry_after_s=wait_s,
    )


def _room(request: ChatRequest, deployment: OfferedDeployment) -> int:
    """The tokens that the answer may have. Raises Refusal where the request does not fit the deployment."""
    if request.images and "vision" not in deployment.capabilities:
        raise malformed(f"The model `{deployment.upstream_model}` takes no images.", "messages", "unsupported_content")
    if request.tools and "tools" not in deployment.capabilities:
        raise malformed(f"The model `{deployment.upstream_model}` takes no tools.", "tools", "unsupported_parameter")
    if request.answer_as_json and "json" not in deployment.capabilities:
        raise malformed(
            f"The model `{deployment.upstream_model}` cannot answer in JSON.", "response_format", "unsupported_parameter"
        )
    asked = request.max_tokens
    if asked is not None and asked > deployment.max_output:
        raise malformed(
            f"max_tokens is too large: {asked}. This model supports at most {deployment.max_output} completion tokens.",
            "max_tokens",
            "invalid_value",
        )
    window, prompt = deployment.context_window, request.prompt_tokens
    if prompt + (asked or 1) > window:
        raise malformed(
            f"This model's maximum context length is {window} tokens. However, you requested {prompt + (asked or 0)} tokens "
            f"({prompt} in the messages, {asked or 0} in the completion). Please reduce the length of either.",
            "messages",
            "context_length_exceeded",
        )
    return min(asked or deployment.max_output, window - prompt)

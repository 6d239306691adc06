"""Simulated clouds inside the test's own loop, and requests for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from triskel.local.simulator.chat import Manner
from triskel.local.simulator.offer import OfferedDeployment, read_offer
from triskel.local.simulator.process import Listener
from triskel.local.simulator.request import ChatRequest, read_request
from triskel.local.simulator.service import Service

KEY = "sim-key"


class Wire:
    """A raw client of one simulator."""

    def __init__(self, port: int, service: Service) -> None:
        self.port = port
        self.service = service

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    def request(self, method: str, path: str, document: Any = None, *, key: str = KEY, headers: str = "") -> bytes:
        """The bytes of a request; a document is encoded, bytes are sent as they are."""
        body = b"" if document is None else document if isinstance(document, bytes) else msgspec.json.encode(document)
        head = f"{method} {path} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {key}\r\n{headers}content-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    async def exchange(self, data: bytes) -> bytes:
        """Send, end sending as a client that has nothing more to ask would not, and read until the server closes."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()

    async def ask(self, method: str, path: str, document: Any = None, **options: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and decoded body of one request on a connection of its own."""
        headers = options.pop("headers", "") + "connection: close\r\n"
        raw = await self.exchange(self.request(method, path, document, headers=headers, **options))
        return parsed(raw)

    async def chat(self, document: Any) -> tuple[int, dict[str, str], Any]:
        """The answer to a chat request."""
        return await self.ask("POST", "/v1/chat/completions", document)

    async def counts(self) -> dict[str, int]:
        """What the cloud has seen."""
        return (await self.ask("GET", "/simulator/calls"))[2]["total"]


def parsed(raw: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of a response; JSON is decoded, chunks are joined."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    if headers.get("transfer-encoding") == "chunked":
        body = joined(body)
    if headers.get("content-type") == "application/json":
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return int(lines[0].split()[1]), headers, msgspec.json.decode(body)
    return int(lines[0].split()[1]), headers, body


def joined(body: bytes) -> bytes:
    """A chunked body without its framing; raises when it does not end."""
    data = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return data
        data, body = data + body[:length], body[length + 2 :]


@pytest.fixture
async def open_simulator() -> AsyncIterator[Callable[..., Any]]:
    """Opens simulators of a cloud in a manner."""
    opened: list[tuple[Listener, Service]] = []
    offer = read_offer()

    async def open_one(cloud: str = "aws", **manner: Any) -> Wire:
        loop = asyncio.get_running_loop()
        service = Service(cloud, offer, KEY, Manner(**{"pace": 0.0, "limits_capacity": False, **manner}), loop)
        listener = Listener(service, "127.0.0.1", 0, loop)
        service.refuse = listener.refuse
        service.begin()
        port = await listener.open()
        opened.append((listener, service))
        return Wire(port, service)

    yield open_one
    for listener, service in opened:
        listener.close()
        service.end()
        for connection in list(service.connections):
            connection.end()
    await asyncio.sleep(0.01)


@pytest.fixture
async def sim(open_simulator: Callable[..., Any]) -> Wire:
    """The cloud aws, as fast as it can be, recording."""
    return await open_simulator(records=True)


@pytest.fixture
def deployment() -> OfferedDeployment:
    """aws-small."""
    return read_offer().clouds["aws"].deployments[0]


@pytest.fixture
def said() -> Callable[..., ChatRequest]:
    """A request with one user message and whatever else."""

    def make(text: str, **more: Any) -> ChatRequest:
        document = {"model": "sim.small-v1", "messages": [{"role": "user", "content": text}], **more}
        return read_request(msgspec.json.encode(document))

    return make

"""The life of a simulator's process. One rule: it ends by signal, or with its parent, and leaves nothing behind."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from triskel.local.simulator.chat import Manner
from triskel.local.simulator.offer import Offer
from triskel.local.simulator.service import Service

GRACE_S = 2.0
"""How long calls in flight may go on after the order to end."""
BACKLOG = 1024
REOPEN_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a process begins. `ends_with_stdin` ties its life to the other end of the pipe that is its standard input."""

    cloud: str
    offer: Offer
    key: str = field(repr=False)
    shows_key: bool
    host: str
    port: int
    manner: Manner
    ends_with_stdin: bool


class Listener:
    """The listening socket, which a fault may close for a while."""

    def __init__(self, service: Service, host: str, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._address = (host, port)
        self._loop = loop
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Listen; the port. Raises OSError."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(self._address)
            self._address = (self._address[0], sock.getsockname()[1])
            self._server = await self._loop.create_server(self._service.connect, sock=sock, backlog=BACKLOG)
        except BaseException:
            sock.close()
            raise
        return self._address[1]

    def close(self) -> None:
        """Listen no more. Connections live on."""
        if self._reopening is not None:
            self._reopening.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None

    def refuse(self, seconds: float) -> None:
        """Close the socket and all connections, and listen again on the same port after `seconds`."""
        self.close()
        for connection in list(self._service.connections):
            connection.end()
        self._reopening = self._loop.create_task(self._reopen(seconds))

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while self._server is None:
            try:
                await self.open()
            except OSError:
                await asyncio.sleep(REOPEN_EVERY_S)


async def serve(start: Start) -> None:
    """Serve until the end is ordered; say on standard output, in one line of JSON, when and where. Raises OSError."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    service = Service(start.cloud, start.offer, start.key, start.manner, loop)
    listener = Listener(service, start.host, start.port, loop)
    service.refuse = listener.refuse
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    service.begin()
    try:
        port = await listener.open()
        if start.ends_with_stdin:
            await loop.connect_read_pipe(lambda: _Parent(ended.set), sys.stdin)
        _say_ready(start, port)
        await ended.wait()
        listener.close()
        await _let_finish(service)
    finally:
        listener.close()
        service.end()


def _say_ready(start: Start, port: int) -> None:
    host = f"[{start.host}]" if ":" in start.host else start.host
    address = f"http://{host}:{port}"
    said = {"cloud": start.cloud, "address": address, "base_url": f"{address}/v1", "port": port, "pid": os.getpid()}
    if start.shows_key:
        said["key"] = start.key
    print(json.dumps(said), flush=True)


async def _let_finish(service: Service) -> None:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + GRACE_S
    while any(connection.busy for connection in service.connections) and loop.time() < until_s:
        for connection in [one for one in service.connections if not one.busy]:
            connection.end()
        await asyncio.sleep(0.02)
    for connection in list(service.connections):
        connection.end()
    await asyncio.sleep(0)


class _Parent(asyncio.Protocol):
    """The other end of standard input: its end is ours."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end

    def eof_received(self) -> None:
        """Whoever held the other end is gone."""
        self._on_end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's signature
        """The pipe broke: that too is an end."""
        self._on_end()

"""A provider on a port of this machine, and one that does what no script says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from triskel.ports.transport import Transport
from triskel.testing.transport import Answer
from triskel.testing.upstream import ScriptedUpstream


class SocketStage:
    """A scripted provider, and the transport that reaches it."""

    def __init__(self, upstream: ScriptedUpstream, transport: Transport) -> None:
        self.upstream = upstream
        self.transport = transport
        self.url = upstream.url

    def play(self, *answers: Answer | bytes) -> None:
        self.upstream.play(*answers)

    @property
    def given_up(self) -> int:
        return self.upstream.given_up


def sent(stage: SocketStage) -> tuple[str, dict[str, str], bytes]:
    """The last request: its line, its headers, its body."""
    head, body = stage.upstream.requests[-1]
    line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return line, {name: value for name, _, value in (each.partition(": ") for each in lines)}, body


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that does what no script says. Its connections end with it."""
    over = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        await over.wait()
        writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()
    over.set()
    await asyncio.gather(*tasks)

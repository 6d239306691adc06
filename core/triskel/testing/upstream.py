"""A provider over a real socket. Its one rule: it plays the answers of a test, byte for byte, and notes who left early."""

import asyncio
from collections import deque
from types import TracebackType
from typing import cast

from triskel.testing.transport import Answer, Ending


class ScriptedUpstream:
    """An HTTP/1.1 server on a free port of 127.0.0.1, as an async context manager.

    Bodies are chunked unless the answer has a `content-length`. A `bytes` in place of an `Answer` is written as it is, and
    then the connection is closed. `requests` holds (head, body) of each request.
    """

    def __init__(self, *answers: Answer | bytes) -> None:
        self.url = ""
        self.requests: list[tuple[bytes, bytes]] = []
        self.connections = 0
        self.given_up = 0
        self.written_bytes = 0
        self._answers = deque(answers)
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()

    def play(self, *answers: Answer | bytes) -> None:
        """Play these after those that are left."""
        self._answers.extend(answers)

    def next_answer(self, head: bytes, body: bytes) -> Answer | bytes:
        """Note a request, and take its answer. An unscripted request is broken off."""
        self.requests.append((head, body))
        return self._answers.popleft() if self._answers else Answer.no_head(Ending.BROKEN)

    async def __aenter__(self) -> "ScriptedUpstream":
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, self._open), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*[connection.aclose() for connection in tuple(self._open)])


class _Connection(asyncio.Protocol):
    """One client. It is answered one request at a time."""

    def __init__(self, upstream: ScriptedUpstream, connections: set["_Connection"]) -> None:
        self._upstream = upstream
        self._open = connections
        self._received = bytearray()
        self._playing: asyncio.Task[bool] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    async def aclose(self) -> None:
        """End what is played, and the connection."""
        playing = self._playing
        if playing is not None:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)
        self._upstream.connections += 1
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        """It speaks."""
        self._received += data
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's form
        """It is gone; where an answer was played, before its end."""
        self._open.discard(self)
        if self._playing is not None:
            self._upstream.given_up += 1
            self._playing.cancel()

    def pause_writing(self) -> None:
        """The client does not read as fast as is written."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """It reads again."""
        self._may_write.set()

    def _answer(self) -> None:
        """Answer the request that has come whole, unless one is being answered."""
        end = self._received.find(b"\r\n\r\n") + 4
        if self._playing is not None or end < 4:
            return
        head = bytes(self._received[:end])
        whole = end + _content_length(head)
        if len(self._received) >= whole:
            answer = self._upstream.next_answer(head, bytes(self._received[end:whole]))
            del self._received[:whole]
            self._playing = asyncio.get_running_loop().create_task(self._play(answer))
            self._playing.add_done_callback(self._played)

    def _played(self, playing: asyncio.Task[bool]) -> None:
        self._playing = None
        if playing.cancelled() or not playing.result():
            self._transport.close()
        else:
            self._answer()

    async def _play(self, answer: Answer | bytes) -> bool:
        """Play an answer, and say whether the connection stays."""
        if isinstance(answer, bytes):
            await self._write(answer)
            return False
        await asyncio.sleep(answer.delay_ms / 1000)
        if answer.status is not None:
            chunked = not any(name.lower() == "content-length" for name in answer.headers)
            headers = {**answer.headers, **({"transfer-encoding": "chunked"} if chunked else {})}
            lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
            await self._write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            for piece in answer.pieces:
                await asyncio.sleep(answer.piece_delay_ms / 1000)
                await self._write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if answer.ending is Ending.WHOLE and chunked:
                await self._write(b"0\r\n\r\n")
        if answer.ending is Ending.HANGING:
            await asyncio.Event().wait()
        return answer.ending is Ending.WHOLE

    async def _write(self, data: bytes) -> None:
        self._transport.write(data)
        await self._may_write.wait()
        self._upstream.written_bytes += len(data)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0

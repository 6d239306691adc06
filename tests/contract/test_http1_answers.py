"""What a provider may answer over a socket, on both event loops: garbage, odd but lawful forms, too much, too early."""

import asyncio
import os
from itertools import pairwise

import pytest
from tests.contract.socket_stage import SocketStage, serving

from triskel.adapters.http1_transport import Http1Transport
from triskel.errors import UpstreamFault
from triskel.ports.transport import UpstreamRequest
from triskel.testing.contracts.transport import pieces, request
from triskel.testing.transport import Answer


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"HTTP/1.1 20000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 70_000,
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3_000,
        b"".join(b"HTTP/1.1 200 OK\r\n" if n == 0 else b"x-%d: y\r\n" % n for n in range(9_000)),
    ],
)
async def test_a_head_that_is_not_http_is_a_fault(stage: SocketStage, garbage: bytes) -> None:
    """Wrong, ambiguous, never ending or of another protocol; the next request is answered."""
    stage.play(garbage, Answer.of_json({}))
    with pytest.raises(UpstreamFault) as caught:
        await stage.transport.send(request(stage))
    assert "garbage" not in caught.value.message
    assert await (await stage.transport.send(request(stage))).read(10) == b"{}"


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nok\r\n0\r\n\r\n",
        b"2\r\nokxx0\r\n\r\n",
        b"2\r\nok\r\n",
        b"2;" + b"x" * 70_000,
        b"2\r\nok\r\n0\r\n" + b"t: x\r\n" * 20_000,
        b"fffffffffffffffff\r\nok",
    ],
    ids=["no length", "no line end", "no end", "endless extension", "endless trailers", "a length over 64 bits"],
)
async def test_a_body_with_broken_chunks_is_a_fault(stage: SocketStage, body: bytes) -> None:
    """Whatever came before it."""
    stage.play(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body)
    response = await stage.transport.send(request(stage))
    with pytest.raises(UpstreamFault):
        await response.read(1_000_000)


async def test_informational_answers_are_passed_over(stage: SocketStage) -> None:
    """The real one follows, and none of their headers stay."""
    real = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    stage.play(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + real)
    response = await stage.transport.send(request(stage))
    assert (response.status, response.header("link"), await response.read(10)) == (200, None, b"ok")


async def test_a_body_may_end_with_the_connection(stage: SocketStage) -> None:
    """Where neither a length nor chunks were promised."""
    stage.play(b"HTTP/1.0 200 OK\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    assert await (await stage.transport.send(request(stage))).read(10) == b"hello"
    assert await pieces(await stage.transport.send(request(stage))) == []


@pytest.mark.parametrize("head", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"])
async def test_answers_that_have_no_body(stage: SocketStage, head: bytes) -> None:
    """By their status, whatever length they mention."""
    stage.play(head)
    assert await (await stage.transport.send(request(stage))).read(10) == b""


async def test_a_head_request_has_no_body(stage: SocketStage) -> None:
    """The length is that of the body it would have had."""
    stage.play(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")
    response = await stage.transport.send(request(stage, method="HEAD", body=b""))
    assert (response.header("content-length"), await response.read(10)) == ("99", b"")


async def test_a_slow_reader_holds_the_provider_back(stage: SocketStage) -> None:
    """Of 64 MB that nobody takes, only what sockets and one buffer hold is sent; then the rest comes."""
    piece = b"x" * 64 * 1024
    stage.play(Answer(headers={"content-length": str(1_000 * len(piece))}, pieces=(piece,) * 1_000))
    response = await stage.transport.send(request(stage))
    await asyncio.sleep(0.2)
    assert stage.upstream.written_bytes < 32_000_000
    chunks = response.chunks()
    longest = taken = 0
    async for chunk in chunks:
        taken += len(chunk)
        longest = max(longest, len(chunk))
    assert taken == 1_000 * len(piece)
    assert longest <= 1024 * 1024


async def test_a_big_request_goes_out_whole(stage: SocketStage) -> None:
    """Eight megabytes, and the connection is used again."""
    stage.play(Answer.of_json({}), Answer.of_json({}))
    body = os.urandom(8_000_000)
    await (await stage.transport.send(request(stage, body=body))).read(10)
    await (await stage.transport.send(request(stage))).read(10)
    assert stage.upstream.requests[0][1] == body
    assert stage.upstream.connections == 1


async def test_an_answer_before_the_request_was_whole_ends_the_connection() -> None:
    """A provider that refuses a body it has not read may never read it."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")

    transport = Http1Transport()
    async with serving(refuse) as port:
        big = UpstreamRequest(method="POST", url=f"http://127.0.0.1:{port}/", headers={}, body=b"x" * 50_000_000)
        response = await transport.send(big)
        assert (response.status, await response.read(10)) == (413, b"no")
        assert all(not pool.idle for pool in transport._pools.values())
    await transport.aclose()


async def test_a_paced_stream_is_not_gathered(stage: SocketStage) -> None:
    """Fifty pieces, two milliseconds apart, come as fifty."""
    stage.play(Answer.of_events([str(n) for n in range(50)], piece_delay_ms=2))
    got = await pieces(await stage.transport.send(request(stage)))
    assert b"".join(got) == b"".join(b"data: %d\n\n" % n for n in range(50))
    assert len(got) >= 45
    assert all(earlier != later for earlier, later in pairwise(got))

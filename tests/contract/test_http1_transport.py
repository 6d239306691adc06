"""HTTP/1.1 over real sockets, on both event loops, against the suite of every transport; and what only sockets can do."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from triskel.adapters.http1_transport import Http1Transport
from triskel.errors import UpstreamFault
from triskel.ports.transport import Transport, UpstreamRequest
from triskel.testing.contracts.transport import SECRET, TransportContract, pieces, request, until_given_up
from triskel.testing.transport import Answer, Ending
from triskel.testing.upstream import ScriptedUpstream


class SocketStage:
    """A provider on a port of this machine."""

    def __init__(self, upstream: ScriptedUpstream, transport: Transport) -> None:
        self.upstream = upstream
        self.transport = transport
        self.url = upstream.url

    def play(self, *answers: Answer | bytes) -> None:
        self.upstream.play(*answers)

    @property
    def given_up(self) -> int:
        return self.upstream.given_up


@pytest.fixture
async def stage() -> AsyncIterator[SocketStage]:
    transport = Http1Transport(connect_timeout_ms=1_000)
    async with ScriptedUpstream() as upstream:
        yield SocketStage(upstream, transport)
        await transport.aclose()


class TestHttp1Transport(TransportContract):
    """The suite."""

    @pytest.fixture
    def stage(self, stage: SocketStage) -> SocketStage:
        return stage


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


def sent(stage: SocketStage) -> tuple[str, dict[str, str], bytes]:
    """The last request: its line, its headers, its body."""
    head, body = stage.upstream.requests[-1]
    line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return line, {name: value for name, _, value in (each.partition(": ") for each in lines)}, body


async def test_the_request_goes_out_as_it_was_made(stage: SocketStage) -> None:
    """Method, path, query, headers and body; nothing is added but what HTTP needs, a name, and a wish for no compression."""
    stage.play(Answer.of_json({}))
    url = f"{stage.url}/v1/chat?api-version=2025-01-01&x=%20"
    asked = UpstreamRequest(method="POST", url=url, headers={"Authorization": SECRET, "X-Ü": "no"}, body=b"{}")
    with pytest.raises(UpstreamFault):
        await stage.transport.send(asked)
    asked = UpstreamRequest(method="POST", url=url, headers={"Authorization": SECRET, "x-note": "gr\xfc\xdfe"}, body=b"\x00\xff")
    await (await stage.transport.send(asked)).read(10)
    line, headers, body = sent(stage)
    assert line == "POST /v1/chat?api-version=2025-01-01&x=%20 HTTP/1.1"
    assert headers == {
        "host": stage.url.removeprefix("http://"),
        "authorization": SECRET,
        "x-note": "gr\xfc\xdfe",
        "accept-encoding": "identity",
        "user-agent": "triskel",
        "content-length": "2",
    }
    assert body == b"\x00\xff"


async def test_framing_headers_are_the_transports_own(stage: SocketStage) -> None:
    """A caller's length, coding or host would let one request be taken for two."""
    stage.play(Answer.of_json({}))
    odd = {
        "Content-Length": "0",
        "Transfer-Encoding": "chunked",
        "Host": "elsewhere",
        "Connection": "close",
        "Expect": "100-continue",
    }
    await (await stage.transport.send(request(stage, headers=odd, body=b"abc"))).read(10)
    _, headers, body = sent(stage)
    assert headers["content-length"] == "3"
    assert headers["host"] == stage.url.removeprefix("http://")
    assert not {"transfer-encoding", "connection", "expect"} & set(headers)
    assert body == b"abc"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_request_without_a_body_says_no_length(stage: SocketStage, method: str) -> None:
    """And its own wishes go before the transport's."""
    stage.play(Answer.of_json({}))
    headers = {"user-agent": "mine", "accept-encoding": "gzip"}
    await (await stage.transport.send(request(stage, method=method, body=b"", headers=headers))).read(10)
    line, headers, _ = sent(stage)
    assert line == f"{method} /v1 HTTP/1.1"
    assert "content-length" not in headers
    assert (headers["user-agent"], headers["accept-encoding"]) == ("mine", "gzip")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "1\r\nx-evil: 1"),
        ("x-a", "1\n"),
        ("x-a", "\0"),
        ("x-a\r\nx-evil", "1"),
        ("x a", "1"),
        ("", "1"),
        ("x-a", "ключ"),
        ("x:a", "1"),
    ],
)
async def test_a_header_cannot_become_two(stage: SocketStage, name: str, value: str) -> None:
    """It is refused, and its value is not repeated."""
    with pytest.raises(UpstreamFault) as caught:
        await stage.transport.send(request(stage, headers={name: value}))
    assert stage.upstream.requests == []
    assert len(value) < 5 or value not in caught.value.message


@pytest.mark.parametrize("method", ["post", "POST /x HTTP/1.1\r\nx: y", "", "GE T"])
async def test_a_method_cannot_become_two_lines(stage: SocketStage, method: str) -> None:
    """Methods are capital letters."""
    with pytest.raises(UpstreamFault):
        await stage.transport.send(request(stage, method=method))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x/",
        "http://",
        "http:///x",
        "//x/y",
        "http://x:99999/",
        "http://u:p@127.0.0.1/",
        "http://x/a b",
        "http://x/\r\ny",
        "http://[::1/",
        "http://täst/",
    ],
)
async def test_what_is_no_http_url_is_a_fault(stage: SocketStage, url: str) -> None:
    """Names and passwords in it included; it is not repeated."""
    with pytest.raises(UpstreamFault) as caught:
        await stage.transport.send(UpstreamRequest(method="GET", url=url, headers={}))
    assert "u:p" not in caught.value.message


async def test_connections_are_used_again(stage: SocketStage) -> None:
    """One after the other needs one connection; ten at once need ten, and then there are ten to choose from."""
    stage.play(*[Answer.of_json({"n": n}) for n in range(20)])
    for _ in range(10):
        await (await stage.transport.send(request(stage))).read(100)
    assert stage.upstream.connections == 1
    responses = await asyncio.gather(*[stage.transport.send(request(stage)) for _ in range(10)])
    for response in responses:
        await response.read(100)
    assert stage.upstream.connections == 10


async def test_an_answer_can_be_read_after_its_connection_went_on(stage: SocketStage) -> None:
    """A whole answer belongs to its caller, not to the connection."""
    stage.play(Answer.of_json({"n": 1}), Answer.of_json({"n": 2}))
    first = await stage.transport.send(request(stage))
    await asyncio.sleep(0.02)
    second = await stage.transport.send(request(stage))
    assert [await second.read(100), await first.read(100)] == [b'{"n": 2}', b'{"n": 1}']
    assert stage.upstream.connections == 1


async def test_a_connection_that_the_provider_closed_is_not_used(stage: SocketStage) -> None:
    """It says so in a header, or closes while nobody asks."""
    stage.play(
        Answer.of_json({}, headers={"connection": "close"}), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Answer.of_json({})
    )
    for _ in range(3):
        await (await stage.transport.send(request(stage))).read(100)
        await asyncio.sleep(0.02)
    assert stage.upstream.connections == 3


async def test_bytes_that_nobody_asked_for_end_the_connection(stage: SocketStage) -> None:
    """They must not be taken for the answer to the next request."""
    smuggled = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
    stage.play(smuggled, Answer.of_json({}))
    first = await stage.transport.send(request(stage))
    assert await first.read(100) == b"ok"
    assert await (await stage.transport.send(request(stage))).read(100) == b"{}"


async def test_an_idle_connection_grows_too_old() -> None:
    """After `idle_ms` it is closed, not used."""
    async with ScriptedUpstream(*[Answer.of_json({})] * 2) as upstream:
        transport = Http1Transport(idle_ms=20)
        stage = SocketStage(upstream, transport)
        await (await transport.send(request(stage))).read(10)
        await asyncio.sleep(0.05)
        await (await transport.send(request(stage))).read(10)
        assert upstream.connections == 2
        await transport.aclose()


async def test_connections_are_bounded() -> None:
    """One more than `most_connections` is a fault at once; when one is given back, it goes on. `most_idle` are kept."""
    async with ScriptedUpstream(*[Answer.of_json({}, delay_ms=50)] * 4) as upstream:
        transport = Http1Transport(most_connections=3, most_idle=2)
        stage = SocketStage(upstream, transport)
        sending = [asyncio.ensure_future(transport.send(request(stage))) for _ in range(3)]
        await asyncio.sleep(0.02)
        with pytest.raises(UpstreamFault, match="3 connections"):
            await transport.send(request(stage))
        for response in await asyncio.gather(*sending):
            await response.read(10)
        assert len(transport._standing) <= 3
        await asyncio.sleep(0.01)
        assert len(transport._standing) == 2
        await (await transport.send(request(stage))).read(10)
        assert upstream.connections == 3
        await transport.aclose()


async def test_every_connection_is_counted_out_again(stage: SocketStage) -> None:
    """After answers, faults, cancellations and closing, none is counted that does not stand."""
    transport = stage.transport
    assert isinstance(transport, Http1Transport)
    stage.play(Answer.of_json({}), Answer.no_head(Ending.BROKEN), b"garbage\r\n\r\n", Answer.no_head(Ending.HANGING))
    await (await transport.send(request(stage))).read(10)
    for _ in range(2):
        with pytest.raises(UpstreamFault):
            await transport.send(request(stage))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await transport.send(request(stage))
    await asyncio.sleep(0.02)
    assert (len(transport._standing), transport._pools) == (0, {})


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


async def test_who_cannot_be_reached_is_a_fault() -> None:
    """A closed port and a name that nobody has; the address is not in the message."""
    transport = Http1Transport(connect_timeout_ms=500)
    for host, reason in (("127.0.0.1:1", "refused"), ("no-such-host.invalid", "")):
        with pytest.raises(UpstreamFault, match=f"cannot be reached: .*{reason}") as caught:
            await transport.send(UpstreamRequest(method="GET", url=f"http://{host}/", headers={}))
        assert host not in caught.value.message
    assert (transport._pools, len(transport._standing)) == ({}, 0)


async def test_connecting_has_a_time_limit() -> None:
    """A server that does not shake hands is given up after `connect_timeout_ms`."""
    transport = Http1Transport(connect_timeout_ms=50)

    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        return

    async with serving(say_nothing) as port:
        with pytest.raises(UpstreamFault, match="50 ms"):
            await transport.send(UpstreamRequest(method="GET", url=f"https://127.0.0.1:{port}/", headers={}))
        assert (transport._pools, len(transport._standing)) == ({}, 0)


async def test_a_certificate_that_is_not_trusted_is_a_fault(tls_files: tuple[str, str]) -> None:
    """By the platform's own certificates; with the right one, it is spoken to."""
    certificate, key = tls_files
    offered = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    offered.load_cert_chain(certificate, key)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    stranger, friend = Http1Transport(), Http1Transport(tls=ssl.create_default_context(cafile=certificate))
    async with serving(greet, offered) as port:
        asked = UpstreamRequest(method="GET", url=f"https://localhost:{port}/", headers={})
        with pytest.raises(UpstreamFault, match="certificate"):
            await stranger.send(asked)
        assert await (await friend.send(asked)).read(10) == b"ok"
        await friend.aclose()


async def test_closing_ends_what_is_under_way(stage: SocketStage) -> None:
    """A waiting reader is told, and the provider notices."""
    stage.play(Answer.of_events(["one"], ending=Ending.HANGING))
    response = await stage.transport.send(request(stage))
    reading = asyncio.ensure_future(response.read(1_000))
    await asyncio.sleep(0.02)
    await stage.transport.aclose()
    with pytest.raises(UpstreamFault, match="closed"):
        await reading
    await until_given_up(stage)


async def test_a_paced_stream_is_not_gathered(stage: SocketStage) -> None:
    """Fifty pieces, two milliseconds apart, come as fifty."""
    stage.play(Answer.of_events([str(n) for n in range(50)], piece_delay_ms=2))
    got = await pieces(await stage.transport.send(request(stage)))
    assert b"".join(got) == b"".join(b"data: %d\n\n" % n for n in range(50))
    assert len(got) >= 45
    assert all(earlier != later for earlier, later in pairwise(got))

"""HTTP/1.1 over real sockets, on both event loops, against the suite of every transport; then its requests and connections."""

import asyncio
import ssl

import pytest
from tests.contract.socket_stage import SocketStage, sent, serving

from triskel.adapters.http1_transport import Http1Transport
from triskel.errors import UpstreamFault
from triskel.ports.transport import UpstreamRequest
from triskel.testing.contracts.transport import SECRET, TransportContract, request, until_given_up
from triskel.testing.transport import Answer, Ending
from triskel.testing.upstream import ScriptedUpstream


class TestHttp1Transport(TransportContract):
    """The suite."""


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

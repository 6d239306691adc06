"""A simulated cloud at the level of bytes and connections."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

CHAT = "/v1/chat/completions"


def chat(text: str, model: str = "sim.small-v1", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


async def test_without_the_key_nothing_is_served(sim: Any) -> None:
    """Every path, the levers too, answers 401 in OpenAI's shape to a wrong or a missing key."""
    for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("PUT", "/simulator/faults"), ("GET", "/nowhere")):
        for key in ("wrong", "", "sim-key2"):
            status, _, body = await sim.ask(method, path, {}, key=key)
            assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert (await sim.ask("GET", "/simulator/calls"))[2]["unauthorized"] == 12


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "code"),
    [
        ("POST", CHAT, b"{", 400, None),
        ("POST", CHAT, chat("hi", "nobody"), 404, "model_not_found"),
        ("POST", CHAT, chat("hi", "aws-small"), 404, "model_not_found"),
        ("POST", CHAT, chat("x" * 140_000), 400, "context_length_exceeded"),
        ("POST", CHAT, chat("x" * 120_000, max_tokens=4000), 400, "context_length_exceeded"),
        ("POST", CHAT, chat("hi", max_tokens=5000), 400, "invalid_value"),
        ("POST", CHAT, chat([{"type": "image_url", "image_url": {"url": "x"}}]), 400, "unsupported_content"),  # type: ignore[arg-type]
        ("GET", CHAT, None, 405, "method_not_allowed"),
        ("POST", "/v1/models", {}, 405, "method_not_allowed"),
        ("PATCH", "/simulator/faults", {}, 405, "method_not_allowed"),
        ("PUT", "/simulator/calls", {}, 405, "method_not_allowed"),
        ("GET", "/v1/models/nobody", None, 404, "model_not_found"),
        ("GET", "/", None, 404, "unknown_url"),
    ],
)
async def test_what_cannot_be_answered_is_an_openai_error(
    sim: Any, method: str, path: str, document: Any, status: int, code: str | None
) -> None:
    """Status and code are the provider's."""
    found = await sim.ask(method, path, document)
    assert (found[0], found[2]["error"]["code"]) == (status, code)


async def test_capabilities_are_minded(open_simulator: Callable[..., Any]) -> None:
    """A deployment without tools refuses them; one with vision takes images."""
    gcp, azure = await open_simulator("gcp"), await open_simulator("azure")
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert (await gcp.chat(chat("hi", "flash-001", tools=tools)))[2]["error"]["param"] == "tools"
    image = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "What is this?"}]
    status, _, body = await azure.chat(chat(image, "vision-eastus2"))  # type: ignore[arg-type]
    assert status == 200
    assert "1 image(s)" in body["choices"][0]["message"]["content"]


async def test_models_are_listed(sim: Any) -> None:
    """The list has OpenAI's shape, and each of its entries can be had alone."""
    _, _, listed = await sim.ask("GET", "/v1/models")
    assert [model["id"] for model in listed["data"]] == ["sim.small-v1", "sim.large-v1", "bench-50x10"]
    assert (await sim.ask("GET", "/v1/models/sim.large-v1"))[2] == listed["data"][1]


async def test_whole_and_streamed_answers_agree(sim: Any) -> None:
    """The same text and usage, whole and in events, in equal bytes each time."""
    first, again = await sim.chat(chat("Why do rivers bend?")), await sim.chat(chat("Why do rivers bend?"))
    assert first[2] == again[2]
    _, headers, body = await sim.chat(chat("Why do rivers bend?", stream=True, stream_options={"include_usage": True}))
    assert headers["content-type"].startswith("text/event-stream")
    events = [event.removeprefix("data: ") for event in body.decode().split("\n\n")[:-1]]
    assert events[-1] == "[DONE]"
    chunks = [msgspec.json.decode(event) for event in events[:-1]]
    assert chunks[-1]["usage"] == first[2]["usage"]
    assert chunks[-1]["choices"] == []
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1])
    assert text == first[2]["choices"][0]["message"]["content"]
    assert sum("content" in chunk["choices"][0]["delta"] for chunk in chunks[1:-2]) == first[2]["usage"]["completion_tokens"]


async def test_piped_requests_are_answered_in_order(sim: Any) -> None:
    """Requests sent at once, slow and instant and wrong ones mixed, are answered one by one in their order."""
    words = [f"word{number}" for number in range(200)]
    data = b"".join(sim.request("POST", CHAT, chat(f"repeat after me: {word}")) for word in words[:100])
    data += sim.request("POST", CHAT, chat("repeat after me: slow", "bench-50x10", max_tokens=3))
    data += sim.request("POST", CHAT, b"{")
    data += b"".join(sim.request("POST", CHAT, chat(f"repeat after me: {word}")) for word in words[100:-1])
    data += sim.request("POST", CHAT, chat(f"repeat after me: {words[-1]}"), headers="connection: close\r\n")
    raw = (await sim.exchange(data)).decode()
    assert re.findall(r'"content":"(word\d+)"', raw) == words
    assert re.findall(r"HTTP/1.1 (\d+)", raw) == ["200"] * 101 + ["400"] + ["200"] * 100
    assert raw.index("word99") < raw.index("bench-50x10") < raw.index("parse the JSON") < raw.index("word100")


async def test_a_client_that_does_not_read_is_waited_for(sim: Any) -> None:
    """Piped requests are not answered ahead of a client that does not read; all are answered once it does."""
    data = sim.request("POST", CHAT, chat("write 9000 words"))
    reader, writer = await sim.connect()
    writer.write(data * 300)
    await asyncio.sleep(0.1)
    seen = next(iter(sim.service.connections))
    assert not seen.is_writable
    writer.write(sim.request("GET", "/v1/models", headers="connection: close\r\n"))
    raw = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert raw.count(b"HTTP/1.1 200 OK") == 301


async def test_a_request_in_single_bytes_is_a_request(sim: Any) -> None:
    """How the network cuts a request does not matter."""
    reader, writer = await sim.connect()
    for byte in sim.request("POST", CHAT, chat("repeat after me: drip"), headers="connection: close\r\n"):
        writer.write(bytes((byte,)))
        await writer.drain()
    assert b'"content":"drip"' in await asyncio.wait_for(reader.read(), 5)
    writer.close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 1_000_000, b"431"),
        (b"POST / HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n" + b"x" * 9_000_000, b"413"),
    ],
)
async def test_what_breaks_the_protocol_or_a_limit_is_refused_and_closed(sim: Any, data: bytes, status: bytes) -> None:
    """The refusal arrives, however much was sent, and the connection ends."""
    raw = await sim.exchange(data)
    assert raw.split(b" ")[1] == status
    assert b"connection: close" in raw


async def test_a_bad_request_behind_good_ones_is_refused_in_its_turn(sim: Any) -> None:
    """What came before it is answered first."""
    slow = sim.request("POST", CHAT, chat("hi", "bench-50x10", max_tokens=2))
    raw = await sim.exchange(slow + sim.request("POST", CHAT, chat("hi")) + b"nonsense\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", raw) == [b"200", b"200", b"400"]


async def test_old_and_upgrading_clients_are_answered_and_closed(sim: Any) -> None:
    """HTTP/1.0 gets whole answers and no streams; an upgrade is not made."""
    body = msgspec.json.encode(chat("repeat after me: old"))
    head = (
        f"POST {CHAT} HTTP/1.0\r\nauthorization: Bearer sim-key\r\ncontent-length: {len(body)}\r\nconnection: keep-alive\r\n\r\n"
    )
    assert b'"content":"old"' in await sim.exchange(head.encode() + body)
    body = msgspec.json.encode(chat("repeat after me: old", stream=True))
    head = f"POST {CHAT} HTTP/1.0\r\nauthorization: Bearer sim-key\r\ncontent-length: {len(body)}\r\n\r\n"
    assert (await sim.exchange(head.encode() + body)).startswith(b"HTTP/1.1 400 ")
    upgrade = sim.request("GET", "/v1/models", headers="upgrade: h2c\r\nconnection: upgrade\r\n")
    assert b'"object":"list"' in await sim.exchange(upgrade)


async def test_a_client_that_waits_for_continue_gets_it(sim: Any) -> None:
    """`expect: 100-continue` is answered before the body comes."""
    request = sim.request("POST", CHAT, chat("repeat after me: go on"), headers="expect: 100-continue\r\nconnection: close\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    reader, writer = await sim.connect()
    writer.write(head + b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert b"go on" in await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_a_cancelled_call_is_counted(sim: Any) -> None:
    """A client that goes away in the middle of a stream, or before any byte of a whole answer, is seen to have gone."""
    for more in ({"stream": True}, {}):
        reader, writer = await sim.connect()
        writer.write(sim.request("POST", CHAT, chat("hi", "bench-50x10", **more)))
        if more:
            await asyncio.wait_for(reader.readuntil(b"data: "), 5)
        else:
            await asyncio.sleep(0.02)
        assert (await sim.counts())["in_flight"] == 1
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.02)
    counts = await sim.counts()
    assert (counts["seen"], counts["cancelled"], counts["completed"], counts["in_flight"]) == (2, 2, 0, 0)


async def test_a_paced_stream_comes_in_time(sim: Any) -> None:
    """bench-50x10 takes its half second and sends its frames one by one."""
    loop = asyncio.get_running_loop()
    reader, writer = await sim.connect()
    writer.write(sim.request("POST", CHAT, chat("hi", "bench-50x10", stream=True)))
    begun, times = loop.time(), []
    async for line in reader:
        if line.startswith(b"data: ") and b'"content":"' in line:
            times.append(loop.time() - begun)
        if line.startswith(b"data: [DONE]"):
            break
    writer.close()
    assert len(times) == 51
    assert times[0] < 0.2
    assert 0.48 < times[-1] < 0.8
    assert (await sim.counts())["completed"] == 1


async def test_faults_are_ordered_over_http(sim: Any) -> None:
    """PUT replaces, POST adds, GET shows what is left, DELETE ends them all."""
    order = {"kind": "status", "status": 503, "deployment": "aws-small", "count": 2}
    status, _, body = await sim.ask("PUT", "/simulator/faults", order)
    assert (status, body["faults"][0]["left"]) == (200, 2)
    await sim.ask("POST", "/simulator/faults", {"faults": [{"kind": "status", "status": 429, "retry_after_s": 3}]})
    assert [(await sim.chat(chat("hi")))[0] for _ in range(3)] == [503, 503, 429]
    assert (await sim.chat(chat("hi", "sim.large-v1")))[1]["retry-after"] == "3"
    assert [fault["met"] for fault in (await sim.ask("GET", "/simulator/faults"))[2]["faults"]] == [2]
    assert (await sim.ask("GET", "/v1/models"))[0] == 429
    assert (await sim.ask("DELETE", "/simulator/faults"))[2] == {"faults": []}
    assert (await sim.chat(chat("hi")))[0] == 200
    counts = await sim.counts()
    assert (counts["seen"], counts["failed"], counts["completed"]) == (5, 4, 1)


async def test_a_wrong_order_changes_nothing(sim: Any) -> None:
    """The faults before it stand."""
    await sim.ask("PUT", "/simulator/faults", {"kind": "down"})
    assert (await sim.ask("PUT", "/simulator/faults", {"faults": [{"kind": "hang"}, {"kind": "boredom"}]}))[0] == 400
    assert [fault["kind"] for fault in (await sim.ask("GET", "/simulator/faults"))[2]["faults"]] == ["down"]


async def test_down_and_drop_close_the_connection(sim: Any) -> None:
    """The client reads nothing, or a body that does not end."""
    request = sim.request("POST", CHAT, chat("repeat after me: abcdefgh", stream=True))
    await sim.ask("PUT", "/simulator/faults", {"kind": "down"})
    assert await sim.exchange(request) == b""
    assert await sim.exchange(sim.request("GET", "/v1/models")) == b""
    await sim.ask("PUT", "/simulator/faults", {"kind": "drop", "after_frames": 1})
    raw = await sim.exchange(request)
    assert b'"content":"abcd"' in raw
    assert b"efgh" not in raw
    assert not raw.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(("kind", "tokens"), [("hang", 0), ("stall", 1)])
async def test_hang_and_stall_last_until_the_client_goes(sim: Any, kind: str, tokens: int) -> None:
    """Nothing more comes, the connection stays, and its end counts as cancelled."""
    await sim.ask("PUT", "/simulator/faults", {"kind": kind, "after_frames": 1})
    reader, writer = await sim.connect()
    writer.write(sim.request("POST", CHAT, chat("repeat after me: abcdefgh", stream=True)))
    for _ in range(tokens):
        await asyncio.wait_for(reader.readuntil(b'"content":"abcd"},"logprobs":null,"finish_reason":null}]}\n\n\r\n'), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    assert (await sim.counts())["in_flight"] == 1
    writer.close()
    await asyncio.sleep(0.02)
    assert (await sim.counts())["cancelled"] == 1


async def test_refuse_closes_the_door_for_a_while(sim: Any) -> None:
    """No connection is accepted, those that are open are closed, and afterwards the same port serves again."""
    reader, writer = await sim.connect()
    writer.write(sim.request("POST", CHAT, chat("hi", "bench-50x10", stream=True)))
    await asyncio.wait_for(reader.readuntil(b"data: "), 5)
    status, _, _ = await sim.ask("PUT", "/simulator/faults", {"kind": "refuse", "duration_ms": 150})
    assert status == 200
    assert not (await asyncio.wait_for(reader.read(), 5)).endswith(b"0\r\n\r\n")
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await sim.connect()
    await asyncio.sleep(0.25)
    assert (await sim.chat(chat("hi")))[0] == 200


async def test_capacity_is_refused_with_a_time_to_come_back(open_simulator: Callable[..., Any]) -> None:
    """Tokens of a minute that are used up are a 429 with Retry-After, and counted apart."""
    sim = await open_simulator("azure", limits_capacity=True)
    body = chat("repeat after me: " + "x" * 200_000, "small-eastus2", max_tokens=100)
    statuses = [(await sim.chat(body)) for _ in range(6)]
    assert [found[0] for found in statuses] == [200, 200, 200, 200, 200, 429]
    assert 0 < int(statuses[-1][1]["retry-after"]) <= 10
    assert statuses[-1][2]["error"]["code"] == "rate_limit_exceeded"
    assert (await sim.counts())["throttled"] == 1


async def test_what_reached_the_provider_is_shown_without_its_credential(sim: Any, open_simulator: Callable[..., Any]) -> None:
    """With `records` the requests are shown, the key never; without it nothing is kept."""
    await sim.ask("POST", CHAT, chat("hello"), headers="x-extra: seen\r\n")
    await sim.ask("POST", CHAT, b"{broken")
    raw = await sim.exchange(sim.request("GET", "/simulator/calls", headers="connection: close\r\n"))
    recorded = msgspec.json.decode(raw.partition(b"\r\n\r\n")[2])["recorded"]
    assert [one["body"] for one in recorded] == [chat("hello"), "{broken"]
    assert recorded[0]["headers"]["x-extra"] == "seen"
    assert b"sim-key" not in raw
    await sim.ask("DELETE", "/simulator/calls")
    assert (await sim.ask("GET", "/simulator/calls"))[2]["recorded"] == []
    quiet = await open_simulator()
    await quiet.chat(chat("hello"))
    assert (await quiet.ask("GET", "/simulator/calls"))[2]["recorded"] == []


async def test_remembered_answers_stay_within_bounds(sim: Any) -> None:
    """Many different and large requests do not pile up."""
    held = sim.service._chat
    for number in range(60):
        await sim.chat(chat(f"{number} write 9000 words"))
    assert held._remembered == sum(one.size for one in held._prepared.values())
    assert held._remembered <= 32 * 1024 * 1024
    assert len(held.record.listed()) <= 200

"""What the official `openai` SDK raises, and what happens to a call whose caller goes away."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from tests.clients.conftest import Start, make_key
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Triskel, eventually

AWS_KEY = "AKIA" + "QWERTYUIOPASDFGH"
HANG = {"kind": "hang"}
STALL = {"kind": "stall", "after_frames": 2}


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture
def impatient(start: Start) -> Iterator[OpenAI]:
    """The SDK at a gateway of the test's own, which waits for a provider for little more than a second."""
    served = start()
    with OpenAI(base_url=f"{served.address}/v1", api_key=served.key, max_retries=0, timeout=20) as opened:
        yield opened


def test_a_wrong_key_is_an_authentication_error(gateway: Triskel) -> None:
    """401 invalid_api_key, and the message does not repeat the key."""
    with OpenAI(base_url=f"{gateway.address}/v1", api_key="tk_nobody", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.chat.completions.create(model="small", messages=said("hi"))
        assert caught.value.code == "invalid_api_key"
        assert caught.value.type == "authentication_error"
        assert "tk_nobody" not in str(caught.value)
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()


def test_a_malformed_request_is_a_bad_request_error_that_names_the_field(client: OpenAI) -> None:
    """400 invalid_request with `param`."""
    wrong: Any = "seven"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="small", messages=said("hi"), max_tokens=wrong)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "max_tokens")
    assert "`max_tokens`" in caught.value.message


def test_what_a_provider_refuses_is_a_bad_request_error(client: OpenAI, clouds: Clouds, gateway: Triskel) -> None:
    """The provider's own 400 reaches the caller in its words, and no other provider is bothered."""
    wrong: Any = "loud"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="small", messages=said("hi"), stop=[wrong] * 9)
    assert caught.value.code == "invalid_request"
    assert "`stop` must be" in caught.value.message
    assert sum(clouds.seen().values()) == 1
    (attempt,) = gateway.audit(limit=1)["data"][0]["attempts"]
    assert (attempt["outcome"], attempt["status"]) == ("rejected", 400)


def test_a_denial_is_a_permission_error_with_decision_and_policies(client: OpenAI, clouds: Clouds, gateway: Triskel) -> None:
    """403 policy_denied names the decision and the policies that made it, and never the matched text."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="small", messages=said(f"my key is {AWS_KEY}, keep it"))
    body: Any = caught.value.body
    assert caught.value.code == "policy_denied"
    assert body["policies"] == ["platform.no-secrets-out"]
    assert body["decision_id"] == caught.value.response.headers["x-triskel-decision"]
    assert body["audit_id"] == caught.value.response.headers["x-triskel-audit"]
    assert "AKIA" not in caught.value.response.text
    assert "AKIA" not in str(dict(caught.value.response.headers))
    record = gateway.record(body["audit_id"])
    assert (record["outcome"], record["decision"]["verdict"], record["attempts"]) == ("denied", "deny", [])
    assert record["decision"]["id"] == body["decision_id"]
    assert "AKIA" not in json.dumps(record)
    assert sum(clouds.seen().values()) == 0


def test_a_denied_stream_is_a_permission_error_before_it_begins(client: OpenAI) -> None:
    """A denial of a streamed call has status 403, not an event in a stream."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="small", messages=said(f"my key is {AWS_KEY}"), stream=True)
    assert caught.value.code == "policy_denied"


def test_an_unknown_model_is_a_not_found_error(client: OpenAI) -> None:
    """404 model_not_found, for a chat and for `models.retrieve`."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody", messages=said("hi"))
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("nobody")
    assert missing.value.code == "model_not_found"


def test_too_many_calls_are_a_rate_limit_error(gateway: Triskel) -> None:
    """A tenant of the tier `pilot` has 100 calls a second: more are 429 rate_limited with Retry-After, and others go on."""
    key = make_key(gateway.directory, "small-shop", tier="pilot")
    with OpenAI(base_url=f"{gateway.address}/v1", api_key=key, max_retries=0, timeout=20) as client:
        with flooded(gateway, key), pytest.raises(openai.RateLimitError) as caught:
            ask_for_ever(client)
        assert caught.value.code == "rate_limited"
        assert caught.value.type == "rate_limit_error"
        assert caught.value.response.headers["retry-after"] == "1"
        assert "`calls_per_second` allows 100 calls at once and 100 a second" in caught.value.message
        assert gateway.chat("hi").status == 200
        eventually(lambda: gateway.chat("hi", key=key).status == 200, "the bucket to fill again")


def ask_for_ever(client: OpenAI) -> None:
    """Returns only where nothing stops it for a long time."""
    for _ in range(5_000):
        client.chat.completions.create(model="small", messages=said("hi"))


def test_the_sdk_retries_a_rate_limit_by_itself(gateway: Triskel) -> None:
    """With its retries left on, the SDK waits as Retry-After says and succeeds."""
    key = make_key(gateway.directory, "retrying-shop", tier="pilot")
    with flooded(gateway, key) as enough:

        def note(response: Any) -> None:
            if response.status_code == 429:
                enough.set()

        http_client = openai.DefaultHttpxClient(event_hooks={"response": [note]})
        with OpenAI(base_url=f"{gateway.address}/v1", api_key=key, max_retries=3, timeout=20, http_client=http_client) as client:
            for _ in range(5_000):
                raw = client.chat.completions.with_raw_response.create(model="small", messages=said("hi"))
                if raw.retries_taken:
                    break
    assert raw.retries_taken == 1
    assert raw.parse().choices[0].message.content


@contextmanager
def flooded(gateway: Triskel, key: str) -> Iterator[threading.Event]:
    """A tenant's other callers, who keep asking until the event is set or the context ends."""
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            gateway.ask("POST", "/v1/policy/check", {"input": "hi"}, key=key)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    try:
        yield enough
    finally:
        enough.set()
        for asker in askers:
            asker.join()


def test_a_budget_that_is_used_up_is_a_402(gateway: Triskel, clouds: Clouds) -> None:
    """402 budget_exceeded names the budget and what is left; nothing is sent."""
    key = make_key(gateway.directory, "poor")
    with (
        OpenAI(base_url=f"{gateway.address}/v1", api_key=key, max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(model="small", messages=said("hi"))
    assert caught.value.status_code == 402
    assert caught.value.code == "budget_exceeded"
    assert "`budget:pocket-money` has 0.000001 of 0.000001 US dollars left" in caught.value.message
    assert sum(clouds.seen().values()) == 0


@pytest.mark.parametrize(
    ("fault", "stream", "status", "code"),
    [
        ({"kind": "status", "status": 500}, False, 502, "upstream_error"),
        ({"kind": "status", "status": 429, "retry_after_s": 7}, True, 503, "no_capacity"),
        (HANG, False, 504, "upstream_timeout"),
    ],
)
def test_faults_of_all_providers_are_server_errors(
    impatient: OpenAI, clouds: Clouds, fault: Any, stream: bool, status: int, code: str
) -> None:
    """502 upstream_error, 503 no_capacity with Retry-After, 504 upstream_timeout."""
    clouds.order(fault)
    with pytest.raises(openai.InternalServerError) as caught:
        impatient.chat.completions.create(model="small", messages=said("hi"), stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.response.headers.get("retry-after") == {503: "7"}.get(status)
    assert [clouds.counts(cloud)["seen"] for cloud in ("aws", "azure", "gcp")] == [1, 1, 1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_that_times_out_cancels_the_upstream_call(
    client: OpenAI, clouds: Clouds, gateway: Triskel, stream: bool
) -> None:
    """The SDK raises APITimeoutError; the provider sees the call cancelled, and so does the audit. No other is tried."""
    clouds.order(HANG)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.4).chat.completions.create(model="small", messages=said("hi"), stream=stream)
    clouds.wait_for("cancelled")
    record = newest(gateway)
    assert record["outcome"] == "cancelled"
    assert [attempt["outcome"] for attempt in record["attempts"]] in ([], ["cancelled"])
    assert clouds.seen() == {"aws": 1, "azure": 0, "gcp": 0}
    assert clouds.counts("aws")["in_flight"] == 0


def test_a_caller_that_leaves_a_stream_cancels_the_upstream_call(client: OpenAI, clouds: Clouds, gateway: Triskel) -> None:
    """Closing a stream behind its first chunks stops the provider, and the audit says `cancelled` and by whom."""
    with client.chat.completions.create(model="bench", messages=said("hi"), stream=True) as stream:
        audit_id = stream.response.headers["x-triskel-audit"]
        for number, _ in enumerate(stream):
            if number == 3:
                break
    clouds.wait_for("cancelled")
    record = gateway.record(audit_id)
    assert (record["outcome"], record["route"]) == ("cancelled", "aws/simulated/bench-50x10")
    assert record["usage"]["estimated"] is True
    assert 0 < record["usage"]["output_tokens"] < 50
    assert record["cost_micro_usd"] > 0
    assert clouds.counts("aws")["completed"] == 0


def test_a_caller_that_times_out_in_mid_stream(client: OpenAI, clouds: Clouds, gateway: Triskel) -> None:
    """A stream that stalls for longer than the caller waits raises APITimeoutError there and is cancelled here."""
    clouds.order(STALL)
    quick = client.with_options(timeout=0.5)
    texts: list[str] = []
    with quick.chat.completions.create(model="small", messages=said("repeat after me: abcdefghijkl"), stream=True) as stream:
        audit_id = stream.response.headers["x-triskel-audit"]
        with pytest.raises(openai.APITimeoutError):
            texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "abcdefgh".startswith("".join(texts))
    clouds.wait_for("cancelled")
    assert gateway.record(audit_id)["outcome"] == "cancelled"


async def test_an_asynchronous_caller_that_is_cancelled(gateway: Triskel, clouds: Clouds) -> None:
    """Cancelling the task of an asynchronous call closes its connection, and that cancels the call."""
    clouds.order(HANG)
    async with AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key, max_retries=0, timeout=20) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await client.chat.completions.create(model="small", messages=said("hi"))
    await asyncio.to_thread(clouds.wait_for, "cancelled")
    record = await asyncio.to_thread(newest, gateway)
    assert record["outcome"] == "cancelled"


def test_a_caller_that_resets_its_connection(gateway: Triskel, clouds: Clouds) -> None:
    """A reset in place of an orderly end cancels the call too, before any answer and in mid-stream."""
    for fault, stream in ((HANG, False), (STALL, True)):
        clouds.begin_anew()
        clouds.order(fault)
        body = json.dumps({"model": "small", "messages": said("repeat after me: abcdefghijkl"), "stream": stream}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {gateway.key}\r\n"
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            clouds.wait_for("in_flight")
            if stream:
                assert connection.recv(20).startswith(b"HTTP/1.1 200")
            # No lingering: closing sends a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        clouds.wait_for("cancelled")
        assert newest(gateway)["outcome"] == "cancelled"


def newest(gateway: Triskel) -> Any:
    """The record of the call that was opened last, once it is closed."""

    def closed() -> Any:
        found = gateway.audit(limit=1)["data"][0]
        return found if found["state"] == "closed" else None

    return eventually(closed, "the last call to be closed")

"""The official `openai` SDK against a simulated cloud: the judge of whether it speaks the wire."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL = "sim.small-v1"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def cloud() -> Iterator[dict[str, Any]]:
    """A simulator in its own process, as fast as it can be."""
    command = [sys.executable, "-m", "triskel.local.simulator", "--cloud", "aws", "--pace", "0", "--record", "--exit-with-stdin"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(5) == 0


@pytest.fixture
def client(cloud: dict[str, Any]) -> Iterator[OpenAI]:
    with OpenAI(base_url=cloud["base_url"], api_key=cloud["key"], max_retries=0, timeout=5) as opened:
        yield opened


@pytest.fixture
def faults(cloud: dict[str, Any]) -> Iterator[Any]:
    """Orders faults; ends them all afterwards."""

    def order(method: str, *ordered: dict[str, Any]) -> None:
        request = urllib.request.Request(
            cloud["address"] + "/simulator/faults",
            json.dumps({"faults": ordered}).encode(),
            {"authorization": f"Bearer {cloud['key']}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=5) as answered:
            assert answered.status == 200

    yield lambda *ordered: order("PUT", *ordered)
    order("DELETE")


def test_a_chat_completion(client: OpenAI) -> None:
    """Text, finish reason and usage arrive typed."""
    completion = client.chat.completions.create(model=MODEL, messages=said("repeat after me: good morning"), seed=1)
    assert completion.choices[0].message.content == "good morning"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == MODEL
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (4 + 8, 3)
    assert completion.usage.total_tokens == 15
    assert completion._request_id


def test_a_stream(client: OpenAI) -> None:
    """Deltas make the text; usage comes last when it was asked for."""
    stream = client.chat.completions.create(
        model=MODEL, messages=said("write 40 words"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text.split()) == 40
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == -(-len(text) // 4)


def test_the_sdks_own_accumulator(client: OpenAI) -> None:
    """The stream helper of the SDK rebuilds the same completion."""
    with client.chat.completions.stream(model=MODEL, messages=said("get_weather in Oslo"), tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    whole = client.chat.completions.create(model=MODEL, messages=said("get_weather in Oslo"), tools=[WEATHER])
    streamed = final.choices[0].message.tool_calls
    assert streamed is not None
    assert whole.choices[0].message.tool_calls is not None
    assert streamed[0].id == whole.choices[0].message.tool_calls[0].id
    assert json.loads(streamed[0].function.arguments) == {"city": "Oslo", "unit": "celsius"}


def test_a_round_with_a_tool(client: OpenAI) -> None:
    """The model calls, the tool answers, the model tells."""
    first = client.chat.completions.create(model=MODEL, messages=said("get_weather in Oslo"), tools=[WEATHER])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls
    result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"temperature": 4}'}
    messages: Any = [*said("get_weather in Oslo"), message, result]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert "temperature is 4" in (second.choices[0].message.content or "")


def test_structured_output(client: OpenAI) -> None:
    """`parse` gives the model class back, filled."""

    class Trip(BaseModel):
        city: str
        nights: int

    parsed = client.chat.completions.parse(model=MODEL, messages=said("To Lisbon for 3 nights"), response_format=Trip)
    assert parsed.choices[0].message.parsed == Trip(city="Lisbon", nights=3)


def test_models(client: OpenAI) -> None:
    """The list and one of it."""
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).owned_by == "simulated-aws"


def test_errors_have_their_classes(client: OpenAI, cloud: dict[str, Any]) -> None:
    """401, 404 and 400 are the SDK's exceptions, with code and param."""
    with (
        OpenAI(base_url=cloud["base_url"], api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.chat.completions.create(model=MODEL, messages=said("hi"))
    with pytest.raises(openai.NotFoundError) as not_found:
        client.chat.completions.create(model="nobody", messages=said("hi"))
    assert not_found.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as too_long:
        client.chat.completions.create(model=MODEL, messages=said("x" * 200_000))
    assert too_long.value.code == "context_length_exceeded"


def test_injected_errors_have_their_classes(client: OpenAI, faults: Any) -> None:
    """429, 5xx, a closed connection and a hang are what the SDK makes of them."""
    faults({"kind": "status", "status": 429, "retry_after_s": 2})
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model=MODEL, messages=said("hi"))
    assert limited.value.response.headers["retry-after"] == "2"
    faults({"kind": "status", "status": 500})
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=said("hi"))
    faults({"kind": "down"})
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model=MODEL, messages=said("hi"))
    faults({"kind": "hang"})
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(model=MODEL, messages=said("hi"))


def test_a_retry_of_the_sdk_succeeds(client: OpenAI, faults: Any) -> None:
    """A fault of one call is over at the next."""
    faults({"kind": "status", "status": 503, "retry_after_s": 0, "count": 1})
    answered = client.with_options(max_retries=1).chat.completions.create(model=MODEL, messages=said("repeat after me: again"))
    assert answered.choices[0].message.content == "again"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("drop", openai.APIConnectionError),
        ("error_event", openai.APIError),
        ("stall", openai.APITimeoutError),
        ("garbage", ValueError),
    ],
)
def test_a_broken_stream_is_an_error(client: OpenAI, faults: Any, kind: str, expected: type[Exception]) -> None:
    """What breaks behind two tokens raises behind two tokens."""
    faults({"kind": kind, "after_frames": 2})
    quick = client.with_options(timeout=0.3)
    stream = quick.chat.completions.create(model=MODEL, messages=said("repeat after me: abcdefghijkl"), stream=True)
    texts: list[str] = []
    with stream, pytest.raises(expected):
        texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(texts) == "abcdefgh"


async def test_async_chat_stream_and_cancel(cloud: dict[str, Any]) -> None:
    """The asynchronous client is served, and leaving a stream cancels the call."""
    async with AsyncOpenAI(base_url=cloud["base_url"], api_key=cloud["key"], max_retries=0, timeout=5) as client:
        completion = await client.chat.completions.create(model=MODEL, messages=said("repeat after me: hello"))
        assert completion.choices[0].message.content == "hello"
        stream = await client.chat.completions.create(model=MODEL, messages=said("repeat after me: abcdefgh"), stream=True)
        assert [chunk.choices[0].delta.content async for chunk in stream][:3] == ["", "abcd", "efgh"]
        before = await counts(client)
        paced = await client.chat.completions.create(model="bench-50x10", messages=said("hi"), stream=True)
        async for _ in paced:
            break
        await paced.close()
        after = await counts(client)
        while after["in_flight"]:
            after = await counts(client)
        assert after["cancelled"] == before["cancelled"] + 1


async def counts(client: AsyncOpenAI) -> Any:
    calls = await client.get("../simulator/calls", cast_to=object)
    return calls["total"]  # type: ignore[index]

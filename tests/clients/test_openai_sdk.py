"""The official `openai` SDK against the gateway: the judge of whether Triskel speaks OpenAI's wire."""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from tests.clients.simulated import PRICES, Clouds
from tests.clients.triskel_process import Triskel

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


def test_a_chat_completion(client: OpenAI) -> None:
    """Text, finish reason, model and usage arrive typed."""
    completion = client.chat.completions.create(model="small", messages=said("repeat after me: good morning"), seed=1)
    assert completion.choices[0].message.content == "good morning"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.object == "chat.completion"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (12, 3)
    assert completion._request_id is not None
    assert completion._request_id.startswith("call_")


def test_what_is_streamed_is_what_is_answered_whole(client: OpenAI) -> None:
    """The deltas of a stream make the text of the same call without a stream, and it ends with a reason."""
    whole = client.chat.completions.create(model="small", messages=said("write 60 words"))
    chunks = list(client.chat.completions.create(model="small", messages=said("write 60 words"), stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert len(text.split()) == 60
    assert len(chunks) > 60
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_last_where_it_was_asked_for(client: OpenAI) -> None:
    """`stream_options.include_usage` adds one chunk without choices; the others say that it is to come."""
    whole = client.chat.completions.create(model="small", messages=said("write 9 words"))
    *chunks, last = client.chat.completions.create(
        model="small", messages=said("write 9 words"), stream=True, stream_options={"include_usage": True}
    )
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_a_tool_is_called_and_its_answer_used(client: OpenAI) -> None:
    """The model calls a tool, the caller answers, the model tells."""
    first = client.chat.completions.create(model="small", messages=said("get_weather in Oslo"), tools=[WEATHER])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    call: Any = message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Oslo", "unit": "celsius"}
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 4}'}
    second = client.chat.completions.create(
        model="small", messages=[*said("get_weather in Oslo"), message, result], tools=[WEATHER]
    )
    assert "temperature is 4" in (second.choices[0].message.content or "")


def test_a_streamed_tool_call_is_the_same_call(client: OpenAI) -> None:
    """The SDK's own accumulator rebuilds from the stream what comes whole without it."""
    whole = client.chat.completions.create(model="small", messages=said("get_weather in Oslo"), tools=[WEATHER])
    with client.chat.completions.stream(model="small", messages=said("get_weather in Oslo"), tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion()
    assert streamed.choices[0].finish_reason == "tool_calls"
    assert streamed.choices[0].message.tool_calls
    assert whole.choices[0].message.tool_calls
    ours, theirs = streamed.choices[0].message.tool_calls[0], whole.choices[0].message.tool_calls[0]
    assert ours.id == theirs.id
    assert ours.function.arguments == theirs.function.arguments  # type: ignore[union-attr]


def test_structured_output(client: OpenAI) -> None:
    """`parse` gives the model class back, filled: the schema went through the gate untouched."""

    class Trip(BaseModel):
        city: str
        nights: int

    parsed = client.chat.completions.parse(model="small", messages=said("To Lisbon for 3 nights"), response_format=Trip)
    assert parsed.choices[0].message.parsed == Trip(city="Lisbon", nights=3)


def test_headers_say_what_was_decided_and_done(client: OpenAI, gateway: Triskel) -> None:
    """Decision, route, audit id and cost stand in headers and agree with the audit."""
    raw = client.chat.completions.with_raw_response.create(model="small", messages=said("repeat after me: good morning"))
    usage = raw.parse().usage
    assert usage is not None
    assert raw.headers["x-triskel-route"] == "aws/simulated/aws-small"
    micro_usd = usage.prompt_tokens * PRICES["aws"] + usage.completion_tokens * 2 * PRICES["aws"]
    assert raw.headers["x-triskel-cost-usd"] == "0.000018"
    assert micro_usd == 18
    record = gateway.record(raw.headers["x-triskel-audit"])
    assert record["decision"]["id"] == raw.headers["x-triskel-decision"]
    assert record["decision"]["verdict"] == "allow"
    assert record["call_id"] == raw.headers["x-request-id"]
    assert (record["route"], record["cost_micro_usd"]) == (raw.headers["x-triskel-route"], micro_usd)
    assert record["usage"]["input_tokens"] == usage.prompt_tokens
    assert record["outcome"] == "ok"


def test_a_stream_has_the_same_headers_and_its_cost_in_the_audit(client: OpenAI, gateway: Triskel) -> None:
    """A stream's headers come before its cost is known: they name the bound, and the audit has the cost."""
    with client.chat.completions.with_streaming_response.create(
        model="small", messages=said("repeat after me: good morning"), stream=True
    ) as raw:
        assert raw.headers["x-triskel-route"] == "aws/simulated/aws-small"
        assert raw.headers["x-triskel-decision"].startswith("dec_")
        bound = float(raw.headers["x-triskel-cost-bound-usd"])
        text = raw.read().decode()
    assert ": x-triskel-cost-usd 0.000018\n\ndata: [DONE]\n\n" in text
    record = gateway.record(raw.headers["x-triskel-audit"])
    assert (record["outcome"], record["cost_micro_usd"]) == ("ok", 18)
    assert bound >= 18 / 1e6


def test_models_are_the_names_that_may_be_asked_for(client: OpenAI) -> None:
    """The list holds `auto`, models and deployments, and each of them answers."""
    names = [model.id for model in client.models.list()]
    assert {"auto", "small", "large", "aws-small", "gcp-flash"} <= set(names)
    assert len(names) == len(set(names))
    assert client.models.retrieve("aws-small").id == "aws-small"
    for name, routes in (
        ("auto", "aws/"),
        ("azure-small", "azure/simulated/azure-small"),
        ("vision", "azure/simulated/azure-vision"),
    ):
        raw = client.chat.completions.with_raw_response.create(model=name, messages=said("hi"))
        assert raw.headers["x-triskel-route"].startswith(routes)


def test_unknown_fields_reach_the_provider(client: OpenAI, clouds: Clouds) -> None:
    """What the gate does not know it passes on untouched, in the body and in messages."""
    extra = {"reasoning_effort": "low", "vendor": {"nested": [1, 2.5, None, True, "x"]}, "seed": 7}
    message: Any = {"role": "user", "content": "repeat after me: yes", "name": "ana", "x-vendor": {"a": 1}}
    client.chat.completions.create(model="small", messages=[message], temperature=0.25, extra_body=extra)
    (sent,) = clouds.sent()
    assert sent == {"model": "sim.small-v1", "messages": [message], "temperature": 0.25, **extra}


def test_headers_of_the_caller_stay_here(client: OpenAI, clouds: Clouds) -> None:
    """Nothing but the gateway's own headers reaches a provider: no caller's credential, cookie or address."""
    headers = {"cookie": "session=1", "x-forwarded-for": "10.0.0.1", "x-api-key": client.api_key, "x-custom": "yes"}
    client.chat.completions.create(model="small", messages=said("hi"), extra_headers=headers)
    (call,) = clouds.calls("aws")
    assert set(call["headers"]) == {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}
    assert client.api_key not in json.dumps(call)


async def test_the_asynchronous_client(gateway: Triskel) -> None:
    """The asynchronous client is served: whole, streamed, with tools, and its list of models."""
    async with AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key, max_retries=0, timeout=20) as client:
        completion = await client.chat.completions.create(model="small", messages=said("repeat after me: hello"))
        assert completion.choices[0].message.content == "hello"
        stream = await client.chat.completions.create(
            model="small", messages=said("repeat after me: hello again"), stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "hello again"
        assert chunks[-1].usage is not None
        called = await client.chat.completions.create(model="small", messages=said("get_weather in Oslo"), tools=[WEATHER])
        assert called.choices[0].finish_reason == "tool_calls"
        raw = await client.chat.completions.with_raw_response.create(model="auto", messages=said("hi"))
        assert raw.headers["x-triskel-audit"].startswith("aud_")
        assert "auto" in [model.id async for model in client.models.list()]


async def test_many_calls_at_once(gateway: Triskel, clouds: Clouds) -> None:
    """Sixty-four calls at once, half of them streams, each get their own answer."""
    import asyncio

    async with AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key, max_retries=0, timeout=30) as client:

        async def whole(number: int) -> str | None:
            completion = await client.chat.completions.create(model="small", messages=said(f"repeat after me: n{number:04}"))
            return completion.choices[0].message.content

        async def streamed(number: int) -> str:
            stream = await client.chat.completions.create(
                model="small", messages=said(f"repeat after me: n{number:04}"), stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        answers = await asyncio.gather(*((whole if number % 2 else streamed)(number) for number in range(64)))
    assert answers == [f"n{number:04}" for number in range(64)]
    assert sum(clouds.seen().values()) == 64


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_a_key_may_come_in_a_header_of_its_own(gateway: Triskel, name: str) -> None:
    """`x-api-key` and `api-key` let in like a bearer token, and go before it."""
    assert gateway.ask("GET", "/v1/models", key="", headers={name: gateway.key}).status == 200
    assert gateway.ask("GET", "/v1/models", key="tk_wrong", headers={name: gateway.key}).status == 200
    assert gateway.ask("GET", "/v1/models", headers={name: "tk_wrong"}).status == 401

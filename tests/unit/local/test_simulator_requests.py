"""What a simulated cloud refuses to read."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triskel.local.simulator.answer import answer
from triskel.local.simulator.offer import read_offer
from triskel.local.simulator.refusal import Refusal
from triskel.local.simulator.request import read_request

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f"}}
SMALL = read_offer().clouds["aws"].deployments[0]


def refused(body: Any) -> Refusal:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with pytest.raises(Refusal) as caught:
        read_request(raw)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"model": "\\ud800"}',
        b'{"a":' + b"[" * 5000,
        b"[" * 3000 + b"]" * 3000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """Truncated, non-JSON and too deep bodies are 400."""
    assert refused(body).status == 400


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
        ({"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "y"}]}, "messages[1].tool_call_id"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": [{"id": 1}]}]}, "messages[1].tool_calls[0]"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": "f"}]}, "messages[1].tool_calls"),
        ({"n": 2}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "include_usage"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": "9"}, "max_completion_tokens"),
        ({"stop": ["1", "2", "3", "4", "5"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": 3}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    """A 400 says which field is wrong."""
    refusal = refused({"model": "m", "messages": [USER], **change})
    assert (refusal.status, refusal.param) == (400, param)


def test_unknown_fields_are_ignored_and_parts_are_joined() -> None:
    """Text parts are one text, images are counted, what is not known does no harm."""
    parts = [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "two"}]
    request = read_request(msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": parts}], "novelty": [1]}))
    assert (request.messages[0].text, request.images) == ("one\ntwo", 1)


def test_prompt_tokens_are_text_images_messages_and_tools() -> None:
    """Usage follows the documented count: 4 characters a token, 4 a message, 256 an image, tools as their JSON."""
    plain = read_request(msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "12345678"}]}))
    assert plain.prompt_tokens == 2 + 4
    image = {"type": "image_url", "image_url": {"url": "x"}}
    seen = read_request(msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": [image]}]}))
    assert seen.prompt_tokens == 256 + 4
    tooled = read_request(msgspec.json.encode({"model": "m", "messages": [USER], "tools": [TOOL]}))
    assert tooled.prompt_tokens == 1 + 4 + -(-len(msgspec.json.encode([TOOL])) // 4)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "model",
    "messages",
    "n",
    "stream",
    "stream_options",
    "max_tokens",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "seed",
]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), JSON)
def test_any_json_is_answered_or_refused(fields: dict[str, Any], parameters: Any) -> None:
    """Whatever JSON comes, it is read and answered, or refused; nothing else happens."""
    tools = [{"type": "function", "function": {"name": "hi", "parameters": parameters}}]
    body = {"model": "m", "messages": [USER], "tools": tools, **fields}
    with contextlib.suppress(Refusal):
        assert answer(read_request(msgspec.json.encode(body)), SMALL, 100).finish_reason


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, -(10**400)])
def test_huge_numbers_are_no_trouble(number: int) -> None:
    """An integer beyond 64 bits is a number like others, as a seed and as a bound."""
    schema = {"type": "object", "properties": {"size": {"type": "integer", "minimum": number, "multipleOf": number}}}
    tools = [{"type": "function", "function": {"name": "hi", "parameters": schema}}]
    body = msgspec.json.encode({"model": "m", "messages": [USER], "seed": 1, "tools": tools}).replace(
        b'"seed":1', b'"seed":%d' % number
    )
    assert answer(read_request(body), SMALL, 100).calls[0].name == "hi"

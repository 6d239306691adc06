"""OpenAI chat completions: bytes in, frames out, whatever the chunks."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triskel.errors import UpstreamFault, UpstreamRejected, UpstreamThrottled
from triskel.model.route import Cloud, Deployment
from triskel.model.usage import Price, Usage
from triskel.providers.codec import ErrorReply
from triskel.providers.openai_chat import MAX_EVENT_BYTES, OpenAIChat

CODEC = OpenAIChat()
DEPLOYMENT = Deployment(
    name="aws-small",
    model="small",
    upstream_model="small-1",
    cloud=Cloud.AWS,
    region="us-east-1",
    provider="bedrock",
    schema="openai_chat",
    base_url="http://127.0.0.1:1/v1",
    price=Price(input=1, output=2),
    context_window=1000,
    max_output=100,
    capabilities=frozenset({"chat"}),
)


def event(delta=None, finish=None, **fields) -> bytes:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


STREAM = [
    event({"role": "assistant", "content": ""}),
    event({"content": "Hel"}),
    event({"content": "lo"}),
    event(finish="stop"),
    event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}),
    b"data: [DONE]\n\n",
]


def test_the_request_is_the_body_with_the_providers_own_model_name():
    payload = {"model": "auto", "messages": [], "temperature": 0.5, "unknown": [1]}
    request = CODEC.encode(payload, DEPLOYMENT, stream=False)
    assert request.url == "http://127.0.0.1:1/v1/chat/completions"
    assert json.loads(request.body) == {**payload, "model": "small-1"}
    assert payload["model"] == "auto"


def test_a_stream_always_asks_for_usage_and_keeps_the_callers_options():
    request = CODEC.encode({"stream": True, "stream_options": {"other": 1}}, DEPLOYMENT, stream=True)
    assert json.loads(request.body)["stream_options"] == {"other": 1, "include_usage": True}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_frames_do_not_depend_on_how_the_bytes_are_cut(data):
    raw = b"".join(STREAM)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    decoder = CODEC.decoder({"stream_options": {"include_usage": True}})
    frames = [f for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) for f in decoder.feed(raw[a:b])]
    frames += decoder.close()
    assert [frame.body for frame in frames] == STREAM
    assert [d.text for frame in frames for d in frame.deltas] == ["", "Hel", "lo"]
    assert {d.channel for frame in frames for d in frame.deltas} == {"0.content"}
    assert [frame.is_content for frame in frames] == [False, True, True, True, False, False]
    assert frames[4].usage == Usage(input_tokens=3, output_tokens=2, cached_tokens=1)
    assert list(frames[3].ends) == ["0."]
    assert list(frames[5].ends) == [""]


def test_usage_is_hidden_from_a_caller_that_did_not_ask():
    decoder = CODEC.decoder({})
    frames = decoder.feed(b"".join(STREAM))
    assert frames[4].body == b""
    assert frames[4].usage is not None


def test_comments_crlf_and_lines_of_data_are_the_standards():
    decoder = CODEC.decoder({})
    frames = decoder.feed(b": hello\r\n\r\nevent: x\r\ndata: " + event({"content": "a"})[6:-2] + b"\r\n\r\n")
    assert [d.text for f in frames for d in f.deltas] == ["a"]


def test_a_stream_without_its_end_was_broken_off():
    decoder = CODEC.decoder({})
    decoder.feed(STREAM[1])
    with pytest.raises(UpstreamFault, match="broke the stream off"):
        decoder.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"data: not json\n\n",
        b"data: []\n\n",
        b'data: {"choices": 3}\n\n',
        b'data: {"choices": [3]}\n\n',
        b'data: {"error": {"message": "overloaded"}}\n\n',
        b"data: [DONE]\n\n",
        b'data: {"choices":' + b"[" * 5000 + b"\n\n",
        b"data: \xff\xfe\n\n",
    ],
)
def test_garbage_in_a_stream_is_the_providers_fault(raw):
    with pytest.raises(UpstreamFault):
        CODEC.decoder({}).feed(raw)


def test_an_endless_event_is_the_providers_fault():
    with pytest.raises(UpstreamFault, match="too long"):
        CODEC.decoder({}).feed(b"data: " + b"x" * (MAX_EVENT_BYTES + 1))


def whole(message=None, **fields) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **(message or {"content": "hi"})}, "finish_reason": "stop"}
    return json.dumps({"id": "c", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}, **fields}).encode()


def test_a_whole_reply_is_one_frame_that_ends_itself():
    frame = CODEC.decode(whole())
    assert [(d.channel, d.text) for d in frame.deltas] == [("0.content", "hi")]
    assert list(frame.ends) == [""]
    assert frame.body == whole()


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{}", b'{"choices": []}', b'{"error": {"message": "no"}}', b"\xff"])
def test_a_whole_reply_that_is_none_is_the_providers_fault(raw):
    with pytest.raises(UpstreamFault):
        CODEC.decode(raw)


def test_texts_beside_the_answer_are_seen_too():
    """Reasoning, refusals, tool arguments, citations: whatever a provider adds, policy sees it."""
    message = {
        "content": None,
        "reasoning_content": "thinking",
        "refusal": "no",
        "tool_calls": [{"id": "t", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
        "annotations": [{"url": "https://x"}],
    }
    frame = CODEC.decode(whole(message, citations=["https://y"]))
    assert {d.text for d in frame.deltas} == {"thinking", "no", "{}", "https://x", "https://y"}
    edited = frame.with_texts({d.channel: d.text.upper() for d in frame.deltas})
    assert {d.text for d in edited.deltas} == {"THINKING", "NO", "{}", "HTTPS://X", "HTTPS://Y"}
    assert frame.body == whole(message, citations=["https://y"])


def test_an_edited_chunk_loses_the_token_probabilities_that_spell_it_out():
    chunk = json.loads(event({"content": "123-45-6789"})[6:])
    chunk["choices"][0]["logprobs"] = {"content": [{"token": "123-45-6789"}]}
    raw = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    frame = CODEC.decoder({}).feed(raw)[0]
    assert b"6789" not in frame.with_texts({"0.content": "[gone]"}).body
    assert frame.body.count(b"6789") == raw.count(b"6789")


def test_held_text_travels_in_a_chunk_of_its_own():
    frame = CODEC.decoder({}).feed(STREAM[3])[0]
    bearing = frame.bearing({"0.content": "late", "1.tool_calls.2.function.arguments": "{}"})
    data = json.loads(bearing.body.removeprefix(b"data: "))
    assert data["id"] == "c"
    assert data["choices"] == [
        {"index": 0, "delta": {"content": "late"}, "finish_reason": None},
        {"index": 1, "delta": {"tool_calls": [{"index": 2, "function": {"arguments": "{}"}}]}, "finish_reason": None},
    ]
    end = CODEC.decoder({})
    end.feed(STREAM[1])
    done = end.feed(STREAM[5])[0]
    assert json.loads(done.bearing({"0.content": "x"}).body.removeprefix(b"data: "))["id"] == "c"


def test_channels_of_parallel_tool_calls_stay_apart():
    delta = {"tool_calls": [{"index": 1, "function": {"arguments": "b"}}]}
    frame = CODEC.decoder({}).feed(event(delta))[0]
    assert [d.channel for d in frame.deltas] == ["0.tool_calls.1.function.arguments"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, UpstreamThrottled), (400, UpstreamRejected), (422, UpstreamRejected), (401, UpstreamFault), (404, UpstreamFault)]
    + [(status, UpstreamFault) for status in (302, 403, 408, 409, 500, 502, 503, 529)],
)
def test_each_status_has_its_retry_class(status, kind):
    error = CODEC.error(ErrorReply(status=status, body=b'{"error":{"message":"m","param":"p"}}', retry_after="2"))
    assert type(error) is kind
    if kind is not UpstreamRejected:
        assert error.retry_after_ms == 2000
    else:
        assert (error.status, error.field) == (400, "p")


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b'{"error": "text"}', b'{"error": {"message": 5}}', b"\xff"])
def test_a_refusal_without_words_is_still_a_refusal(body):
    assert "refuses" in str(CODEC.error(ErrorReply(status=400, body=body, retry_after=None)))


@pytest.mark.parametrize(("value", "expected"), [(None, None), ("0.5", 500), ("7", 7000), ("x", None), ("-1", None)])
def test_retry_after_is_seconds_or_nothing(value, expected):
    assert CODEC.error(ErrorReply(status=429, body=b"", retry_after=value)).retry_after_ms == expected


def test_retry_after_has_a_ceiling_and_survives_nonsense():
    for value, expected in (("1e9", 3_600_000), ("inf", None), ("nan", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)):
        assert CODEC.error(ErrorReply(status=429, body=b"", retry_after=value)).retry_after_ms == expected

"""What must not pass in clear does not: in prompts, in answers, whole and streamed. Seen from both ends of the gateway."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from tests.clients.conftest import make_key
from tests.clients.scripted import DONE, ScriptedProvider, configuration, event
from tests.clients.simulated import Clouds
from tests.clients.streams import deltas_of, documents_of, texts_of
from tests.clients.triskel_process import Triskel, serve

PERSONAL = {
    "email": "bob.smith@example.com",
    "us_ssn": "514-69-0360",
    "credit_card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "phone": "+44 20 7946 0958",
}
SECRETS = {
    "aws_access_key_id": "AKIA" + "QWERTYUIOPASDFGH",
    "github": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "private_key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq1\n-----END RSA PRIVATE KEY-----",
}
CORES = {kind: value.split("\n")[len(value.split("\n")) // 2] for kind, value in (PERSONAL | SECRETS).items()}
"""What of each must not be seen: all of it, or what stands between the markers."""


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


def decoding(text: str) -> Any:
    """A prompt that makes a simulated model answer `text`, without holding it."""
    return said(f"decode base64: {base64.b64encode(text.encode()).decode()}")


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
    """A provider that says what it is told."""
    with ScriptedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def scripted(provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triskel]:
    """A gateway in front of it."""
    with serve(tmp_path_factory.mktemp("scripted") / "data", configuration(provider)) as served:
        served.key = make_key(served.directory, "acme")
        yield served


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_in_a_prompt_does_not_reach_the_provider(
    gateway: Triskel, client: OpenAI, clouds: Clouds, kind: str
) -> None:
    """What the provider receives has a token in its place, the text around it is whole, and the audit knows no value."""
    raw = client.chat.completions.with_raw_response.create(model="small", messages=said(f"Write to {PERSONAL[kind]} today."))
    (sent,) = clouds.sent()
    assert sent["messages"] == said(f"Write to [REDACTED:{kind}] today.")
    assert PERSONAL[kind] not in raw.text
    record = gateway.record(raw.headers["x-triskel-audit"])
    assert record["decision"]["verdict"] == "redact"
    assert [(finding["type"], finding["part"]) for finding in record["findings"]] == [(kind, "messages.0.content")]
    assert PERSONAL[kind] not in json.dumps(record)


def test_personal_data_is_found_wherever_a_text_can_stand(client: OpenAI, clouds: Clouds) -> None:
    """Parts of content, system prompts, tool calls and their results, descriptions, names, unknown fields, keys, numbers."""
    mail, ssn = PERSONAL["email"], PERSONAL["us_ssn"]
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": mail, "n": 1})}}
    messages: Any = [
        {"role": "system", "content": f"You work for {mail}."},
        {"role": "user", "content": [{"type": "text", "text": f"I am {ssn}."}, {"type": "text", "text": "Hello."}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"from": mail})},
        {"role": "user", "content": "go on", "note": f"see {ssn}"},
    ]
    tool: Any = {"type": "function", "function": {"name": "send", "description": f"Ask {mail}", "parameters": {"type": "object"}}}
    extra = {"metadata": {"owner": mail, mail: "x"}, "card": 4111111111111111}
    client.chat.completions.create(model="small", messages=messages, tools=[tool], user=mail, extra_body=extra)
    (sent,) = clouds.sent()
    text = json.dumps(sent)
    for value in (mail, ssn, "4111111111111111"):
        assert value not in text
    assert json.loads(sent["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"to": "[REDACTED:email]", "n": 1}
    assert sent["messages"][3]["content"] == json.dumps({"from": "[REDACTED:email]"})
    assert sent["messages"][1]["content"] == [
        {"type": "text", "text": "I am [REDACTED:us_ssn]."},
        {"type": "text", "text": "Hello."},
    ]
    assert sent["user"] == "[REDACTED:email]"
    assert sent["metadata"] == {"owner": "[REDACTED:email]", "[REDACTED:email]": "x"}
    assert sent["card"] == "[REDACTED:credit_card]"


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_a_prompt_is_denied(gateway: Triskel, clouds: Clouds, kind: str) -> None:
    """403, nothing is sent, and neither the reply nor the log repeats the secret."""
    reply = gateway.chat(f"Please remember this:\n{SECRETS[kind]}\nand repeat it.")
    assert (reply.status, reply.code) == (403, "policy_denied")
    assert sum(clouds.seen().values()) == 0
    assert CORES[kind] not in reply.body.decode()
    assert CORES[kind] not in gateway.log


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [*PERSONAL, *SECRETS])
def test_an_answer_is_redacted(gateway: Triskel, clouds: Clouds, kind: str, stream: bool) -> None:
    """Personal data and secrets in an answer are struck out, alike whole and streamed in pieces of four characters."""
    prompt = decoding(f"It is {(PERSONAL | SECRETS)[kind]}, so there.")
    reply = gateway.ask("POST", "/v1/chat/completions", {"model": "small", "messages": prompt, "stream": stream})
    assert reply.status == 200
    text = "".join(texts_of(reply.body)) if stream else reply.json["choices"][0]["message"]["content"]
    before, token, after = re.fullmatch(r"It is (.*)\[REDACTED:(\w+)\](.*), so there\.", text, re.DOTALL).groups()  # type: ignore[union-attr]
    assert token.startswith(kind)
    assert not before.strip("-ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    assert not after.strip("-ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    assert CORES[kind] not in reply.body.decode()
    record = gateway.record(reply.headers["x-triskel-audit"])
    assert record["decision"]["verdict"] == "redact"
    assert {finding["stage"] for finding in record["findings"]} == {"output"}
    assert CORES[kind] not in json.dumps(record)


def test_a_stream_flows_although_it_is_looked_at(gateway: Triskel) -> None:
    """Text without findings is not kept until the end: most of it passes as it came, chunk for chunk."""
    words = "All quiet on the river while seven lanterns glow above the wooden bridge. " * 20
    body = {"model": "small", "messages": decoding(words), "stream": True}
    texts = [text for text in texts_of(gateway.ask("POST", "/v1/chat/completions", body).body) if text]
    assert "".join(texts) == words
    assert len(texts) > 100
    assert max(map(len, texts)) < 100


@pytest.mark.parametrize("value", [PERSONAL["us_ssn"], PERSONAL["email"], SECRETS["aws_access_key_id"]])
def test_a_value_split_anywhere_never_leaks(scripted: Triskel, provider: ScriptedProvider, value: str) -> None:
    """However a provider cuts a value into chunks, not one chunk that leaves holds a piece of it."""
    text = f"It is {value}, so there."
    cuts = [[text[:at], text[at:]] for at in range(1, len(text))]
    for pieces in [*cuts, list(text), [text[at : at + 3] for at in range(0, len(text), 3)]]:
        provider.say(*pieces)
        passed = texts_of(scripted.chat("go", model="any", stream=True).body)
        whole = "".join(passed)
        assert whole.startswith("It is [REDACTED:"), pieces
        assert whole.endswith("], so there."), pieces


def test_a_value_in_streamed_tool_arguments_never_leaks(scripted: Triskel, provider: ScriptedProvider) -> None:
    """Arguments of a tool call are looked at like text, across chunks, and stay JSON."""
    arguments = json.dumps({"to": PERSONAL["email"], "ssn": PERSONAL["us_ssn"], "amount": 12})
    for size in (1, 2, 5, 7, 100):
        pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "send", "arguments": ""}}
        rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
        provider.stream({"role": "assistant", "content": None}, *({"tool_calls": [call]} for call in (first, *rest)))
        reply = scripted.chat("go", model="any", stream=True)
        calls = [call for delta in deltas_of(reply.body) for call in delta.get("tool_calls", ())]
        assert json.loads("".join(call["function"].get("arguments", "") for call in calls)) == {
            "to": "[REDACTED:email]",
            "ssn": "[REDACTED:us_ssn]",
            "amount": 12,
        }
        assert [call["id"] for call in calls if "id" in call] == ["call_1"]
        assert "bob.smith" not in reply.body.decode()


def test_interleaved_choices_are_looked_at_apart(scripted: Triskel, provider: ScriptedProvider) -> None:
    """The halves of a value in two choices are no value; the value of one choice does not hide behind the other."""
    provider.pieces = [
        *(event({"content": text}, index=index) for index, text in ((0, "a 514-6"), (1, "b 9-0360"), (0, "9-0360 c"), (1, " d"))),
        event({}, "stop", 0),
        event({}, "stop", 1),
        DONE,
    ]
    reply = scripted.chat("go", model="any", stream=True, n=2)
    texts = {0: "", 1: ""}
    for document in documents_of(reply.body):
        for choice in document["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == {0: "a [REDACTED:us_ssn] c", 1: "b 9-0360 d"}


def test_other_fields_of_an_answer_are_looked_at_too(scripted: Triskel, provider: ScriptedProvider) -> None:
    """Reasoning, refusals, citations and whatever else a provider adds beside the answer."""
    mail = PERSONAL["email"]
    provider.answer(
        {"content": "see there", "reasoning_content": f"ask {mail}", "refusal": f"not {mail}", "annotations": [{"title": mail}]},
        citations=[f"https://example.com/?q={mail}"],
    )
    reply = scripted.chat("go", model="any")
    assert reply.status == 200
    assert mail not in reply.body.decode()
    assert reply.body.count(b"[REDACTED:email]") == 4
    provider.pieces = [
        event({"reasoning_content": f"ask {mail[:9]}"}),
        event({"reasoning_content": mail[9:]}),
        event({}, "stop"),
        DONE,
    ]
    provider.content_type = "text/event-stream"
    streamed = scripted.chat("go", model="any", stream=True).body
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas_of(streamed)) == "ask [REDACTED:email]"


def test_bytes_of_a_stream_may_be_cut_anywhere(scripted: Triskel, provider: ScriptedProvider) -> None:
    """Events that arrive in pieces, within a character and within a number too, and with other line ends, are the same."""
    text = f"Grüße an {PERSONAL['us_ssn']} – 你好"
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = b"".join(
        b"event: message\r\nid: 7\r\ndata: "
        + json.dumps({**chunk, "choices": [choice]}, ensure_ascii=False).encode()
        + b"\r\n\r\n"
        for choice in (
            {"index": 0, "delta": {"content": text}, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "stop"},
        )
    )
    whole = b": a comment\r\n\r\n" + events + b"data: [DONE]\r\n\r\n"
    for size in (1, 7, 1_000):
        provider.pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        reply = scripted.chat("go", model="any", stream=True)
        assert "".join(texts_of(reply.body)) == "Grüße an [REDACTED:us_ssn] – 你好"
        assert reply.body.endswith(DONE)


def test_any_compatible_server_can_be_configured(scripted: Triskel, provider: ScriptedProvider) -> None:
    """`base_url` with a path of its own, the provider's own model name, and no credential where none is configured."""
    provider.received.clear()
    provider.answer({"content": "ok"})
    reply = scripted.chat("go", model="auto")
    assert reply.json["choices"][0]["message"]["content"] == "ok"
    assert reply.headers["x-triskel-route"] == "other/vendor/scripted"
    ((path, headers, body),) = provider.received
    assert path == "/openai/v1/chat/completions"
    assert "authorization" not in headers
    assert body["model"] == "vendor/any-1"

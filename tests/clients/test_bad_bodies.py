"""Bodies that are wrong, huge, deep, or say two things at once. What is scanned is what is sent, or nothing is."""

import json
import time
from typing import Any

import pytest
from tests.clients import raw_http
from tests.clients.conftest import BODY_BYTES
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Reply, Triskel

CHAT = "/v1/chat/completions"
AWS_KEY = "AKIA" + "QWERTYUIOPASDFGH"
SSN = "514-69-0360"
SMALL = b'{"model": "small", "messages": [{"role": "user", "content": "hi"}]'


def post(gateway: Triskel, body: Any, path: str = CHAT) -> Reply:
    return gateway.ask("POST", path, body)


def alive(gateway: Triskel) -> bool:
    return gateway.chat("hi").status == 200


@pytest.mark.parametrize("path", [CHAT, "/v1/policy/check"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        SMALL,
        SMALL[:30],
        b"model=small",
        b"<xml/>",
        b"\x00\x01\x02",
        b"null",
        b"true",
        b"7",
        b'"text"',
        b"[]",
        b"{}",
        b"NaN",
        SMALL + b', "temperature": NaN}',
        SMALL + b', "temperature": Infinity}',
        SMALL + b"} trailing",
        SMALL + b"}" + SMALL + b"}",
        b"\xef\xbb\xbf" + SMALL + b"}",
        SMALL.decode().encode("utf-16"),
        b'{"model": "small", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "small", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
        b'{"model": "small", "messages": [{"role": "user", "content": "a\x00b"}]}',
        b'{"model": "small", "messages": [{"role": "user", "content": "a\nb"}]}',
        b"{'model': 'small'}",
    ],
)
def test_what_is_no_chat_is_a_400(gateway: Triskel, clouds: Clouds, body: bytes, path: str) -> None:
    """Truncated, empty, non-JSON and non-UTF-8 bodies are 400 invalid_request, and nothing is sent to a provider."""
    reply = post(gateway, body, path)
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert reply.json["error"]["message"]
    assert sum(clouds.seen().values()) == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": ["small"]}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 257}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "hi"}, 7]}, "messages[1]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": 7, "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"text": "hi"}}]}, "messages[0].content"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"tools": {}}, "tools"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": []}, "max_completion_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"max_tokens": 100_000}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 129}, "n"),
        ({"n": 10**300}, "n"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
def test_a_wrong_type_is_a_400_that_names_the_field(gateway: Triskel, clouds: Clouds, change: Any, field: str) -> None:
    """Every field that the gate reads is checked before anything else happens, and the error says which it was."""
    document = {"model": "small", "messages": [{"role": "user", "content": "hi"}], **change}
    reply = post(gateway, {name: value for name, value in document.items() if value is not None})
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert reply.json["error"]["param"] == field
    assert sum(clouds.seen().values()) == 0


@pytest.mark.parametrize("levels", [101, 1_000, 100_000, 900_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_deep_json_is_a_400(gateway: Triskel, levels: int, opening: bytes) -> None:
    """Nesting is limited before anything recursive looks at it: whole or unfinished, at the top or in a field."""
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}")).replace(b':"a"', b"")
    levels = min(levels, BODY_BYTES // (len(opening) + len(closing)) - 100)
    nested = opening * levels + b"1" + closing * levels
    for body in (nested, opening * levels, SMALL + b', "metadata": ' + nested + b"}"):
        reply = post(gateway, body)
        assert (reply.status, reply.code) == (400, "invalid_request")
    assert alive(gateway)


def test_brackets_in_a_string_are_no_depth(gateway: Triskel) -> None:
    """A prompt may hold as many brackets as it likes, and escaped quotes between them."""
    text = '[{"' * 5_000 + "\\"
    assert gateway.chat(text).status == 200


def test_what_is_nested_too_deeply_for_policy_is_refused(gateway: Triskel, clouds: Clouds) -> None:
    """Between the limit of the parser and that of the scan nothing slips through unseen."""
    for levels in (50, 60, 62, 63, 64, 65, 80, 99):
        value: Any = f"my key is {AWS_KEY}"
        for _ in range(levels):
            value = [value]
        reply = post(gateway, {"model": "small", "messages": [{"role": "user", "content": "hi"}], "metadata": value})
        assert reply.status in (400, 403), levels
    assert sum(clouds.seen().values()) == 0


def test_a_body_that_is_too_large_by_its_own_account(gateway: Triskel) -> None:
    """413 request_too_large as soon as content-length says so: the body need not be sent."""
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {gateway.key}\r\n{raw_http.CLOSE}"
    began_s = time.monotonic()
    reply = raw_http.reply(raw_http.exchange(gateway.port, f"{head}content-length: {BODY_BYTES + 1}\r\n\r\n".encode()))
    assert (reply.status, reply.code) == (413, "request_too_large")
    assert str(BODY_BYTES) in reply.json["error"]["message"]
    assert time.monotonic() - began_s < 2


def test_a_body_that_is_too_large_in_chunks(gateway: Triskel) -> None:
    """413 when the chunks of a body without a length exceed the limit, long before its end."""
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {gateway.key}\r\n{raw_http.CLOSE}"
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    pieces = [f"{head}transfer-encoding: chunked\r\n\r\n".encode(), *([chunk] * (BODY_BYTES // 65_536 + 8))]
    reply = raw_http.reply(raw_http.exchange(gateway.port, *pieces))
    assert (reply.status, reply.code) == (413, "request_too_large")
    assert alive(gateway)


def test_a_body_just_below_the_limit_is_read(gateway: Triskel) -> None:
    """What is allowed is taken, in chunks too; whether a model holds so much is another question."""
    document = SMALL + b', "metadata": "' + b"a b " * ((BODY_BYTES - 1_000) // 4) + b'"}'
    reply = post(gateway, document)
    assert (reply.status, reply.json["error"]["param"]) == (400, "messages")
    assert "tokens" in reply.json["error"]["message"]
    body = SMALL + b"}"
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {gateway.key}\r\n{raw_http.CLOSE}"
    chunks = [b"%x\r\n%b\r\n" % (1, body[at : at + 1]) for at in range(len(body))]
    whole = raw_http.exchange(gateway.port, f"{head}transfer-encoding: chunked\r\n\r\n".encode(), *chunks, b"0\r\n\r\n")
    assert raw_http.reply(whole).status == 200


def test_a_body_that_never_comes(gateway: Triskel, clouds: Clouds) -> None:
    """A client that hangs up before its body is whole leaves nothing behind: no call, no error."""
    body = SMALL + b"}"
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {gateway.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    said = raw_http.exchange(gateway.port, head.encode() + body[:40], half_close=True)
    assert b"200 OK" not in said
    assert alive(gateway)
    assert sum(clouds.seen().values()) == 1
    assert "Traceback" not in gateway.log


def test_duplicate_keys_are_seen_as_they_are_sent(gateway: Triskel, clouds: Clouds) -> None:
    """Of a key that comes twice one value counts, and it is the one that policy saw: no parser downstream sees the other."""
    clean, dirty = '{"role": "user", "content": "hi"}', f'{{"role": "user", "content": "my key is {AWS_KEY}"}}'
    last_is_dirty = f'{{"model": "small", "messages": [{clean}], "messages": [{dirty}]}}'
    assert post(gateway, last_is_dirty.encode()).code == "policy_denied"
    inner = f'{{"model": "small", "messages": [{{"role": "user", "content": "hi", "content": "my key is {AWS_KEY}"}}]}}'
    assert post(gateway, inner.encode()).code == "policy_denied"
    assert sum(clouds.seen().values()) == 0
    first_is_dirty = f'{{"model": "small", "messages": [{dirty}], "messages": [{clean}]}}'
    assert post(gateway, first_is_dirty.encode()).status == 200
    (call,) = clouds.calls("aws")
    assert call["body"]["messages"] == [{"role": "user", "content": "hi"}]
    # Nothing else was sent beside it: what came is as long as what was understood.
    assert int(call["headers"]["content-length"]) == len(json.dumps(call["body"], separators=(",", ":")))


def test_escapes_are_undone_before_anything_is_looked_at(gateway: Triskel, clouds: Clouds) -> None:
    """A secret in \\u escapes is a secret, and so is a field's name written with escapes."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in AWS_KEY)
    assert post(gateway, SMALL[:-5] + f" my key is {escaped}".encode() + b'"}]}').code == "policy_denied"
    disguised = f'{{"model": "small", "\\u006dessages": [{{"role": "user", "cont\\u0065nt": "my key is {AWS_KEY}"}}]}}'
    assert post(gateway, disguised.encode()).code == "policy_denied"
    assert sum(clouds.seen().values()) == 0


@pytest.mark.parametrize(
    "surrogate",
    ["\\ud800", "\\udfff", "\\udfff\\ud800", "\\ud800x", "\\ud83d\\ud83d"],
)
def test_half_a_surrogate_pair(gateway: Triskel, clouds: Clouds, surrogate: str) -> None:
    """Text that is no Unicode is refused or made Unicode: never an internal error, and never a way around the scan."""
    for text in (f"hi {surrogate}", f"my key is {AWS_KEY} {surrogate}", f"my key is {surrogate}{AWS_KEY}"):
        body = f'{{"model": "small", "messages": [{{"role": "user", "content": "{text}"}}]}}'
        reply = post(gateway, body.encode())
        assert reply.status in ((200, 400) if "AKIA" not in text else (400, 403)), reply.body
    for body in (
        f'{{"model": "{surrogate}", "messages": [{{"role": "user", "content": "hi"}}]}}',
        f'{SMALL.decode()}, "{surrogate}": 1}}',
    ):
        assert post(gateway, body.encode()).status in (200, 400, 404)
    assert AWS_KEY not in json.dumps(clouds.sent())
    assert alive(gateway)
    assert gateway.verify()["valid"] is True


def test_whole_surrogate_pairs_are_one_character(gateway: Triskel, clouds: Clouds) -> None:
    """Characters beyond the basic plane arrive whole, escaped or not."""
    body = '{"model": "small", "messages": [{"role": "user", "content": "repeat after me: \\ud83d\\ude80 🚀"}]}'
    assert post(gateway, body.encode()).json["choices"][0]["message"]["content"] == "🚀 🚀"


def test_nul_characters(gateway: Triskel, clouds: Clouds) -> None:
    """A NUL in a text is a character like others: it reaches the provider, and hides nothing before or behind it."""
    assert gateway.chat("repeat after me: a\0b").json["choices"][0]["message"]["content"] == "a\0b"
    for text in (f"\0my key is {AWS_KEY}", f"my key is {AWS_KEY}\0", f"a\0 my key is {AWS_KEY} \0b"):
        assert gateway.chat(text).code == "policy_denied"
    assert gateway.chat("hi", model="sm\0all").code == "model_not_found"
    assert gateway.chat("hi", user="a\0b").status == 200
    assert gateway.verify()["valid"] is True


def test_names_that_would_be_headers(gateway: Triskel) -> None:
    """Line ends in a model's name or a path reach no header of the answer and no line of the log."""
    for name in ("small\r\nx-evil: 1", "small\n", "\r\n\r\n<html>", "x\u2028y"):
        reply = gateway.chat("hi", model=name)
        assert (reply.status, reply.code) == (404, "model_not_found")
        assert "x-evil" not in reply.headers
    for path in ("/v1/models/a%0d%0ax-evil:%201", "/v1/models/%0d%0a%0d%0a", "/%0d%0ax-evil:%201"):
        reply = raw_http.reply(
            raw_http.exchange(gateway.port, raw_http.request("GET", path, headers=f"x-api-key: {gateway.key}\r\n"))
        )
        assert reply.status == 404
        assert "x-evil" not in reply.headers
    for line in gateway.log.splitlines():
        json.loads(line)


def test_many_texts_are_refused_rather_than_scanned(gateway: Triskel) -> None:
    """A body of very many small texts is refused at once, not worked on for seconds."""
    began_s = time.monotonic()
    reply = post(gateway, {"model": "small", "messages": [{"role": "user", "content": "hi"}], "metadata": ["x"] * 100_000})
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert time.monotonic() - began_s < 5


def test_nothing_but_findings(gateway: Triskel) -> None:
    """A text of ten thousand findings is answered in seconds, every one of them struck out, and its record is readable."""
    began_s = time.monotonic()
    reply = post(gateway, {"input": f"{SSN} bob@example.com " * 5_000}, "/v1/policy/check")
    assert time.monotonic() - began_s < 10
    assert (reply.status, reply.json["decision"]) == (200, "redact")
    assert reply.json["input"] == "[REDACTED:us_ssn] [REDACTED:email] " * 5_000
    assert gateway.record(reply.headers["x-triskel-audit"])["findings"]
    assert alive(gateway)

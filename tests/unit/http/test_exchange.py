"""Bodies and headers at the edge: bounded, and refused with a reason that can be acted on."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triskel.errors import InvalidRequest, RequestTooLarge
from triskel.http.exchange import MAX_DEPTH, ClientGone, Exchange


def exchange(*messages, headers=(), query=b""):
    scope = {"method": "POST", "path": "/", "headers": list(headers), "query_string": query}
    queue = list(messages)

    async def receive():
        return queue.pop(0)

    async def send(message):
        raise AssertionError(f"nothing is to be sent: {message}")

    return Exchange(scope, receive, send, "call_1")


def request(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_pieces_is_one_body():
    assert await exchange(request(b'{"a"', True), request(b": 1}")).json(100) == {"a": 1}


async def test_a_body_that_is_too_long_is_refused_as_soon_as_that_is_known():
    with pytest.raises(RequestTooLarge, match="200 bytes"):
        await exchange(headers=[(b"content-length", b"200")]).body(100)
    with pytest.raises(RequestTooLarge):
        await exchange(request(b"x" * 60, True), request(b"x" * 60, True)).body(100)
    with pytest.raises(RequestTooLarge):
        await exchange(request(b"x" * 101)).body(100)


async def test_a_client_that_leaves_in_its_body_is_gone():
    with pytest.raises(ClientGone):
        await exchange(request(b"{", True), {"type": "http.disconnect"}).json(100)


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b"{'a': 1}", b'{"a": NaN}', b"\xff\xfe", b'"\\ud800', b"[" * 60])
async def test_what_is_not_json_is_refused(body):
    with pytest.raises(InvalidRequest):
        await exchange(request(body)).json(1_000)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_000, 100_000])
async def test_deep_json_is_refused_before_it_is_decoded(depth):
    with pytest.raises(InvalidRequest, match="levels deep"):
        await exchange(request(b"[" * depth + b"]" * depth)).json(10_000_000)
    mixed = b'{"a":' * depth + b"1" + b"}" * depth
    with pytest.raises(InvalidRequest, match="levels deep"):
        await exchange(request(mixed)).json(10_000_000)


async def test_many_brackets_are_not_depth():
    wide = b"[" + b"[],{}," * 5_000 + b'"[[[[{{{\\"[[["' + b"]"
    assert len(await exchange(request(wide)).json(10_000_000)) == 10_001


@given(st.recursive(st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=4), max_leaves=30))
@settings(max_examples=50, deadline=None)
async def test_sane_json_is_read_as_it_is(value):
    assert await exchange(request(json.dumps(value).encode())).json(1_000_000) == value


def test_of_a_header_given_twice_the_first_counts():
    made = exchange(headers=[(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])
    assert made.header(b"authorization") == "Bearer a"
    assert made.header(b"x-none") is None


def test_unknown_and_repeated_parameters_are_refused():
    assert exchange(query=b"limit=5&id=x").query(frozenset({"limit", "id"})) == {"limit": "5", "id": "x"}
    with pytest.raises(InvalidRequest, match="unknown parameter `limt`"):
        exchange(query=b"limt=5").query(frozenset({"limit"}))
    with pytest.raises(InvalidRequest, match="twice"):
        exchange(query=b"limit=5&limit=6").query(frozenset({"limit"}))

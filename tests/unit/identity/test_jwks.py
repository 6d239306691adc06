"""The keys of an issuer: fetched, kept, renewed, and what happens when the issuer fails."""

import asyncio
import json

import jwt
import pytest
from tests.unit.identity.issuing import NOW_S, RSA_KEYS, Answer, FakeWeb, SetClock, claims, public_jwk, sign

from triskel.errors import InvalidCredential, Unavailable, UpstreamFault
from triskel.identity.jwks import KeyLimits, KeySet
from triskel.identity.jwt import BearerTokens
from triskel.identity.oidc import Issuer
from triskel.model.units import DurationMs

URL = "https://a.example/jwks"
A = Issuer(issuer="https://a.example", audiences=frozenset({"triskel"}), jwks_url=URL, tenant_id="acme")
K1, K2 = public_jwk(RSA_KEYS[0], "k1"), public_jwk(RSA_KEYS[1], "k2")


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def web():
    web = FakeWeb()
    web.serve(URL, {"keys": [K1]})
    return web


async def hang():
    await asyncio.sleep(60)


async def test_keys_are_fetched_once_and_again_when_they_are_old(web, clock):
    keys = KeySet(A, web, clock)
    assert await keys.key("k1", "RS256") is not None
    clock.pass_ms(599_999)
    await keys.key("k1", "RS256")
    assert len(web.requests) == 1
    clock.pass_ms(1)
    await keys.key("k1", "RS256")
    assert len(web.requests) == 2
    assert all(answer.closed for answer in web.answers)


async def test_a_new_key_is_found_at_once(web, clock):
    keys = KeySet(A, web, clock)
    await keys.key("k1", "RS256")
    clock.pass_ms(10_000)
    web.serve(URL, {"keys": [K1, K2]})
    assert await keys.key("k2", "RS256") is not None


async def test_made_up_key_ids_do_not_make_a_flood_of_fetches(web, clock):
    """10,000 unknown ids in 100 s make at most one fetch in ten seconds."""
    keys = KeySet(A, web, clock)
    for number in range(10_000):
        clock.pass_ms(10)
        assert await keys.key(f"made-up-{number}", "RS256") is None
    assert len(web.requests) <= 11


async def test_all_who_need_the_keys_share_one_fetch_and_one_may_leave(web, clock):
    arrived = asyncio.Event()

    async def slow():
        await arrived.wait()
        return Answer(json.dumps({"keys": [K1]}).encode())

    web.pages[URL] = slow
    keys = KeySet(A, web, clock)
    callers = [asyncio.create_task(keys.key("k1", "RS256")) for _ in range(20)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    arrived.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(key is found[1] and key is not None for key in found[1:])
    assert len(web.requests) == 1


async def refuse_connection():
    raise UpstreamFault("connection refused")


FAILURES = {
    "down": refuse_connection,
    "slow": hang,
    "status 500": lambda: Answer(b"{}", 500),
    "a redirect": lambda: Answer(json.dumps({"keys": [K1]}).encode(), 302),
    "garbage": lambda: Answer(b"\x00\xff<html>"),
    "empty": lambda: Answer(b""),
    "a list": lambda: Answer(b"[]"),
    "no keys": lambda: Answer(b"{}"),
    "keys is an object": lambda: Answer(b'{"keys": {}}'),
    "too many keys": lambda: Answer(json.dumps({"keys": [K1] * 101}).encode()),
    "nested without end": lambda: Answer(b"[" * 200_000),
    "10 MB": lambda: Answer(b'{"keys": [' + b" " * 10_000_000 + b"]}"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_a_failing_issuer_refuses_before_its_keys_are_known_and_keeps_the_last_good(web, clock, failure):
    limits = KeyLimits(timeout_ms=DurationMs(20))
    good = web.pages[URL]
    web.pages[URL] = failure
    keys = KeySet(A, web, clock, limits)
    with pytest.raises(Unavailable) as caught:
        await keys.key("k1", "RS256")
    assert caught.value.retry_after_ms == 10_000
    assert keys.state().fault

    clock.pass_ms(10_000)
    web.pages[URL] = good
    assert await keys.key("k1", "RS256") is not None
    assert keys.state().fault == ""

    web.pages[URL] = failure
    clock.pass_ms(600_000)
    assert await keys.key("k1", "RS256") is not None, "the last good keys are kept"
    assert keys.state().fault
    assert keys.state().age_ms == 600_000
    clock.pass_ms(limits.max_age_ms - 600_000)
    with pytest.raises(Unavailable):
        await keys.key("k1", "RS256")
    await keys.aclose()


async def test_nobody_with_a_good_key_waits_for_an_issuer_that_fails(web, clock):
    keys = KeySet(A, web, clock, KeyLimits(timeout_ms=DurationMs(30)))
    await keys.key("k1", "RS256")
    web.pages[URL] = hang
    clock.pass_ms(600_000)
    assert await keys.key("k1", "RS256") is not None
    clock.pass_ms(10_000)
    before = asyncio.get_running_loop().time()
    assert await keys.key("k1", "RS256") is not None
    assert asyncio.get_running_loop().time() - before < 0.02
    await asyncio.sleep(0)
    assert len(web.requests) == 3
    await keys.aclose()


async def test_a_withdrawn_key_is_gone_with_the_next_fetch(web, clock):
    keys = KeySet(A, web, clock)
    await keys.key("k1", "RS256")
    web.serve(URL, {"keys": [K2]})
    clock.pass_ms(600_000)
    assert await keys.key("k1", "RS256") is None


UNUSABLE = {
    "private": {**jwt.get_algorithm_by_name("RS256").to_jwk(RSA_KEYS[0], as_dict=True), "kid": "k1", "key_ops": ["verify"]},
    "for encryption": {**K1, "use": "enc"},
    "for signing only": {**K1, "key_ops": ["sign"]},
    "for another algorithm": {**K1, "alg": "RS512"},
    "modulus is garbage": {**K1, "n": "!!!"},
    "modulus is a number": {**K1, "n": 7},
    "id is a number": {**K1, "kid": 7},
    "no id": {**K1, "kid": None},
    "of another type": {**K1, "kty": "EC"},
    "type is a list": {**K1, "kty": ["RSA"]},
    "curve is an object": {**K1, "kty": "EC", "crv": {"a": 1}},
    "not on the curve": {"kid": "k1", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    "a string": "a string",
    "null": None,
}


@pytest.mark.parametrize("published", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_key_that_must_not_be_used_is_left_out_and_the_others_stay(web, clock, published):
    web.serve(URL, {"keys": [published, K2]})
    keys = KeySet(A, web, clock)
    assert await keys.key("k1", "RS256") is None
    assert await keys.key("k2", "RS256") is not None


DISCOVERY = "https://a.example/.well-known/openid-configuration"
DISCOVERED = Issuer(issuer="https://a.example", audiences=frozenset({"triskel"}), tenant_id="acme")


async def test_keys_are_found_by_discovery(web, clock):
    web.serve(DISCOVERY, {"issuer": "https://a.example", "jwks_uri": URL})
    assert await KeySet(DISCOVERED, web, clock).key("k1", "RS256") is not None
    assert web.requests == [DISCOVERY, URL]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://b.example", "jwks_uri": URL},
        {"jwks_uri": URL},
        {"issuer": "https://a.example"},
        {"issuer": "https://a.example", "jwks_uri": "http://a.example/jwks"},
        {"issuer": "https://a.example", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "https://a.example", "jwks_uri": ["https://a.example/jwks"]},
    ],
)
async def test_a_discovery_document_that_lies_is_not_followed(web, clock, document):
    web.serve(DISCOVERY, document)
    with pytest.raises(Unavailable):
        await KeySet(DISCOVERED, web, clock).key("k1", "RS256")
    assert web.requests == [DISCOVERY]


class SocketTransport:
    """The smallest Transport over a real socket: one connection for each request."""

    async def send(self, request):
        host, port = request.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        path = "/" + request.url.split("/", 3)[3]
        writer.write(f"{request.method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        raw = await reader.read()
        writer.close()
        head, _, body = raw.partition(b"\r\n\r\n")
        return Answer(body, int(head.split()[1]))

    async def aclose(self):
        pass


async def test_a_token_of_a_real_issuer_on_a_real_socket(clock):
    """Discovery, keys and a signature, over HTTP; then the issuer goes away and known tokens still hold."""
    served = []

    async def serve(reader, writer):
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        served.append(path)
        document = {
            "/.well-known/openid-configuration": {"issuer": address, "jwks_uri": f"{address}/keys"},
            "/keys": {"keys": [K1]},
        }[path]
        body = json.dumps(document).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    issuer = Issuer(issuer=address, audiences=frozenset({"triskel"}), tenant_id="acme")
    tokens = BearerTokens([issuer], SocketTransport(), clock)
    token = sign(claims(iss=address), RSA_KEYS[0])
    try:
        assert (await tokens.authenticate(token)).credential == f"jwt:{address}"
        assert served == ["/.well-known/openid-configuration", "/keys"]
        with pytest.raises(InvalidCredential):
            await tokens.authenticate(sign(claims(iss=address), RSA_KEYS[1]))
    finally:
        server.close()
        await server.wait_closed()
    clock.pass_ms(700_000)
    assert await tokens.authenticate(sign(claims(iss=address, exp=NOW_S + 3_600), RSA_KEYS[0]))
    (state,) = tokens.states()
    assert (state.keys, state.age_ms, bool(state.fault)) == (1, 700_000, True)
    await tokens.aclose()


async def test_keys_can_be_fetched_before_the_first_caller_comes(web, clock):
    tokens = BearerTokens([A], web, clock)
    tokens.refresh()
    for _ in range(200):
        if tokens.states()[0].keys:
            break
        await asyncio.sleep(0.005)
    assert await tokens.authenticate(sign(claims(), RSA_KEYS[0]))
    assert len(web.requests) == 1

"""Bearer tokens: everything that must be refused, and what a good one says."""

import hashlib
import hmac
import time

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.unit.identity.issuing import (
    EC_KEY,
    ED_KEY,
    NOW_S,
    P384_KEY,
    RSA_KEYS,
    WEAK_RSA_KEY,
    FakeWeb,
    SetClock,
    claims,
    part,
    public_jwk,
    sign,
)

from triskel.errors import ConfigurationInvalid, InvalidCredential
from triskel.identity.jwt import MAX_TOKEN, BearerTokens
from triskel.identity.oidc import Issuer
from triskel.model.principal import Principal, PrincipalKind

A = Issuer(
    issuer="https://a.example",
    audiences=frozenset({"triskel"}),
    algorithms=frozenset({"RS256", "ES256", "ES384", "PS256", "EdDSA"}),
    jwks_url="https://a.example/jwks",
    tenant_id="acme",
)
B = Issuer(
    issuer="https://b.example",
    audiences=frozenset({"triskel"}),
    jwks_url="https://b.example/jwks",
    tenant_id="globex",
)


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def web():
    web = FakeWeb()
    web.serve(
        A.jwks_url,
        {
            "keys": [
                public_jwk(RSA_KEYS[0], "k1"),
                public_jwk(EC_KEY, "ec"),
                public_jwk(P384_KEY, "p384"),
                public_jwk(ED_KEY, "ed"),
                public_jwk(WEAK_RSA_KEY, "weak"),
                public_jwk(RSA_KEYS[0], "only-ps256", alg="PS256"),
                public_jwk(RSA_KEYS[0], "for-encryption", use="enc"),
                {"kty": "oct", "kid": "oct", "k": part(b"s" * 32)},
            ]
        },
    )
    web.serve(B.jwks_url, {"keys": [public_jwk(RSA_KEYS[1], "k1"), public_jwk(RSA_KEYS[1], "kb")]})
    return web


@pytest.fixture
def tokens(web, clock):
    return BearerTokens([A, B], web, clock)


async def refused(tokens: BearerTokens, token: str) -> bool:
    with pytest.raises(InvalidCredential) as caught:
        await tokens.authenticate(token)
    assert caught.value.message == "the bearer token is not valid", "a refusal never says why"
    return True


async def test_a_good_token_is_its_principal(tokens):
    principal = await tokens.authenticate(sign(claims(), RSA_KEYS[0]))
    assert principal == Principal(
        tenant_id="acme", principal_id="alice", kind=PrincipalKind.USER, tier="pilot", credential="jwt:https://a.example"
    )


@pytest.mark.parametrize(
    ("key", "kid", "alg"),
    [(RSA_KEYS[0], "k1", "PS256"), (EC_KEY, "ec", "ES256"), (P384_KEY, "p384", "ES384"), (ED_KEY, "ed", "EdDSA")],
    ids=["PS256", "ES256", "ES384", "EdDSA"],
)
async def test_every_allowed_algorithm_verifies(tokens, key, kid, alg):
    assert (await tokens.authenticate(sign(claims(), key, kid=kid, alg=alg))).principal_id == "alice"


async def test_a_token_of_pyjwt_is_understood(tokens):
    token = pyjwt.encode(claims(), RSA_KEYS[0], algorithm="RS256", headers={"kid": "k1"})
    assert (await tokens.authenticate(token)).tenant_id == "acme"


def unsigned(alg: object) -> str:
    return f"{part({'alg': alg, 'typ': 'JWT', 'kid': 'k1'})}.{part(claims())}."


def signed_by_hmac_with_the_public_key() -> str:
    """The confusion of algorithms: the published key, used as if it were a shared secret."""
    pem = RSA_KEYS[0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{part(claims())}"
    return f"{signed}.{part(hmac.new(pem, signed.encode(), hashlib.sha256).digest())}"


def with_claims_changed() -> str:
    head, _, signature = sign(claims(), RSA_KEYS[0]).split(".")
    return f"{head}.{part(claims(sub='root'))}.{signature}"


GOOD = sign(claims(), RSA_KEYS[0])
FORGERIES = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg nOnE with a signature": GOOD.replace(GOOD.split(".")[0], part({"alg": "nOnE", "kid": "k1"})),
    "no alg": unsigned(None),
    "alg is a list": unsigned(["RS256"]),
    "HS256 with the public key": signed_by_hmac_with_the_public_key(),
    "HS256 with a published symmetric key": sign(claims(), b"s" * 32, kid="oct", alg="HS256"),
    "an algorithm that this issuer does not use": sign(claims(), RSA_KEYS[0], alg="RS512"),
    "claims changed": with_claims_changed(),
    "signed by another key": sign(claims(), RSA_KEYS[1]),
    "an EC key under an RSA algorithm's name": sign(claims(), EC_KEY, kid="k1", alg="ES256"),
    "RS256 with the id of an EC key": sign(claims(), RSA_KEYS[0], kid="ec"),
    "a key meant for another algorithm": sign(claims(), RSA_KEYS[0], kid="only-ps256"),
    "a key meant for encryption": sign(claims(), RSA_KEYS[0], kid="for-encryption"),
    "a key that is too short": sign(claims(), WEAK_RSA_KEY, kid="weak"),
    "unknown kid": sign(claims(), RSA_KEYS[0], kid="nobody's"),
    "missing kid": sign(claims(), RSA_KEYS[0], kid=None),
    "empty kid": sign(claims(), RSA_KEYS[0], kid=""),
    "kid is a path": sign(claims(), RSA_KEYS[0], kid="../../../../dev/null"),
    "kid is huge": sign(claims(), RSA_KEYS[0], kid="k" * 5_000),
    "kid is a number": f"{part({'alg': 'RS256', 'kid': 1})}.{part(claims())}.{part(b'x' * 256)}",
    "issuer A's token with a kid of issuer B": sign(claims(), RSA_KEYS[0], kid="kb"),
    "issuer B's token for issuer A's keys": sign(claims(iss="https://b.example"), RSA_KEYS[0]),
    "issuer B's key for issuer A's token": sign(claims(), RSA_KEYS[1]),
    "issuer B's key and kid for issuer A's token": sign(claims(), RSA_KEYS[1], kid="kb"),
    "its own key in the header": sign(claims(), RSA_KEYS[1], jwk=public_jwk(RSA_KEYS[1], "k1")),
    "the address of its own keys in the header": sign(claims(), RSA_KEYS[1], jku="https://evil.example/jwks"),
    "a critical header": sign(claims(), RSA_KEYS[0], crit=["exp"], exp=NOW_S + 5),
    "an empty critical header": sign(claims(), RSA_KEYS[0], crit=[]),
    "an unencoded payload": sign(claims(), RSA_KEYS[0], b64=False),
    "a logout token": sign(claims(), RSA_KEYS[0], typ="logout+jwt"),
    "a DPoP proof": sign(claims(), RSA_KEYS[0], typ="dpop+jwt"),
    "typ is a number": sign(claims(), RSA_KEYS[0], typ=1),
    "bound to a key of its holder": sign(claims(cnf={"jkt": "x"}), RSA_KEYS[0]),
    "expired": sign(claims(exp=NOW_S - 31), RSA_KEYS[0]),
    "no expiry": sign(claims(exp=None), RSA_KEYS[0]),
    "expiry is a string": sign(claims(exp=str(NOW_S + 600)), RSA_KEYS[0]),
    "expiry is true": sign(claims(exp=True), RSA_KEYS[0]),
    "expiry is in milliseconds": sign(claims(exp=(NOW_S + 600) * 1000), RSA_KEYS[0]),
    "expiry is beyond all numbers": sign(claims(exp=10**400), RSA_KEYS[0]),
    "expiry is negative": sign(claims(exp=-1), RSA_KEYS[0]),
    "nbf in the future": sign(claims(nbf=NOW_S + 31), RSA_KEYS[0]),
    "iat in the future": sign(claims(iat=NOW_S + 31), RSA_KEYS[0]),
    "iat is true": sign(claims(iat=True), RSA_KEYS[0]),
    "iat is no date": sign(claims(iat="yesterday"), RSA_KEYS[0]),
    "wrong audience": sign(claims(aud="another"), RSA_KEYS[0]),
    "wrong audiences": sign(claims(aud=["another", "third"]), RSA_KEYS[0]),
    "audience in another case": sign(claims(aud="Triskel"), RSA_KEYS[0]),
    "no audience": sign(claims(aud=None), RSA_KEYS[0]),
    "audience is an object": sign(claims(aud={"triskel": 1}), RSA_KEYS[0]),
    "audience is a list of lists": sign(claims(aud=[["triskel"]]), RSA_KEYS[0]),
    "wrong issuer": sign(claims(iss="https://c.example"), RSA_KEYS[0]),
    "issuer with a slash more": sign(claims(iss="https://a.example/"), RSA_KEYS[0]),
    "issuer is a list": sign(claims(iss=["https://a.example"]), RSA_KEYS[0]),
    "no issuer": sign(claims(iss=None), RSA_KEYS[0]),
    "no subject": sign(claims(sub=None), RSA_KEYS[0]),
    "empty subject": sign(claims(sub=""), RSA_KEYS[0]),
    "subject is a number": sign(claims(sub=7), RSA_KEYS[0]),
    "subject with a line break": sign(claims(sub="alice\nroot"), RSA_KEYS[0]),
    "huge subject": sign(claims(sub="a" * 257), RSA_KEYS[0]),
    "truncated signature": GOOD[:-10],
    "truncated to two parts": GOOD.rsplit(".", 1)[0],
    "no signature": GOOD.rsplit(".", 1)[0] + ".",
    "four parts": GOOD + ".x",
    "five parts, encrypted": "a.b.c.d.e",
    "padding": GOOD + "==",
    "a space in it": GOOD.replace(".", " .", 1),
    "a line break behind it": GOOD + "\n",
    "unicode": GOOD[:-1] + "é",
    "a lone surrogate": GOOD[:-1] + "\ud800",
    "huge": GOOD + "A" * MAX_TOKEN,
    "empty": "",
    "dots": "..",
    "base64 of an impossible length": f"a.{part(claims())}.{part(b'x')}",
    "header is no JSON": f"{part(b'{')}.{part(claims())}.{part(b'x')}",
    "header is a list": f"{part([])}.{part(claims())}.{part(b'x')}",
    "claims are no JSON": f"{part({'alg': 'RS256', 'kid': 'k1'})}.{part(b'{')}.{part(b'x')}",
    "claims are nested without end": f"{part({'alg': 'RS256', 'kid': 'k1'})}.{part(b'[' * 9_000)}.{part(b'x')}",
    "claims are not UTF-8": f"{part({'alg': 'RS256', 'kid': 'k1'})}.{part(bytes([0xFF, 0xFE]))}.{part(b'x')}",
    "a claim is not a number": f"{part({'alg': 'RS256', 'kid': 'k1'})}.{part({'exp': float('nan')})}.{part(b'x')}",
}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_token_that_proves_nothing_is_refused(tokens, token):
    assert await refused(tokens, token)
    assert not tokens._verified, "and not remembered"


async def test_no_address_in_a_token_is_ever_visited(tokens, web):
    for name in ("its own key in the header", "the address of its own keys in the header", "wrong issuer"):
        await refused(tokens, FORGERIES[name])
    assert set(web.requests) == {A.jwks_url}


async def test_an_algorithm_that_is_not_allowed_does_not_even_make_a_fetch(tokens, web):
    for name in ("alg none", "HS256 with the public key", "HS256 with a published symmetric key", "no alg"):
        await refused(tokens, FORGERIES[name])
    assert web.requests == []


async def test_the_same_kid_at_two_issuers_stays_apart(tokens):
    """Both issuers publish a key `k1`; each verifies only its own tokens, in whatever order they come."""
    of_a, of_b = sign(claims(), RSA_KEYS[0]), sign(claims(iss="https://b.example"), RSA_KEYS[1])
    crossed = sign(claims(iss="https://b.example"), RSA_KEYS[0]), sign(claims(), RSA_KEYS[1])
    assert (await tokens.authenticate(of_a)).tenant_id == "acme"
    for token in crossed:
        await refused(tokens, token)
    assert (await tokens.authenticate(of_b)).tenant_id == "globex"
    for token in crossed:
        await refused(tokens, token)


@pytest.mark.parametrize(
    "changed", [{"exp": NOW_S - 29}, {"nbf": NOW_S + 29}, {"iat": NOW_S + 29}, {"nbf": None, "iat": None}, {"exp": NOW_S + 0.5}]
)
async def test_clocks_may_be_apart_by_the_leeway(tokens, changed):
    assert await tokens.authenticate(sign(claims(**changed), RSA_KEYS[0]))


async def test_one_of_several_audiences_is_enough(tokens):
    assert await tokens.authenticate(sign(claims(aud=["other", "triskel"]), RSA_KEYS[0]))


async def test_a_remembered_token_ends_when_it_expires(tokens, clock):
    token = sign(claims(exp=NOW_S + 60), RSA_KEYS[0])
    await tokens.authenticate(token)
    clock.pass_ms(89_999)
    assert await tokens.authenticate(token)
    clock.pass_ms(1)
    assert await refused(tokens, token)
    assert not tokens._verified


async def test_a_remembered_token_does_not_outlive_a_withdrawn_key_for_long(web, clock):
    tokens = BearerTokens([A], web, clock, cache_ttl_ms=300_000)
    token = sign(claims(exp=NOW_S + 36_000), RSA_KEYS[0])
    await tokens.authenticate(token)
    web.serve(A.jwks_url, {"keys": []})
    clock.pass_ms(600_000)
    assert await refused(tokens, token)


async def test_a_remembered_token_is_found_by_the_whole_of_it(tokens):
    """A token that differs only at its end, or only in its middle, is another token."""
    token = sign(claims(), RSA_KEYS[0])
    await tokens.authenticate(token)
    head, body, signature = token.split(".")
    for other in (token[:-3] + "AAA", f"{head}.{body}.{'A' * len(signature)}", f"{head}.{part(claims(sub='bob'))}.{signature}"):
        assert await refused(tokens, other)


async def test_the_memory_of_tokens_is_bounded_and_keeps_those_in_use(web, clock):
    tokens = BearerTokens([A], web, clock, max_entries=5)
    used = sign(claims(), ED_KEY, kid="ed", alg="EdDSA")
    await tokens.authenticate(used)
    for number in range(30):
        await tokens.authenticate(sign(claims(jti=str(number)), ED_KEY, kid="ed", alg="EdDSA"))
        assert hashlib.sha256(used.encode()).digest() in tokens._verified
        await tokens.authenticate(used)
    assert len(tokens._verified) == 5


async def test_a_flood_of_huge_tokens_costs_little(tokens):
    huge = "x." * 5_000_000
    started = time.perf_counter()
    for _ in range(200):
        await refused(tokens, huge)
    assert time.perf_counter() - started < 1.0


def test_two_issuers_of_one_name_are_refused(web, clock):
    with pytest.raises(ConfigurationInvalid):
        BearerTokens([A, A], web, clock)

"""Who is not let in, and that nobody sees what is not theirs."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from tests.clients import raw_http
from tests.clients.conftest import Start, make_key
from tests.clients.issuers import KID, Issuers
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Reply, Triskel

from triskel.http.application import PREFIXES, ROUTES

OPEN_TO_ALL = {"/health", "/ready", "/metrics"}


def part(value: Any) -> str:
    """One part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def refused(reply: Reply, presented: str = "") -> None:
    """401 invalid_api_key, with the scheme that is wanted and without what was presented."""
    assert (reply.status, reply.code) == (401, "invalid_api_key"), reply.body
    assert reply.headers["www-authenticate"] == "Bearer"
    if len(presented) > 8:
        assert presented not in reply.body.decode()


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path, methods in {**ROUTES, **PREFIXES}.items() for method in methods],
)
def test_every_route_wants_a_credential(gateway: Triskel, clouds: Clouds, path: str, method: str) -> None:
    """Without a credential every route answers 401, but for the three that probes and scrapers need."""
    path = path + "small" if path in PREFIXES else path
    body = {"model": "small", "input": "hi", "messages": [{"role": "user", "content": "hi"}]} if method == "POST" else None
    reply = gateway.ask(method, path, body, key="")
    if path in OPEN_TO_ALL:
        assert reply.status == 200
    else:
        refused(reply)
    assert sum(clouds.seen().values()) == 0


def test_the_credential_is_checked_before_the_body(gateway: Triskel) -> None:
    """Who is not let in learns nothing about bodies, models or parameters, however wrong they are."""
    refused(gateway.ask("POST", "/v1/chat/completions", b"{", key="tk_x"))
    refused(gateway.ask("GET", "/v1/models/nobody", key="tk_x"))
    refused(gateway.ask("GET", "/v1/audit?nonsense=1", key="tk_x"))


@pytest.mark.parametrize(
    "key",
    [
        "tk_",
        "tk_wrong",
        "sk-something-of-another-house",
        "' OR '1'='1",
        "tk_00000000000000000000000000_" + "' OR 1=1 --".ljust(43, "x"),
        "tk_' UNION SELECT * FROM api_keys_________________________________________",
        "tk_%_" + "x" * 43,
        "tk_" + "0" * 26 + "_" + "A" * 43,
        "tk_" + "_" * 70,
        "tk_" + "x" * 100_000,
        "null",
        "undefined",
        "Bearer",
        "..",
        "a.b.c",
    ],
)
def test_a_key_that_is_none(gateway: Triskel, key: str) -> None:
    """Malformed, unknown and hostile keys are all 401, in both headers, and reach no statement of SQL."""
    if len(key) < 60_000:
        refused(gateway.ask("GET", "/v1/models", key=key), key)
        refused(gateway.ask("GET", "/v1/models", key="", headers={"x-api-key": key}), key)
    else:
        assert gateway.ask("GET", "/v1/models", key=key).status in (400, 401, 431)
    assert gateway.chat("hi").status == 200


def test_a_key_that_is_nearly_right(gateway: Triskel) -> None:
    """One character off, in the id or in the secret, another case, blanks around, something behind: all are 401."""
    key = gateway.key
    for at in (2, 5, 28, 29, 30, 50, len(key) - 1):
        other = "A" if key[at] != "A" else "B"
        refused(gateway.ask("GET", "/v1/models", key=key[:at] + other + key[at + 1 :]))
    for wrong in (
        key[:-1],
        key + "A",
        key + "=",
        key[:3] + key[3:29].lower() + key[29:],
        key.replace("tk_", "TK_"),
        f"{key} {key}",
    ):
        refused(gateway.ask("GET", "/v1/models", key=wrong))


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic {key}", "{key}", "Token {key}", "Bearer{key}", "Bearer  {key}"]
)
def test_an_authorization_header_that_is_malformed(gateway: Triskel, value: str) -> None:
    """Only `Bearer`, one blank and the key is a bearer token."""
    refused(gateway.ask("GET", "/v1/models", key="", headers={"authorization": value.format(key=gateway.key)}))


def test_a_scheme_in_any_case_is_the_same(gateway: Triskel) -> None:
    """Schemes are compared without regard to case (RFC 9110, section 11.1)."""
    assert gateway.ask("GET", "/v1/models", key="", headers={"authorization": f"bearer {gateway.key}"}).status == 200


def test_a_header_that_is_no_text(gateway: Triskel) -> None:
    """Bytes that are no ASCII in a credential are a wrong credential, not an error of ours."""
    head = b"authorization: Bearer \xff\xfe\x80\r\n"
    request = raw_http.request("GET", "/v1/models").replace(b"connection: close", head + b"connection: close")
    assert raw_http.reply(raw_http.exchange(gateway.port, request)).status in (400, 401)


def test_two_credentials(gateway: Triskel) -> None:
    """Of two authorization headers none adds to the other: a wrong first one is not mended by a right second one."""
    wrong_first = f"authorization: Bearer tk_wrong\r\nauthorization: Bearer {gateway.key}\r\n"
    refused(raw_http.reply(raw_http.exchange(gateway.port, raw_http.request("GET", "/v1/models", headers=wrong_first))))


def test_a_token_of_an_issuer_lets_in(gateway: Triskel, issuers: Issuers) -> None:
    """A good token of each issuer is its tenant's, and its keys are fetched once, not for each call."""
    fetched = len(issuers.fetched)
    for issuer in ("a", "b"):
        for number in range(3):
            assert gateway.chat("hi", key=issuers.token(issuer, jti=str(number))).status == 200
    assert len(issuers.fetched) - fetched <= 2
    record = gateway.audit(key=issuers.token("b"), limit=1)["data"][0]
    assert record["principal"]["id"] == "ana"
    assert record["principal"]["credential"] == f"jwt:{issuers.name('b')}"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3_600},
        {"iat": int(time.time()) + 3_600},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": {"triskel": True}},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\r\nb"},
        {"iss": None},
        {"iss": "https://nobody.example"},
        {"iss": ["x"]},
        {"cnf": {"jkt": "x"}},
    ],
    ids=json.dumps,
)
def test_a_token_with_wrong_claims(gateway: Triskel, issuers: Issuers, claims: Any) -> None:
    """Expired, not yet valid, for another audience, for nobody, of an unknown issuer, bound to a key: all are 401."""
    if not isinstance(claims.get("iss", ""), str) and claims["iss"] is not None:
        token = f"{part({'alg': 'RS256', 'kid': KID})}.{part({'iss': ['x'], 'aud': 'triskel', 'exp': 2**40})}.{part(b'x')}"
    else:
        token = issuers.token("a", **claims)
    refused(gateway.ask("GET", "/v1/models", key=token), token)


def test_a_token_without_a_signature(gateway: Triskel, issuers: Issuers) -> None:
    """`alg: none` in every spelling, an empty signature, a cut one, and none at all are 401."""
    good = issuers.token("a")
    _, claims, signature = good.split(".")
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        header = part({"alg": algorithm, "kid": KID, "typ": "JWT"})
        for tail in ("", part(b"x"), signature):
            refused(gateway.ask("GET", "/v1/models", key=f"{header}.{claims}.{tail}"))
    head = good.rsplit(".", 1)[0]
    for wrong in (
        head,
        head + ".",
        f"{head}.{signature[:-8]}",
        f"{head}.{part(bytes(256))}",
        good + ".x",
        f"{head}.{signature}AAAA",
    ):
        refused(gateway.ask("GET", "/v1/models", key=wrong))


def test_a_token_signed_with_a_public_key(gateway: Triskel, issuers: Issuers) -> None:
    """The published key is no HMAC secret: a token that says HS256 is refused by its algorithm."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = issuers.keys["a"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _, claims, _ = issuers.token("a").split(".")
    head = f"{part({'alg': 'HS256', 'kid': KID, 'typ': 'JWT'})}.{claims}"
    refused(gateway.ask("GET", "/v1/models", key=f"{head}.{part(hmac.digest(public, head.encode(), hashlib.sha256))}"))


def test_a_token_of_one_issuer_is_not_anothers(gateway: Triskel, issuers: Issuers) -> None:
    """Keys of the same id stay apart: what `a` signed in the name of `b` is refused, also when both sets are cached."""
    assert gateway.ask("GET", "/v1/models", key=issuers.token("a")).status == 200
    assert gateway.ask("GET", "/v1/models", key=issuers.token("b")).status == 200
    refused(gateway.ask("GET", "/v1/models", key=issuers.token("b", signed_by="a")))
    refused(gateway.ask("GET", "/v1/models", key=issuers.token("a", signed_by="b")))


def test_a_token_that_brings_its_own_key(gateway: Triskel, issuers: Issuers) -> None:
    """`jwk`, `jku`, `x5u` and unknown critical headers change nothing: the key is the issuer's, or none."""
    own: dict[str, Any]
    for own in ({"jwk": {"kty": "RSA"}}, {"jku": issuers.name("b") + "/keys"}, {"x5u": issuers.name("b") + "/keys"}):
        refused(gateway.ask("GET", "/v1/models", key=issuers.token("a", signed_by="b", headers=own)))
    for own in ({"crit": ["exp"]}, {"kid": "unknown"}, {"kid": "../b/keys"}, {"typ": "logout+jwt"}):
        refused(gateway.ask("GET", "/v1/models", key=issuers.token("a", headers=own)))


def test_an_issuer_that_is_away(start: Start, issuers: Issuers) -> None:
    """Where an issuer's keys cannot be had, its tokens are 503 with Retry-After, not 401, and API keys go on."""
    identity = issuers.configuration(a="acme")
    identity["issuers"][0]["jwks_url"] = "http://127.0.0.1:9/keys"
    served = start(identity=identity)
    reply = served.chat("hi", key=issuers.token("a"))
    assert (reply.status, reply.code) == (503, "unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert served.chat("hi").status == 200


def test_nobody_reads_another_tenants_audit(gateway: Triskel, issuers: Issuers) -> None:
    """A key of another tenant sees its own records alone, whatever it asks for by id, decision, call or principal."""
    other = make_key(gateway.directory, "other")
    mine = gateway.chat("hi")
    audit_id, decision_id = mine.headers["x-triskel-audit"], mine.headers["x-triskel-decision"]
    assert gateway.audit(id=audit_id)["data"][0]["id"] == audit_id
    for query in ({"id": audit_id}, {"decision_id": decision_id}, {"call": mine.headers["x-request-id"]}, {}):
        assert gateway.audit(key=other, **query)["data"] == []
    assert gateway.verify(key=other)["entries"] == 0
    theirs = gateway.chat("hi", key=other).headers["x-triskel-audit"]
    assert [record["id"] for record in gateway.audit(key=other)["data"]] == [theirs]
    assert gateway.audit(id=theirs)["data"] == []
    assert gateway.verify(key=other)["entries"] == 1
    # One tenant, two ways to prove it.
    assert gateway.audit(key=issuers.token("a"), id=audit_id)["data"][0]["id"] == audit_id
    assert gateway.audit(key=issuers.token("b"), id=audit_id)["data"] == []
    for path in ("/v1/audit?tenant=acme", "/v1/audit/verify?tenant=acme", "/v1/audit/verify?tenant_id=acme"):
        assert gateway.ask("GET", path, key=other).status == 400


def test_a_cursor_of_another_tenant_opens_nothing(gateway: Triskel) -> None:
    """A cursor is a place, not a permission."""
    for _ in range(2):
        gateway.chat("hi")
    cursor = gateway.audit(limit=1)["next_cursor"]
    assert cursor
    other = make_key(gateway.directory, "cursor-thief")
    assert gateway.audit(key=other, cursor=cursor) == {"object": "list", "data": [], "next_cursor": None}


def test_credentials_are_nowhere_to_be_read(gateway: Triskel, issuers: Issuers) -> None:
    """Neither log nor audit nor metrics hold an API key's secret, a token, or a provider's key."""
    token = issuers.token("a")
    gateway.chat("hi", key=token)
    secret = gateway.key[30:]
    held = [gateway.log, json.dumps(gateway.audit(limit=1000)), gateway.ask("GET", "/metrics").body.decode()]
    stored = b"".join(path.read_bytes() for path in gateway.directory.glob("triskel.db*")).decode("latin-1")
    journal = b"".join(path.read_bytes() for path in (gateway.directory / "journal").iterdir()).decode("latin-1")
    for place in (*held, stored, journal):
        assert secret not in place
        assert token not in place
        assert token.rpartition(".")[2] not in place

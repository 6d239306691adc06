"""Requests that no good client sends: wrong paths, methods and hosts, and bytes that are hardly HTTP."""

import json

import pytest
from tests.clients import raw_http
from tests.clients.conftest import Start
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Reply, Triskel

from triskel.http.application import ROUTES

CHAT = "/v1/chat/completions"
BODY = b'{"model": "small", "messages": [{"role": "user", "content": "repeat after me: fine"}]}'


def sent(gateway: Triskel, data: bytes) -> Reply:
    return raw_http.reply(raw_http.exchange(gateway.port, data))


def keyed(gateway: Triskel, more: str = "") -> str:
    return f"authorization: Bearer {gateway.key}\r\n{more}"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/chat",
        "/v1/chat/completions/",
        "/v1/models/",
        "/V1/models",
        "//v1/models",
        "/v1//models",
        "/v1/models/../audit",
        "/v1/chat/completions%2f",
        "/v1/audit/verify/x",
        "/healthz",
        "/docs",
        "/openapi.json",
        "/" + "x" * 4000,
    ],
)
def test_an_unknown_path_is_a_404(gateway: Triskel, path: str) -> None:
    """404 not_found as an error object, with or without a key; long names are cut."""
    for key in (gateway.key, ""):
        reply = gateway.ask("GET", path, key=key)
        assert reply.status == 404 or (reply.status == 401 and not key)
        assert reply.code in ("not_found", "model_not_found", "invalid_api_key")
        assert len(reply.body) < 1_000


def test_a_wrong_method_is_a_405(gateway: Triskel) -> None:
    """Every known path says which method it answers, as an error object."""
    for path, methods in ROUTES.items():
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            if method not in methods:
                reply = gateway.ask(method, path)
                assert (reply.status, reply.code) == (405, "method_not_allowed"), (method, path)


def test_every_answer_has_a_request_id(gateway: Triskel) -> None:
    """Whatever happens, the answer names the request, each its own, and so does the log of a call."""
    ids = [
        gateway.ask(method, path, body, key=key).headers["x-request-id"]
        for method, path, body, key in (
            ("GET", "/health", None, ""),
            ("GET", "/nothing", None, ""),
            ("POST", CHAT, b"{", None),
            ("POST", CHAT, BODY, None),
            ("POST", CHAT, BODY, "tk_wrong"),
        )
    ]
    assert len(set(ids)) == 5
    lines = [json.loads(line) for line in gateway.log.splitlines()]
    (logged,) = [line for line in lines if line.get("request_id") == ids[3]]
    assert (logged["outcome"], logged["tenant"], logged["level"]) == ("ok", "acme", "info")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "169.254.169.254",
        "[::ffff:1.2.3.4]",
        "0.0.0.0",
        "",
    ],
)
def test_a_host_that_is_not_ours_is_refused_on_loopback(gateway: Triskel, clouds: Clouds, host: str) -> None:
    """A page in a browser that has its name point here (DNS rebinding) gets nothing, not even readiness."""
    for target in ("/health", "/v1/models"):
        reply = sent(gateway, raw_http.request("GET", target, headers=keyed(gateway), host=host))
        assert (reply.status, reply.code) == (400, "invalid_request")
        assert reply.json["error"]["param"] == "Host"
    reply = sent(gateway, raw_http.request("POST", CHAT, BODY, headers=keyed(gateway), host=host))
    assert reply.status == 400
    assert sum(clouds.seen().values()) == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "localhost:8080", "[::1]", "[::1]:8080"])
def test_a_host_that_is_ours_is_answered(gateway: Triskel, host: str) -> None:
    """The names of this machine, in any case and with any port."""
    assert sent(gateway, raw_http.request("GET", "/health", host=host)).status == 200


def test_forwarded_headers_change_nothing(gateway: Triskel) -> None:
    """X-Forwarded-Host and its kin are nobody's proof of anything."""
    more = "x-forwarded-host: localhost\r\nx-forwarded-for: 127.0.0.1\r\nforwarded: host=localhost\r\nx-original-url: /health\r\n"
    assert sent(gateway, raw_http.request("GET", "/v1/models", headers=more, host="evil.example")).status == 400
    assert sent(gateway, raw_http.request("GET", "/v1/models", headers=more)).status == 401


def test_two_hosts(gateway: Triskel) -> None:
    """A second Host does not make up for the first."""
    data = raw_http.request("GET", "/health", headers="host: localhost\r\n", host="evil.example")
    assert sent(gateway, data).status == 400


def test_a_host_in_the_target(gateway: Triskel) -> None:
    """A target in absolute form is not a way around: its path counts, and the Host header is still looked at."""
    assert sent(gateway, raw_http.request("GET", "http://localhost/v1/models", host="evil.example")).status == 400
    assert sent(gateway, raw_http.request("GET", "http://localhost/v1/models")).status in (400, 401, 404)


def test_hosts_may_be_configured(start: Start) -> None:
    """`http.allowed_hosts` names those that are answered, and no others are."""
    served = start(http={"allowed_hosts": ["ai.example", "localhost", "127.0.0.1"]})
    assert sent(served, raw_http.request("GET", "/health", host="AI.example:443")).status == 200
    assert sent(served, raw_http.request("GET", "/health", host="evil.example")).status == 400


def test_the_type_of_the_content_does_not_matter(gateway: Triskel) -> None:
    """A body is JSON or it is not: what the header calls it changes nothing, as with OpenAI's own clients and curl."""
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        headers = keyed(gateway, f"content-type: {kind}\r\n")
        assert sent(gateway, raw_http.request("POST", CHAT, BODY, headers=headers)).status == 200


def test_no_page_of_another_origin_is_let_in(gateway: Triskel) -> None:
    """No CORS header is ever sent: browsers keep other origins from reading answers."""
    for method in ("GET", "OPTIONS"):
        reply = gateway.ask(
            method, "/v1/models", headers={"origin": "https://evil.example", "access-control-request-method": "GET"}
        )
        assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -1\r\n",
        "content-length: +5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
    ],
)
def test_a_body_with_two_ends_is_refused(gateway: Triskel, clouds: Clouds, framing: str) -> None:
    """Where the end of a body can be read in two ways, no second request is smuggled in behind the first."""
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{keyed(gateway)}{framing}\r\n"
    smuggled = raw_http.request("GET", "/v1/models", headers=keyed(gateway))
    said = raw_http.exchange(gateway.port, head.encode() + b"0\r\n\r\n" + smuggled, half_close=True)
    assert b'"object":"list"' not in said
    assert b"200 OK" not in said
    assert sum(clouds.seen().values()) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / SMTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nna me: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: local\x00host\r\n\r\n",
        b"GET /he alth HTTP/1.1\r\nhost: localhost\r\n\r\n",
        bytes(1_000),
        b"\xff" * 1_000,
    ],
)
def test_what_is_not_http(gateway: Triskel, data: bytes) -> None:
    """Bytes that are no request are refused or dropped, and the next client is served; nothing unexpected is logged."""
    said = raw_http.exchange(gateway.port, data, half_close=True, timeout_s=10)
    assert b"200 OK" not in said
    assert gateway.ask("GET", "/health").status == 200
    assert "Traceback" not in gateway.log


def test_very_many_and_very_long_headers(gateway: Triskel) -> None:
    """Megabytes of headers, of one header, of a path, of chunk lines or of trailers are refused, not kept."""
    chat = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{keyed(gateway)}transfer-encoding: chunked\r\n\r\n".encode()
    body = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    for data in (
        raw_http.request("GET", "/health", headers="x-a: b\r\n" * 100_000),
        raw_http.request("GET", "/health", headers=f"x-a: {'b' * 2_000_000}\r\n"),
        raw_http.request("GET", "/health?" + "b" * 2_000_000),
        chat + b"1;" + b"x" * 2_000_000 + b"\r\n",
        chat + body + b"0\r\n" + b"x-a: b\r\n" * 250_000 + b"\r\n",
    ):
        assert b"200 OK" not in raw_http.exchange(gateway.port, data, half_close=True)
    assert gateway.ask("GET", "/health").status == 200


def test_requests_one_behind_the_other(gateway: Triskel) -> None:
    """Pipelined requests on one connection are answered in order, each for itself."""

    def chat(text: str, tail: str = "") -> bytes:
        body = json.dumps({"model": "small", "messages": [{"role": "user", "content": f"repeat after me: {text}"}]}).encode()
        return (
            f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{keyed(gateway, tail)}content-length: {len(body)}\r\n\r\n".encode()
            + body
        )

    wrong = (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer tk_x\r\ncontent-length: {len(BODY)}\r\n\r\n".encode()
        + BODY
    )
    said = raw_http.exchange(gateway.port, chat("one") + wrong + chat("two") + chat("three", raw_http.CLOSE))
    places = [said.index(wanted) for wanted in (b'"one"', b"401 Unauthorized", b'"two"', b'"three"')]
    assert places == sorted(places)
    assert said.count(b"HTTP/1.1 ") == 4


def test_an_old_client(gateway: Triskel) -> None:
    """HTTP/1.0 is answered, and the end of the connection is the end of the answer."""
    head = f"POST {CHAT} HTTP/1.0\r\nhost: localhost\r\n{keyed(gateway)}content-length: {len(BODY)}\r\n\r\n".encode()
    said = raw_http.exchange(gateway.port, head + BODY)
    assert b" 200 OK" in said
    assert b"fine" in said
    assert b"transfer-encoding" not in said


def test_a_client_that_asks_to_be_told_to_go_on(gateway: Triskel) -> None:
    """`expect: 100-continue`, as curl sends it with large bodies, gets its interim answer and then the real one."""
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{keyed(gateway)}{raw_http.CLOSE}expect: 100-continue\r\n"
    said = raw_http.exchange(gateway.port, f"{head}content-length: {len(BODY)}\r\n\r\n".encode(), BODY)
    assert b"200 OK" in said


def test_an_upgrade_is_not_taken(gateway: Triskel) -> None:
    """There are no WebSockets: the request is answered as if it had not asked, or refused."""
    upgrade = "upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    data = f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\n{upgrade}\r\n".encode()
    said = raw_http.exchange(gateway.port, data, half_close=True)
    assert b"101 Switching" not in said
    assert b'"object":"list"' not in said


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e3", "limit"),
        ("limit=%31%30%30%30%30%30%30%30", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("from=yesterday", "from"),
        ("from=2026-01-01", "from"),
        ("from=2026-01-01T00:00:00", "from"),
        ("to=99999999999999999999999", "to"),
        ("decision=maybe", "decision"),
        ("cursor=x", "cursor"),
        ("cursor=1.2.3", "cursor"),
        ("cursor=99999999999999999999999999.1", None),
        ("tenant=other", "tenant"),
        ("id=1&unknown=2", "unknown"),
        ("&".join(f"a{number}=1" for number in range(60)), None),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(gateway: Triskel, query: str, field: str | None) -> None:
    """Parameters of the audit are checked one by one; none is passed over in silence."""
    reply = gateway.ask("GET", f"/v1/audit?{query}")
    assert (reply.status, reply.code) == (400, "invalid_request")
    if field is not None:
        assert reply.json["error"]["param"] == field


@pytest.mark.parametrize("value", ["' OR 1=1 --", "%", "_", "x'; DROP TABLE audit_entries; --", "\0", "é", "💥", "a" * 5_000])
def test_values_are_data_to_the_store(gateway: Triskel, value: str) -> None:
    """Whatever is searched for is compared and never executed, and what is not there is an empty page."""
    from urllib.parse import urlencode

    gateway.chat("hi")
    for name in ("id", "call", "decision_id", "principal", "route"):
        reply = gateway.ask("GET", f"/v1/audit?{urlencode({name: value})}")
        assert (reply.status, reply.json["data"]) == (200, [])
    assert gateway.verify()["valid"] is True


@pytest.mark.parametrize("query", ["id=%ff", "id=%ed%a0%80", "id=%00", "principal=%c0%ae"])
def test_values_that_are_no_text(gateway: Triskel, query: str) -> None:
    """Bytes that are no Unicode in a query are a wrong parameter or find nothing; they are no error of ours."""
    assert gateway.ask("GET", f"/v1/audit?{query}").status in (200, 400)

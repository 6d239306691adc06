"""A local issuer of tokens with real keys, and the doubles that identity is tested with."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from triskel.errors import Unavailable, UpstreamFault
from triskel.model.principal import ApiKey, Principal, PrincipalKind
from triskel.model.units import EpochMs
from triskel.ports.transport import UpstreamRequest

NOW_S = 1_800_000_000
RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
WEAK_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
P384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()

ALICE = Principal(
    tenant_id="acme", principal_id="alice", kind=PrincipalKind.AGENT, tier="pilot", credential="", teams=("search",)
)


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self, now_s: float = NOW_S) -> None:
        self.ms = int(now_s * 1000)

    def now_ms(self) -> EpochMs:
        return EpochMs(self.ms)

    def monotonic_ns(self) -> int:
        return self.ms * 1_000_000

    def pass_ms(self, ms: int) -> None:
        self.ms += ms


class CountedIds:
    """Ids and secrets that are well formed and follow one another."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{next(self._next):026d}"

    def secret(self) -> str:
        return f"s{next(self._next):042d}"

    def fraction(self) -> float:
        return 0.5


class CountingKeyStore:
    """API keys in a dict. Counts look-ups; waits for `gate` when there is one; is away while `down`."""

    def __init__(self) -> None:
        self.rows: dict[str, ApiKey] = {}
        self.lookups = 0
        self.gate: asyncio.Event | None = None
        self.down = False

    async def put_key(self, key: ApiKey) -> None:
        self.rows[key.key_id] = key

    async def key(self, key_id: str) -> ApiKey | None:
        self.lookups += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise Unavailable("the store is away")
        return self.rows.get(key_id)

    async def keys(self, tenant_id: str) -> Sequence[ApiKey]:
        return [row for row in self.rows.values() if row.principal.tenant_id == tenant_id]


class Answer:
    """A response of the fake web."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self._body = body
        self.status = status
        self.closed = False

    def header(self, name: str) -> str | None:
        return None

    async def read(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise UpstreamFault(f"the answer is longer than {limit} bytes")
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def aclose(self) -> None:
        self.closed = True


class FakeWeb:
    """A Transport that answers from a table of addresses, and counts."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[], Any]] = {}
        self.requests: list[str] = []
        self.answers: list[Answer] = []

    def serve(self, url: str, document: Any, status: int = 200) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.pages[url] = lambda: Answer(body, status)

    async def send(self, request: UpstreamRequest) -> Answer:
        self.requests.append(request.url)
        page = self.pages.get(request.url)
        if page is None:
            raise UpstreamFault("connection refused")
        answer = page()
        if asyncio.iscoroutine(answer):
            answer = await answer
        self.answers.append(answer)
        return answer

    async def aclose(self) -> None:
        pass


def public_jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half of `key` as an issuer publishes it."""
    for algorithm, kind in (("RS256", rsa.RSAPrivateKey), ("ES256", ec.EllipticCurvePrivateKey)):
        if isinstance(key, kind):
            jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
            break
    else:
        jwk = jwt.get_algorithm_by_name("EdDSA").to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, "kid": kid, "use": "sig", **more}


def part(value: Any) -> str:
    """One part of a token: base64url without padding."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: Any, key: Any, *, kid: str | None = "k1", alg: str = "RS256", **header: Any) -> str:
    """A token, however wrong its header may be."""
    head = {"alg": alg, "typ": "JWT", **({} if kid is None else {"kid": kid}), **header}
    signed = f"{part(head)}.{part(claims)}"
    signature = jwt.get_algorithm_by_name(alg).sign(signed.encode(), key)
    return f"{signed}.{part(signature)}"


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token of the first issuer says, with changes; None leaves a claim out."""
    good = {
        "iss": "https://a.example",
        "aud": "triskel",
        "sub": "alice",
        "iat": NOW_S - 10,
        "nbf": NOW_S - 10,
        "exp": NOW_S + 600,
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}

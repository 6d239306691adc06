"""The public keys of one issuer. The one rule: keys never leave the set they were fetched for.

A token names its key by `kid`, which anybody can write. So there is one set for each issuer, looked up by the issuer,
and a key is had only from there, only for the algorithm that it was made for. Formats: RFC 7517 (JWKS), RFC 7518 §6
(keys), OpenID Connect Discovery 1.0 §4.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from triskel.errors import TriskelError, Unavailable
from triskel.identity.oidc import Issuer, is_safe_url
from triskel.model.units import DurationMs
from triskel.ports.clock import Clock
from triskel.ports.transport import Transport, UpstreamRequest

_LOG = logging.getLogger(__name__)

MAX_KEYS = 100
"""Keys in one document. Google and Microsoft publish fewer than 20."""

MAX_RSA_BITS = 8_192
"""Verifying takes longer with every bit; the smallest RSA key allowed has 2048 (RFC 7518 §3.3)."""

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: Mapping[tuple[Any, Any], tuple[str, ...]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What each type of key and curve may sign: RFC 7518 §3.1 and RFC 8037 §3.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """How long and how often. All in milliseconds, but for `max_bytes`.

    Keys are used for `ttl_ms`, then fetched again; when that fails they go on being used up to `max_age_ms` after they
    were fetched, and no longer. A fetch begins at most once in `min_interval_ms`, whatever the reason.
    """

    ttl_ms: DurationMs = DurationMs(600_000)
    max_age_ms: DurationMs = DurationMs(14_400_000)
    min_interval_ms: DurationMs = DurationMs(10_000)
    timeout_ms: DurationMs = DurationMs(3_000)
    max_bytes: int = 262_144


DEFAULT_LIMITS = KeyLimits()


class VerificationKey:
    """One public key, bound to one algorithm."""

    __slots__ = ("_algorithm", "_key")

    def __init__(self, jwk: Mapping[str, Any], algorithm: str) -> None:
        """Raises ValueError where the key is malformed or too weak for `algorithm`."""
        import jwt  # noqa: PLC0415  loads cryptography's bindings: 120 ms that only callers with JWTs should pay

        self._algorithm: Any = jwt.get_algorithm_by_name(algorithm)
        try:
            self._key = self._algorithm.prepare_key(self._algorithm.from_jwk(dict(jwk)))
        except (jwt.PyJWTError, TypeError, KeyError) as error:
            raise ValueError("malformed key") from error
        if self._algorithm.check_key_length(self._key) or getattr(self._key, "key_size", 0) > MAX_RSA_BITS:
            raise ValueError("key of a length that is not allowed")

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `signed`."""
        try:
            return bool(self._algorithm.verify(signed, self._key, signature))
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """What readiness may tell about an issuer's keys. `age_ms` is None before the first fetch, `fault` empty when well."""

    issuer: str
    keys: int
    age_ms: int | None
    fault: str


class KeySet:
    """Fetches and keeps the keys of one issuer. Belongs to one event loop."""

    def __init__(self, issuer: Issuer, transport: Transport, clock: Clock, limits: KeyLimits = DEFAULT_LIMITS) -> None:
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._limits = limits
        self._keys: Mapping[tuple[str, str], VerificationKey] = {}
        self._fetched_at_ms: int | None = None
        self._begun_at_ms: int | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._fault = ""

    async def key(self, kid: str, algorithm: str) -> VerificationKey | None:
        """The issuer's key of this id for this algorithm, or None where it has none.

        An unknown id makes a fetch, if none was made lately. Raises Unavailable where the keys cannot be had.
        """
        found = self._keys.get((kid, algorithm))
        if found is not None and self._younger_than(self._limits.ttl_ms):
            return found
        fetching = self.refresh()
        # While the issuer fails, nobody waits for it who can do with the keys that were good.
        if fetching is not None and not (self._fault and found is not None and self._younger_than(self._limits.max_age_ms)):
            # The fetch belongs to all who wait for it: one of them being cancelled does not end it.
            await asyncio.shield(fetching)
        if not self._younger_than(self._limits.max_age_ms):
            raise Unavailable(
                "the keys of the token's issuer cannot be had at the moment", retry_after_ms=self._limits.min_interval_ms
            )
        return self._keys.get((kid, algorithm))

    def refresh(self) -> "asyncio.Task[None] | None":
        """The fetch under way, or a new one; None where the last one began too short a time ago. It never raises."""
        if self._fetching is not None:
            return self._fetching
        now_ms = self._clock.now_ms()
        if self._begun_at_ms is not None and 0 <= now_ms - self._begun_at_ms < self._limits.min_interval_ms:
            return None
        self._begun_at_ms = now_ms
        self._fetching = asyncio.create_task(self._refresh(now_ms))
        return self._fetching

    def state(self) -> KeyState:
        """How the keys stand now."""
        age_ms = None if self._fetched_at_ms is None else max(0, self._clock.now_ms() - self._fetched_at_ms)
        return KeyState(issuer=self._issuer.issuer, keys=len(self._keys), age_ms=age_ms, fault=self._fault)

    async def aclose(self) -> None:
        """End the fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _younger_than(self, age_ms: int) -> bool:
        fetched_at_ms = self._fetched_at_ms
        return fetched_at_ms is not None and 0 <= self._clock.now_ms() - fetched_at_ms < age_ms

    async def _refresh(self, now_ms: int) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout_ms / 1_000):
                document = await self._document()
            # In a thread, because the first key loads a large library.
            self._keys = await asyncio.to_thread(_keys, document, self._issuer.algorithms)
            self._fetched_at_ms = now_ms
            self._fault = ""
        except TimeoutError:
            self._fail(f"no answer within {self._limits.timeout_ms} ms")
        except (TriskelError, OSError, ValueError) as error:
            self._fail(str(error))
        finally:
            self._fetching = None

    def _fail(self, fault: str) -> None:
        self._fault = fault
        _LOG.warning("the keys of issuer %s cannot be fetched: %s", self._issuer.issuer, fault)

    async def _document(self) -> Mapping[str, Any]:
        url = self._issuer.jwks_url
        if not url:
            discovered = await self._get(self._issuer.issuer.rstrip("/") + "/.well-known/openid-configuration")
            # Discovery 1.0 §4.3: "The issuer value returned MUST be identical to the Issuer URL".
            if discovered.get("issuer") != self._issuer.issuer:
                raise ValueError("the discovery document is of another issuer")
            url = discovered.get("jwks_uri", "")
            if not isinstance(url, str) or not is_safe_url(url):
                raise ValueError("the discovery document has no safe jwks_uri")
        return await self._get(url)

    async def _get(self, url: str) -> Mapping[str, Any]:
        request = UpstreamRequest(method="GET", url=url, headers={"accept": "application/json"})
        response = await self._transport.send(request)
        try:
            if response.status != 200:
                raise ValueError(f"{url} answered with status {response.status}")
            body = await response.read(self._limits.max_bytes)
        finally:
            await response.aclose()
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise ValueError(f"{url} answered with something other than a JSON object")
        return document


def _keys(document: Mapping[str, Any], allowed: frozenset[str]) -> Mapping[tuple[str, str], VerificationKey]:
    """The usable keys of a JWKS by id and algorithm. Of two with the same id and algorithm, the first counts.

    A key that is not understood is left out, as RFC 7517 §5 says; an empty list is the issuer's word that none is good.
    """
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("the answer holds no list of keys, or too many")
    keys: dict[tuple[str, str], VerificationKey] = {}
    for jwk in listed:
        for kid, algorithm in _uses(jwk):
            if algorithm in allowed and (kid, algorithm) not in keys:
                try:
                    keys[kid, algorithm] = VerificationKey(jwk, algorithm)
                except ValueError as error:
                    _LOG.warning("a published key is left out: %s", error)
    return keys


def _uses(jwk: Any) -> list[tuple[str, str]]:
    """(kid, algorithm) for everything that a published key may verify."""
    if not isinstance(jwk, dict) or "d" in jwk:  # a private key that is published is everybody's
        return []
    kid, kty = jwk.get("kid"), jwk.get("kty")
    curve = None if kty == "RSA" else jwk.get("crv")
    if not isinstance(kid, str) or not isinstance(kty, str) or not isinstance(curve, str | None):
        return []
    operations = jwk.get("key_ops")
    if jwk.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return []
    only = jwk.get("alg")
    return [(kid, algorithm) for algorithm in _ALGORITHMS.get((kty, curve), ()) if only in (None, algorithm)]

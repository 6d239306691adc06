"""Bearer tokens: signed JWTs of configured issuers. The one rule: the token chooses nothing.

The issuer comes from configuration, and with it the algorithms, the keys, the audience and what its claims may say.
Headers that bring their own key (`jwk`, `jku`, `x5c`, `x5u`) are never looked at. RFC 7515, RFC 7519, RFC 8725.
"""

import base64
import binascii
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from triskel.errors import ConfigurationInvalid, InvalidCredential
from triskel.identity.jwks import DEFAULT_LIMITS, KeyLimits, KeySet, KeyState
from triskel.identity.oidc import Issuer, TokenRefused
from triskel.model.principal import Principal
from triskel.ports.clock import Clock
from triskel.ports.transport import Transport

_LOG = logging.getLogger(__name__)

MAX_TOKEN = 16_384
"""Characters. Servers commonly allow 8 to 16 KiB for all headers together."""

_parts = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)").fullmatch
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})


class BearerTokens:
    """Verifies tokens and remembers the good ones.

    A verified token is remembered under the whole SHA-256 of itself until it expires, at most for `cache_ttl_ms` and
    among the `max_entries` last used. So a key that its issuer withdraws is refused at most `cache_ttl_ms` after the
    key set has noticed. Refused tokens are not remembered: nobody can fill the cache without a key.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        transport: Transport,
        clock: Clock,
        *,
        limits: KeyLimits = DEFAULT_LIMITS,
        cache_ttl_ms: int = 300_000,
        max_entries: int = 10_000,
    ) -> None:
        """Raises ConfigurationInvalid where two issuers have the same name."""
        self._issuers = {issuer.issuer: (issuer, KeySet(issuer, transport, clock, limits)) for issuer in issuers}
        if len(self._issuers) != len(issuers):
            raise ConfigurationInvalid("two issuers have the same `issuer`")
        self._clock = clock
        self._cache_ttl_ms = cache_ttl_ms
        self._max_entries = max_entries
        self._verified: OrderedDict[bytes, tuple[Principal, int, int]] = OrderedDict()

    async def authenticate(self, token: str) -> Principal:
        """Whom `token` names. Raises InvalidCredential, or Unavailable when its issuer's keys cannot be had."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise InvalidCredential("the bearer token is not valid")
        digest = sha256(token.encode()).digest()
        now_ms = self._clock.now_ms()
        cached = self._verified.get(digest)
        if cached is not None:
            principal, from_ms, until_ms = cached
            if from_ms <= now_ms < until_ms:
                self._verified.move_to_end(digest)
                return principal
            del self._verified[digest]
        try:
            principal, until_s = await self._verify(token)
        except TokenRefused as refused:
            _LOG.debug("a bearer token was refused: %s", refused)
            raise InvalidCredential("the bearer token is not valid") from None
        if len(self._verified) >= self._max_entries:
            self._verified.popitem(last=False)
        self._verified[digest] = (principal, now_ms, min(int(until_s * 1_000), now_ms + self._cache_ttl_ms))
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        """The principal and the second until which the token holds. Raises TokenRefused, Unavailable."""
        parts = _parts(token)
        if parts is None:
            raise TokenRefused("not three parts of base64url")
        header, claims = _json(parts[1]), _json(parts[2])
        name = claims.get("iss")
        issuer, keys = self._issuers.get(name, (None, None)) if isinstance(name, str) else (None, None)
        if issuer is None or keys is None:
            raise TokenRefused("unknown issuer")
        kid, algorithm = _selectors(header, issuer)
        key = await keys.key(kid, algorithm)
        if key is None:
            raise TokenRefused("the issuer has no such key")
        if not key.verifies(token[: parts.end(2)].encode(), _bytes(parts[3])):
            raise TokenRefused("the signature is not the issuer's")
        until_s = issuer.check(claims, self._clock.now_ms())
        return issuer.principal(claims), until_s

    def refresh(self) -> None:
        """Begin to fetch every issuer's keys, so that the first caller need not wait. Needs a running event loop."""
        for _, keys in self._issuers.values():
            keys.refresh()

    def states(self) -> tuple[KeyState, ...]:
        """How each issuer's keys stand, for readiness."""
        return tuple(keys.state() for _, keys in self._issuers.values())

    async def aclose(self) -> None:
        """End what is under way."""
        for _, keys in self._issuers.values():
            await keys.aclose()


def _selectors(header: dict[str, Any], issuer: Issuer) -> tuple[str, str]:
    """The key id and the algorithm of a header that may be trusted to name them. Raises TokenRefused."""
    # RFC 7515 §4.1.11: extensions that are not understood and processed make the token invalid. None is understood.
    if "crit" in header or "b64" in header:
        raise TokenRefused("critical header")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise TokenRefused("algorithm not allowed")
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise TokenRefused("no key id")
    # RFC 8725 §3.11: a logout token, a proof or a security event is signed by the same keys and is no access token.
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenRefused("another type of token")
    return kid, algorithm


def _bytes(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise TokenRefused("not base64url") from None


def _json(part: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(_bytes(part))
    except (msgspec.DecodeError, RecursionError):
        raise TokenRefused("not JSON") from None
    if not isinstance(value, dict):
        raise TokenRefused("not a JSON object")
    return value

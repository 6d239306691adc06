"""Which issuers of bearer tokens are trusted, for what, and how their claims name a principal.

The one rule: an issuer may say only what its configuration lets it say. A tenant, kind or tier that the operator did
not map is refused, so that no issuer can speak for another's tenant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from triskel.errors import ConfigurationInvalid
from triskel.model.principal import Principal, PrincipalKind

ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""The algorithms that may be allowed: RFC 7518 §3.1 without `none` and HMAC, and EdDSA of RFC 8037."""

MAX_TEAMS = 200
"""Teams in one token. Microsoft Entra ID stops listing groups at 200 (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference)."""

MAX_NAME = 256
"""Characters of a principal's id or a team's name."""

MAX_LEEWAY_S = 300

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_Value = TypeVar("_Value", bound=str)


class TokenRefused(Exception):
    """Why a token is refused: for the operator's log, never for the caller. Holds nothing of the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A trusted issuer. Raises ConfigurationInvalid when it is not safe to trust as it stands.

    `issuer` is compared with `iss` letter by letter; a token must be meant for one of `audiences`. `jwks_url` is empty
    for discovery at `issuer`/.well-known/openid-configuration. Plain http is for loopback addresses only.

    The tenant is `tenant_id`, or `tenants` maps values of the claim `tenant_claim` to tenants. The principal's id is
    `principal_prefix` and the claim `principal_claim`: give issuers of one tenant different prefixes, unless the same
    subject is the same principal. `kinds` and `tiers` map values of their claims in the same way; without such a claim
    in the configuration, `kind` and `tier` hold. `teams_claim` names a list of strings or a string of words.

    A claim's name may be a path through objects (`realm_access.roles`); a claim of exactly that name goes first.
    `leeway_s` allows for clocks apart.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256", "ES256"})
    jwks_url: str = ""
    tenant_id: str = ""
    tenant_claim: str = ""
    tenants: Mapping[str, str] = field(default_factory=dict)
    principal_claim: str = "sub"
    principal_prefix: str = ""
    kind: PrincipalKind = PrincipalKind.USER
    kind_claim: str = ""
    kinds: Mapping[str, PrincipalKind] = field(default_factory=dict)
    tier: str = "pilot"
    tier_claim: str = ""
    tiers: Mapping[str, str] = field(default_factory=dict)
    teams_claim: str = ""
    required_claims: frozenset[str] = frozenset()
    leeway_s: int = 30

    def __post_init__(self) -> None:
        faults = [
            fault
            for wrong, fault in (
                (not is_safe_url(self.issuer), "`issuer` must be an https URL"),
                (self.jwks_url and not is_safe_url(self.jwks_url), "`jwks_url` must be an https URL"),
                (not self.audiences or "" in self.audiences, "`audiences` must name at least one audience"),
                (not self.algorithms, "`algorithms` must name at least one algorithm"),
                (not self.algorithms <= ASYMMETRIC, f"`algorithms` may hold only {', '.join(sorted(ASYMMETRIC))}"),
                (bool(self.tenant_id) == bool(self.tenant_claim), "give either `tenant_id` or `tenant_claim`"),
                (self.tenant_claim and not self.tenants, "`tenants` must map the values of `tenant_claim`"),
                (not self.principal_claim, "`principal_claim` must name a claim"),
                (not 0 <= self.leeway_s <= MAX_LEEWAY_S, f"`leeway_s` must be 0 to {MAX_LEEWAY_S}"),
            )
            if wrong
        ]
        if faults:
            lines = tuple(f"issuer `{self.issuer}`: {fault}" for fault in faults)
            raise ConfigurationInvalid("; ".join(lines), faults=lines)

    def check(self, claims: Mapping[str, Any], now_ms: int) -> float:
        """The second of the epoch until which `claims` hold, leeway included. Raises TokenRefused.

        RFC 7519 §4.1 for the claims, RFC 8725 §3.8 and §3.9 for issuer and audience.
        """
        if claims.get("iss") != self.issuer:
            raise TokenRefused("another issuer")
        audience = claims.get("aud")
        meant_for = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(a, str) and a in self.audiences for a in meant_for):
            raise TokenRefused("another audience")
        # A token bound to a key of its holder proves nothing when it is merely carried (RFC 7800).
        if "cnf" in claims:
            raise TokenRefused("a proof of possession is needed")
        for name in self.required_claims:
            if _claim(claims, name) is None:
                raise TokenRefused(f"no claim {name}")
        now_s = now_ms / 1_000
        expiry = _moment(claims, "exp")
        if expiry is None:
            raise TokenRefused("no expiry")
        if expiry + self.leeway_s <= now_s:
            raise TokenRefused("expired")
        for name in ("nbf", "iat"):
            start = _moment(claims, name)
            if start is not None and start - self.leeway_s > now_s:
                raise TokenRefused(f"not yet valid ({name})")
        return expiry + self.leeway_s

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Whom checked claims name. Raises TokenRefused when they name nobody, or one whom this issuer may not name."""
        return Principal(
            tenant_id=_mapped(claims, self.tenant_claim, self.tenants, self.tenant_id),
            principal_id=self.principal_prefix + _name(_claim(claims, self.principal_claim), self.principal_claim),
            kind=_mapped(claims, self.kind_claim, self.kinds, self.kind),
            tier=_mapped(claims, self.tier_claim, self.tiers, self.tier),
            credential=f"jwt:{self.issuer}",
            teams=_teams(claims, self.teams_claim),
        )


def is_safe_url(url: str) -> bool:
    """Whether `url` is absolute and https, or http on a loopback address; without user and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    value = claims.get(name)
    if value is not None:
        return value
    value = claims
    for step in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate: seconds since the epoch, whole or not (RFC 7519 §2)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise TokenRefused(f"{name} is no date")
    return float(value)


def _mapped(claims: Mapping[str, Any], name: str, known: Mapping[str, _Value], otherwise: _Value) -> _Value:
    if not name:
        return otherwise
    value = _claim(claims, name)
    mapped = known.get(value) if isinstance(value, str) else None
    if mapped is None:
        raise TokenRefused(f"the value of {name} is not mapped")
    return mapped


def _name(value: Any, claim: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise TokenRefused(f"{claim} is no name")
    return value


def _teams(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Sorted, without repeats. Too many are refused, not cut: a policy could forbid the one that was cut."""
    value = _claim(claims, name) if name else None
    if value is None:
        return ()
    teams = value.split() if isinstance(value, str) else value
    if not isinstance(teams, list) or len(teams) > MAX_TEAMS:
        raise TokenRefused(f"{name} is no list of teams")
    return tuple(sorted({_name(team, name) for team in teams}))

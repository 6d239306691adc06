"""Who is calling."""

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """Cedar's entity type of a principal."""

    USER = "user"
    AGENT = "agent"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer. `tier` names a row of the tier table; `home_cell` is the cloud and region that keeps its state."""

    tenant_id: str
    name: str
    tier: str = "pilot"
    home_cell: str = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody or something that may call, as its credential proved.

    `credential` says how (`key:<key id>` or `jwt:<issuer>`), never the secret itself.
    """

    tenant_id: str
    principal_id: str
    kind: PrincipalKind
    tier: str
    credential: str
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored API key. Only the SHA-256 of the secret is kept, as 64 hexadecimal digits."""

    key_id: str
    secret_sha256: str
    principal: Principal
    created_at_ms: int
    revoked_at_ms: int | None = None

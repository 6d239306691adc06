"""The one schema of `triskel.yaml`. What it says is checked here; what it means is done in `system`.

Unknown keys are refused, so that a typing error cannot switch a control off in silence.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
SecretRef = Annotated[str, StringConstraints(pattern=r"^secret://[A-Za-z0-9_.-]{1,128}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpConfig(_Section):
    """Where the gateway listens. `allowed_hosts` defaults to this machine's names where `host` is a loopback address."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    allowed_hosts: tuple[str, ...] | None = None
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024)


class PriceConfig(_Section):
    """US dollars for a million tokens, as providers publish them."""

    input: float = Field(ge=0, le=10_000)
    output: float = Field(ge=0, le=10_000)
    cached_input: float | None = Field(default=None, ge=0, le=10_000)


class DeploymentConfig(_Section):
    """One model at one address. `base_url` ends before `/chat/completions`; `model` is what callers may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: Name
    model: Name
    upstream_model: str | None = None
    cloud: Literal["aws", "azure", "gcp", "other"] = "other"
    region: str = "unknown"
    provider: Name
    wire: Literal["openai_chat"] = "openai_chat"
    base_url: HttpUrl
    credential: Name | None = None
    price: PriceConfig
    context_window: int = Field(gt=0)
    max_output: int = Field(gt=0)
    capabilities: frozenset[Literal["chat", "tools", "json", "vision", "embed"]] = frozenset({"chat"})
    first_token_ms: int = Field(default=500, ge=0)


class CredentialConfig(_Section):
    """How to be let in at a provider: a bearer token, or a key in a header of the provider's."""

    kind: Literal["bearer", "header"] = "bearer"
    header: str | None = None
    secret: SecretRef

    @model_validator(mode="after")
    def _header_where_needed(self) -> "CredentialConfig":
        if (self.kind == "header") != (self.header is not None):
            raise ValueError("`header` is to be given exactly where `kind` is `header`")
        return self


class IssuerConfig(_Section):
    """An OIDC issuer whose tokens are let in, for one tenant or for the tenant that a claim names.

    `tenants`, `kinds` and `tiers` map the values of their claims. Without `jwks_url` the issuer's discovery document is
    asked for it.
    """

    issuer: str
    audiences: frozenset[str] = Field(min_length=1)
    algorithms: frozenset[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]] = (
        frozenset({"RS256", "ES256"})
    )
    jwks_url: str = ""
    tenant: str = ""
    tenant_claim: str = ""
    tenants: dict[str, str] = Field(default_factory=dict)
    principal_claim: str = "sub"
    principal_prefix: str = ""
    kind: Literal["user", "agent", "service"] = "user"
    kind_claim: str = ""
    kinds: dict[str, Literal["user", "agent", "service"]] = Field(default_factory=dict)
    tier: str = "pilot"
    tier_claim: str = ""
    tiers: dict[str, str] = Field(default_factory=dict)
    teams_claim: str = ""
    required_claims: frozenset[str] = frozenset()
    leeway_s: int = Field(default=30, ge=0, le=300)


class IdentityConfig(_Section):
    """Who may call, beside the holders of API keys."""

    issuers: tuple[IssuerConfig, ...] = ()


class BudgetConfig(_Section):
    """Money that a tenant, a team or a principal may spend in a window of days."""

    name: Name
    tenant: Name
    team: Name | None = None
    principal: str | None = None
    usd: float = Field(ge=0)
    days: int = Field(default=30, ge=1, le=366)


class TimeoutsConfig(_Section):
    """Milliseconds: for a connection, for a stream's first content, between its frames, one whole try, one whole call."""

    connect_ms: int = Field(default=2_000, ge=1)
    first_frame_ms: int = Field(default=30_000, ge=1)
    stall_ms: int = Field(default=30_000, ge=1)
    whole_ms: int = Field(default=120_000, ge=1)
    call_ms: int = Field(default=600_000, ge=1)


class AuditConfig(_Section):
    """`process`: an intent survives the death of the process. `disk`: it survives a power cut too, at the price of a sync.

    `heads_file` is where signed heads are kept, outside the store; on a disk of its own they prove more.
    """

    durability: Literal["process", "disk"] = "process"
    heads_file: str | None = None


class LogConfig(_Section):
    """Logs are JSON lines on standard error; `calls` writes one for each call."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    calls: bool = True


class TelemetryConfig(_Section):
    """Spans are made only where this is on; the exporter is OpenTelemetry's own business."""

    traces: bool = False


class Config(_Section):
    """The whole document."""

    v: Literal[1] = 1
    http: HttpConfig = HttpConfig()
    identity: IdentityConfig = IdentityConfig()
    deployments: tuple[DeploymentConfig, ...] = ()
    credentials: dict[Name, CredentialConfig] = Field(default_factory=dict)
    budgets: tuple[BudgetConfig, ...] = ()
    timeouts: TimeoutsConfig = TimeoutsConfig()
    audit: AuditConfig = AuditConfig()
    log: LogConfig = LogConfig()
    telemetry: TelemetryConfig = TelemetryConfig()

    @model_validator(mode="after")
    def _references(self) -> "Config":
        names = [deployment.name for deployment in self.deployments]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"deployment `{name}` is given twice")
        for deployment in self.deployments:
            if deployment.credential is not None and deployment.credential not in self.credentials:
                raise ValueError(f"deployment `{deployment.name}` names an unknown credential `{deployment.credential}`")
        return self

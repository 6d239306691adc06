"""Where a call can go and where it went."""

from dataclasses import dataclass
from enum import StrEnum

from triskel.model.units import Tokens
from triskel.model.usage import Price


class Cloud(StrEnum):
    """The three host clouds, and everything else that speaks a known wire schema."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One model at one address: a row of the catalog.

    `schema` names a file of `providers/`; `credential` names a credential of the configuration, or is empty.
    `upstream_model` is what the provider calls it. `capabilities` are of `chat`, `tools`, `json`, `vision`, `embed`.
    `first_token_ms` is the catalog's expectation, used until there are measurements.
    """

    name: str
    model: str
    upstream_model: str
    cloud: Cloud
    region: str
    provider: str
    schema: str
    base_url: str
    price: Price
    context_window: Tokens
    max_output: Tokens
    capabilities: frozenset[str]
    credential: str = ""
    first_token_ms: int = 500

    @property
    def route(self) -> str:
        """How headers and the audit name it: `aws/bedrock/aws-small`."""
        return f"{self.cloud}/{self.provider}/{self.name}"


class AttemptOutcome(StrEnum):
    """How one try at one deployment ended."""

    OK = "ok"
    THROTTLED = "throttled"
    FAULT = "fault"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try. `status` is the upstream's HTTP status, 0 where none came; `latency_ms` is to the first content frame."""

    route: str
    outcome: AttemptOutcome
    status: int
    latency_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSignal:
    """What one attempt taught about a deployment.

    `retry_after_ms` is the provider's own word, 0 where it gave none. `instance` is who learnt it.
    """

    deployment: str
    outcome: AttemptOutcome
    latency_ms: int
    at_ms: int
    retry_after_ms: int = 0
    instance: str = ""

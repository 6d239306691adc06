"""What the surfaces stand on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from triskel.audit.sequencer import Sequencer
from triskel.control.authoring import Authoring
from triskel.control.bundles import BundlesInUse
from triskel.control.publishing import Publisher
from triskel.gateway import Gateway
from triskel.identity.authenticate import Authenticator
from triskel.inference import Inference
from triskel.model.audit import Verification
from triskel.policy.scan import Scanner
from triskel.ports.clock import Clock
from triskel.ports.ids import Ids
from triskel.ports.store import AuditStore
from triskel.ports.telemetry import Meter
from triskel.routing.catalog import Catalog

Check = Callable[[], Awaitable[None]]
"""Returns if a dependency works; raises Unavailable with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Everything that a handler may use. `allowed_hosts` is empty where any Host is answered."""

    gateway: Gateway
    inference: Inference
    authenticator: Authenticator
    catalog: Catalog
    audit_store: AuditStore
    sequencer: Sequencer
    verify_audit: Callable[[str], Awaitable[Verification]]
    authoring: Authoring
    publisher: Publisher
    bundles: BundlesInUse
    scanner: Scanner
    checks: Mapping[str, Check]
    clock: Clock
    ids: Ids
    meter: Meter
    version: str
    max_body_bytes: int
    call_timeout_ms: int
    allowed_hosts: frozenset[str]
    started_at_ms: int

"""Fills the ports for one machine. Its one rule: this is where the environment, the disk and the clock come in."""

import contextlib
import logging
import os
import sys
from pathlib import Path

from triskel.adapters.env_secrets import EnvSecrets
from triskel.adapters.file_heads import FileHeads
from triskel.adapters.file_journal import FileJournal
from triskel.adapters.file_secrets import FileSecrets
from triskel.adapters.http1_transport import Http1Transport
from triskel.adapters.json_logs import JsonCallLog
from triskel.adapters.memory_hot import MemoryHot
from triskel.adapters.otel_tracer import NoTracer, OtelTracer
from triskel.adapters.prometheus_meter import PrometheusMeter
from triskel.adapters.random_ids import RandomIds
from triskel.adapters.sqlite_store import SqliteStore
from triskel.adapters.static_credentials import BearerKey, HeaderKey
from triskel.adapters.system_clock import SystemClock
from triskel.audit.heads import Signer
from triskel.config import Config, CredentialConfig
from triskel.errors import ConfigurationInvalid
from triskel.identity.api_keys import make
from triskel.local.home import Home, write_private
from triskel.model.principal import Principal, PrincipalKind, Tenant
from triskel.policy.bundle import bundle_hash
from triskel.policy.packs import pack_document
from triskel.policy.publishing.owners import PLATFORM, TENANT_DEFAULT
from triskel.policy.scan import Scanner, load_pack
from triskel.ports.clock import Clock
from triskel.ports.credentials import Credential
from triskel.ports.ids import Ids
from triskel.ports.secrets import Secrets
from triskel.ports.store import Store, StoredBundle
from triskel.system import Ports

_log = logging.getLogger("triskel.local")

DEMO = Tenant(tenant_id="demo", name="Demo", tier="enterprise")


def fill_ports(config: Config, home: Home) -> Ports:
    """The ports of this machine. Raises Unavailable where a backend cannot be opened."""
    clock, ids = SystemClock(), RandomIds()
    pack = load_pack()
    if pack.fallback_reason:
        _log.warning("texts are scanned by RE2, which is slower, because %s", pack.fallback_reason)
    heads = Path(config.audit.heads_file) if config.audit.heads_file else home.heads
    return Ports(
        clock=clock,
        ids=ids,
        store=SqliteStore.open(home.database, synchronous="FULL"),
        hot=MemoryHot(clock),
        journal=FileJournal.open(home.journal, durability=config.audit.durability),
        heads=FileHeads(heads),
        transport=Http1Transport(connect_timeout_ms=config.timeouts.connect_ms),
        credentials=_credentials(config, _secrets(home)),
        meter=PrometheusMeter(),
        tracer=OtelTracer() if config.telemetry.traces else NoTracer(),
        call_log=JsonCallLog(sys.stderr.fileno()) if config.log.calls else None,
        signer=Signer.from_secret(home.kept_secret("audit-signing-key")),
        salt=home.kept_secret("audit-salt").encode(),
        epoch=ids.new("epoch"),
        scanner=Scanner(pack),
    )


def _secrets(home: Home) -> Secrets:
    """`TRISKEL_SECRET_<NAME>` of the environment first, then the files of the data directory."""
    return _FirstOf(EnvSecrets(os.environ), FileSecrets(home.secrets))


class _FirstOf:
    """Secrets from the first place that has them. The last place says what is missing."""

    def __init__(self, *places: Secrets) -> None:
        self._places = places

    async def secret(self, name: str) -> str:
        """The value. Raises ConfigurationInvalid where no place has it."""
        for place in self._places[:-1]:
            with contextlib.suppress(ConfigurationInvalid):
                return await place.secret(name)
        return await self._places[-1].secret(name)


def _credentials(config: Config, secrets: Secrets) -> dict[str, Credential]:
    return {name: _credential(row, secrets) for name, row in config.credentials.items()}


def _credential(row: CredentialConfig, secrets: Secrets) -> Credential:
    name = row.secret.removeprefix("secret://")
    return BearerKey(secrets, name) if row.header is None else HeaderKey(secrets, name, header=row.header)


async def publish_defaults(store: Store, clock: Clock) -> None:
    """Put the shipped policies into a store that has none. What somebody published stays."""
    for owner, pack in ((PLATFORM, "platform"), (TENANT_DEFAULT, "default")):
        if await store.active_bundle(owner) is None:
            document, now_ms = pack_document(pack), clock.now_ms()
            name = bundle_hash(document)
            await store.put_bundle(StoredBundle(owner=owner, bundle_hash=name, document=document, published_at_ms=now_ms))
            await store.activate_bundle(owner, name, now_ms, by="triskel", if_active=None)


async def demo_key(home: Home, store: Store, ids: Ids, clock: Clock) -> str:
    """The demo tenant's API key: made on the first start, found again on later ones."""
    with contextlib.suppress(FileNotFoundError):
        known = home.demo_key.read_text().strip()
        if await store.key(known.split("_")[1]) is not None:
            return known
    await store.put_tenant(DEMO)
    principal = Principal(tenant_id=DEMO.tenant_id, principal_id="demo", kind=PrincipalKind.USER, tier=DEMO.tier, credential="")
    plain, record = make(principal, ids, clock)
    await store.put_key(record)
    write_private(home.demo_key, plain)
    return plain

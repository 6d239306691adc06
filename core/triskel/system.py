"""The only place where everything meets: `assemble(config, ports)` makes a System.

Its one rule: it joins, and decides nothing.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from triskel import __version__
from triskel.audit.heads import Signer
from triskel.audit.sequencer import Sequencer
from triskel.audit.verify import verify
from triskel.audit.writer import AuditWriter
from triskel.config import BudgetConfig, Config, DeploymentConfig, IssuerConfig
from triskel.control.authoring import Authoring
from triskel.control.bundles import BundlesInUse, PreparedGateway
from triskel.control.publishing import Publisher
from triskel.errors import Unavailable
from triskel.gateway import Gates
from triskel.http.application import Application
from triskel.http.surfaces import Check, Surfaces
from triskel.identity.api_keys import ApiKeys
from triskel.identity.authenticate import Authenticator
from triskel.identity.jwt import BearerTokens
from triskel.identity.limits import Limits
from triskel.identity.oidc import Issuer
from triskel.inference import Inference, Providers, Timeouts
from triskel.model.admission import Budget
from triskel.model.audit import Verification
from triskel.model.principal import PrincipalKind
from triskel.model.route import Cloud, Deployment
from triskel.model.units import DurationMs, MicroUsd, Tokens
from triskel.model.usage import Price
from triskel.policy.guard import Guard
from triskel.policy.scan import Scanner
from triskel.ports.clock import Clock
from triskel.ports.credentials import Credential
from triskel.ports.heads import HeadLog
from triskel.ports.hot import Hot
from triskel.ports.ids import Ids
from triskel.ports.journal import Journal
from triskel.ports.store import Store
from triskel.ports.telemetry import CallLog, Meter, Tracer
from triskel.ports.transport import Transport
from triskel.providers.openai_chat import OpenAIChat
from triskel.routing.catalog import Catalog
from triskel.routing.health import Health, HealthRules

_log = logging.getLogger("triskel.system")

SIGNAL_EXCHANGE_S = 0.25
"""How often instances tell each other about deployments."""

LAG_LIMIT_MS = 60_000
"""Readiness ends when the chains are further behind than this."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a bootstrap fills in. `credentials` are by name; `salt` keys the hashes of the audit; `epoch` names this life.

    `scanner` is no port but a detector pack, loaded: where it lies is the bootstrap's to say.
    """

    clock: Clock
    ids: Ids
    store: Store
    hot: Hot
    journal: Journal
    heads: HeadLog
    transport: Transport
    credentials: Mapping[str, Credential]
    meter: Meter
    tracer: Tracer
    call_log: CallLog | None
    signer: Signer
    salt: bytes
    epoch: str
    scanner: Scanner


class System:
    """Everything, joined. `start` before the first call, `stop` after the last."""

    def __init__(self, config: Config, ports: Ports) -> None:
        self._config = config
        self._ports = ports
        self._tasks: list[asyncio.Task[None]] = []
        catalog = Catalog(_deployment(row) for row in config.deployments)
        providers = Providers(
            catalog=catalog, codecs={"openai_chat": OpenAIChat()}, credentials=ports.credentials, transport=ports.transport
        )
        timeouts = config.timeouts
        rules = HealthRules(probe_ttl_ms=DurationMs(timeouts.whole_ms + 1_000))
        self.inference = Inference(
            providers,
            health=Health(catalog.deployments, ports.ids.fraction, rules),
            timeouts=Timeouts(first_frame_ms=timeouts.first_frame_ms, stall_ms=timeouts.stall_ms, whole_ms=timeouts.whole_ms),
            clock=ports.clock,
            meter=ports.meter,
            instance=ports.epoch,
        )
        self.sequencer = Sequencer(
            journal=ports.journal,
            store=ports.store,
            heads=ports.heads,
            signer=ports.signer,
            clock=ports.clock,
            epoch=ports.epoch,
        )
        self.policies = BundlesInUse(ports.store, ports.clock)
        self.gateway = PreparedGateway(
            Gates(
                guard=Guard(self.policies, ports.scanner, ids=ports.ids, clock=ports.clock, salt=ports.salt),
                admission=ports.hot,
                limits=Limits(_tiers(), [_budget(row) for row in config.budgets]),
                audit=AuditWriter(ports.journal, epoch=ports.epoch, on_append=self.sequencer.wake),
                clock=ports.clock,
                ids=ports.ids,
                meter=ports.meter,
                tracer=ports.tracer,
                call_log=ports.call_log,
            ),
            self.policies,
        )
        self._bearer_tokens = BearerTokens([_issuer(row) for row in config.identity.issuers], ports.transport, ports.clock)
        self.application = Application(
            Surfaces(
                gateway=self.gateway,
                inference=self.inference,
                authenticator=Authenticator(ApiKeys(ports.store, ports.clock), self._bearer_tokens),
                catalog=catalog,
                audit_store=ports.store,
                sequencer=self.sequencer,
                verify_audit=self.verify_audit,
                authoring=Authoring(),
                publisher=Publisher(ports.store, ports.clock),
                bundles=self.policies,
                scanner=ports.scanner,
                checks=self._checks(),
                clock=ports.clock,
                ids=ports.ids,
                meter=ports.meter,
                version=__version__,
                max_body_bytes=config.http.max_body_bytes,
                call_timeout_ms=timeouts.call_ms,
                allowed_hosts=_allowed_hosts(config),
                started_at_ms=ports.clock.now_ms(),
            ),
            self.start,
            self.stop,
        )

    async def start(self) -> None:
        """Load the active policies and begin the work in the background. Raises Unavailable or ConfigurationInvalid."""
        await self.load_policies()
        self._begin(self.sequencer.run())
        self._begin(self._exchange_signals())
        self._begin(self.policies.watch())
        self._bearer_tokens.refresh()

    async def load_policies(self) -> None:
        """Take the active bundles into use, all at once. What was in use stays where one of them cannot be loaded."""
        await self.policies.load()

    async def drain(self, within_ms: int) -> bool:
        """Put everything that is pending where it belongs. False where that took longer."""
        return await self.sequencer.drain(within_ms)

    async def stop(self) -> None:
        """End the work in the background and let go of every port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not await self.drain(10_000):
            _log.warning("some audit records stay in the journal until the next start")
        ports = self._ports
        await self._bearer_tokens.aclose()
        for port in (ports.transport, ports.hot, ports.journal, ports.store):
            await port.aclose()

    async def verify_audit(self, tenant_id: str | None) -> Verification:
        """Check one tenant's chains, or all."""
        keys = {self._ports.signer.key_id: self._ports.signer.public_key}
        return await verify(self._ports.store, self._ports.heads, keys, tenant_id)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _exchange_signals(self) -> None:
        while True:
            await asyncio.sleep(SIGNAL_EXCHANGE_S)
            try:
                await self.inference.share_signals(self._ports.hot)
            except Unavailable as error:
                _log.warning("health signals are not shared", extra={"reason": error.message})

    def _checks(self) -> Mapping[str, Check]:
        async def policy() -> None:
            if not self.policies.loaded:
                raise Unavailable("no policy bundle is in use")

        async def audit() -> None:
            await self._ports.journal.check()
            lag = self.sequencer.lag
            if lag.fault or lag.behind_ms > LAG_LIMIT_MS:
                raise Unavailable(lag.fault or f"the audit chains are {lag.behind_ms} ms behind")

        async def upstreams() -> None:
            self.inference.check()

        return {
            "store": self._ports.store.check,
            "hot": self._ports.hot.check,
            "policy": policy,
            "audit": audit,
            "upstreams": upstreams,
        }


def check_config(config: Config) -> None:
    """Return if a system could be assembled from `config`. Raises ConfigurationInvalid with every fault of its catalog."""
    Catalog(_deployment(row) for row in config.deployments)
    for row in config.identity.issuers:
        _issuer(row)


def assemble(config: Config, ports: Ports) -> System:
    """A system that is ready to start. Raises ConfigurationInvalid."""
    return System(config, ports)


def _deployment(row: DeploymentConfig) -> Deployment:
    def rate(dollars: float) -> MicroUsd:
        return MicroUsd(round(dollars * 1_000_000))

    price = row.price
    return Deployment(
        name=row.name,
        model=row.model,
        upstream_model=row.upstream_model or row.model,
        cloud=Cloud(row.cloud),
        region=row.region,
        provider=row.provider,
        schema=row.wire,
        base_url=str(row.base_url).rstrip("/"),
        price=Price(
            input=rate(price.input),
            output=rate(price.output),
            cached_input=None if price.cached_input is None else rate(price.cached_input),
        ),
        context_window=Tokens(row.context_window),
        max_output=Tokens(row.max_output),
        capabilities=frozenset(row.capabilities),
        credential=row.credential or "",
        first_token_ms=row.first_token_ms,
    )


def _budget(row: BudgetConfig) -> Budget:
    return Budget(
        name=row.name,
        tenant_id=row.tenant,
        team=row.team,
        principal_id=row.principal,
        amount=MicroUsd(round(row.usd * 1_000_000)),
        window_days=row.days,
    )


def _tiers() -> Mapping[str, Mapping[str, int]]:
    return yaml.safe_load((files("triskel") / "data/tiers.yaml").read_text())["tiers"]  # type: ignore[no-any-return]


def _issuer(row: IssuerConfig) -> Issuer:
    fields = row.model_dump(exclude={"tenant", "kind", "kinds"})
    kinds = {claim: PrincipalKind(kind) for claim, kind in row.kinds.items()}
    return Issuer(**fields, tenant_id=row.tenant, kind=PrincipalKind(row.kind), kinds=kinds)


def _allowed_hosts(config: Config) -> frozenset[str]:
    if config.http.allowed_hosts is not None:
        return frozenset(host.lower() for host in config.http.allowed_hosts)
    return _LOOPBACK if config.http.host in _LOOPBACK else frozenset()

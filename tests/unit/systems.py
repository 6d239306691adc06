"""A whole system on fakes: real gate, real policy, real audit; scripted providers, a clock that stands still."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.calls import a_principal

from triskel.adapters.memory_hot import MemoryHot
from triskel.audit.heads import Signer
from triskel.config import Config
from triskel.identity.api_keys import make
from triskel.model.principal import Principal
from triskel.policy.bundle import bundle_hash
from triskel.policy.packs import pack_document
from triskel.policy.publishing.owners import PLATFORM, TENANT_DEFAULT
from triskel.policy.scan import Scanner, load_pack
from triskel.ports.store import StoredBundle
from triskel.system import Ports, System, assemble
from triskel.testing.clock import FixedClock
from triskel.testing.ids import SeededIds
from triskel.testing.memory_heads import MemoryHeads
from triskel.testing.memory_journal import MemoryJournal
from triskel.testing.memory_store import MemoryStore
from triskel.testing.telemetry import RecordingMeter, RecordingTracer
from triskel.testing.transport import Answer, FakeTransport


@dataclass
class LineLog:
    """A CallLog that keeps its lines."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def write(self, fields):
        self.lines.append(dict(fields))


def deployment(name: str = "aws-small", **fields: Any) -> dict[str, Any]:
    """A row of a configuration."""
    given = {
        "name": name,
        "model": "small",
        "cloud": "aws",
        "provider": "simulated",
        "base_url": f"http://{name}.test/v1",
        "price": {"input": 1.0, "output": 2.0},
        "context_window": 10_000,
        "max_output": 1_000,
        "capabilities": ["chat", "tools", "json"],
    }
    return {**given, **fields}


def completion(text: str = "hi there", **fields: Any) -> Answer:
    """A provider's whole reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return Answer.of_json({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage, **fields})


def chunks(*texts: str, finish: bool = True, done: bool = True, **options: Any) -> Answer:
    """A provider's stream, a chunk for each text."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    events = [json.dumps({"id": "c", "choices": [{"index": 0, "delta": d, "finish_reason": None}]}) for d in deltas]
    if finish:
        events.append(json.dumps({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        events.append(json.dumps({"id": "c", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}))
    if done:
        events.append("[DONE]")
    return Answer.of_events(events, **options)


@dataclass
class Stage:
    """The system and everything a test may look at."""

    system: System
    ports: Ports
    clock: FixedClock
    hot: MemoryHot
    journal: MemoryJournal
    store: MemoryStore
    transport: FakeTransport
    meter: RecordingMeter
    tracer: RecordingTracer
    log: LineLog

    @property
    def gateway(self):
        return self.system.gateway

    @property
    def inference(self):
        return self.system.inference

    async def entries(self) -> list[dict[str, Any]]:
        """The audit's view of every call, newest first, after draining."""
        from triskel.audit.query import view
        from triskel.model.audit import AuditQuery

        assert await self.system.drain(5_000)
        found, _ = await self.store.find(AuditQuery(tenant_id="acme"))
        return [view(entry) for entry in found]


async def a_stage(*answers: Answer, config: dict[str, Any] | None = None, routes: Any = None) -> Stage:
    """A started system that plays `answers`."""
    clock, ids = FixedClock(), SeededIds()
    store, journal, transport = MemoryStore(), MemoryJournal(), FakeTransport(*answers, routes=routes)
    for owner, pack in ((PLATFORM, "platform"), (TENANT_DEFAULT, "default")):
        document = pack_document(pack)
        name = bundle_hash(document)
        await store.put_bundle(StoredBundle(owner=owner, bundle_hash=name, document=document, published_at_ms=0))
        await store.activate_bundle(owner, name, 0)
    meter, tracer, log, hot = RecordingMeter(), RecordingTracer(), LineLog(), MemoryHot(clock)
    ports = Ports(
        clock=clock,
        ids=ids,
        store=store,
        hot=hot,
        journal=journal,
        heads=MemoryHeads(),
        transport=transport,
        credentials={},
        meter=meter,
        tracer=tracer,
        call_log=log,
        signer=Signer(bytes(32)),
        salt=b"salt",
        epoch="epoch_1",
        scanner=Scanner(load_pack()),
    )
    document = {"deployments": [deployment()], **(config or {})}
    system = assemble(Config.model_validate(document), ports)
    await system.load_policies()
    return Stage(system, ports, clock, hot, journal, store, transport, meter, tracer, log)


async def a_key(stage: Stage, principal: Principal | None = None) -> str:
    """An API key of a principal, in clear."""
    plain, record = make(principal or a_principal(), stage.ports.ids, stage.clock)
    await stage.store.put_key(record)
    return plain

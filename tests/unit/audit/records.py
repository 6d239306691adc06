"""Calls on record, and everything that a sequencer needs, in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from triskel.audit.heads import PublicKeys, Signer
from triskel.audit.record import Intent, Outcome
from triskel.audit.sequencer import Pace, Sequencer
from triskel.audit.verify import verify
from triskel.audit.writer import AuditWriter, Opened
from triskel.errors import InvalidRequest
from triskel.model.audit import Entry, Head, Verification
from triskel.model.call import Action, CallKind, Target
from triskel.model.decision import Decision, Verdict
from triskel.model.finding import Category, Facts, Finding, FindingRecord
from triskel.model.principal import Principal, PrincipalKind
from triskel.model.route import Attempt, AttemptOutcome
from triskel.model.usage import Usage
from triskel.ports.journal import JournalRecord
from triskel.testing.clock import FixedClock
from triskel.testing.memory_audit_store import MemoryAuditStore
from triskel.testing.memory_heads import MemoryHeads
from triskel.testing.memory_journal import MemoryJournal

SIGNER = Signer(bytes(range(32)))
KEYS: PublicKeys = {SIGNER.key_id: SIGNER.public_key}
START_MS = 1_750_000_000_000


def a_principal(tenant_id: str = "acme") -> Principal:
    return Principal(
        tenant_id=tenant_id,
        principal_id="ada",
        kind=PrincipalKind.AGENT,
        tier="pilot",
        credential="key:k1",
        teams=("research",),
    )


def a_decision(verdict: Verdict = Verdict.ALLOW, **given: Any) -> Decision:
    return Decision(
        **{
            "decision_id": "dec_1",
            "verdict": verdict,
            "policy_ids": ("demo.chat",),
            "reasons": (),
            "bundle_hash": "b" * 64,
            "entities_hash": "e" * 64,
            "facts": Facts(data_classes=("pii",), finding_types=("email",), finding_count=1),
            **given,
        }
    )


FINDING = FindingRecord(part="messages.0.content", finding=Finding("email", Category.PII, 3, 20, 900), value_hash="f" * 64)


def an_intent(audit_id: str = "aud_1", tenant_id: str = "acme", **given: Any) -> Intent:
    return Intent(
        **{
            "audit_id": audit_id,
            "call_id": audit_id.replace("aud", "call"),
            "principal": a_principal(tenant_id),
            "surface": "openai.chat",
            "kind": CallKind.MODEL,
            "action": Action.CHAT,
            "target": Target(kind="Model", name="auto"),
            "effect_key": audit_id.replace("aud", "call"),
            "opened_at_ms": START_MS,
            "deadline_ms": START_MS + 60_000,
            "decision": a_decision(),
            "request_hash": "d" * 64,
            "findings": (FINDING,),
            "token_estimate": 70,
            "cost_estimate": 500,
            "clouds": ("aws", "gcp"),
            **given,
        }
    )


def an_outcome(**given: Any) -> Outcome:
    return Outcome(
        **{
            "closed_at_ms": START_MS + 40,
            "outcome": "ok",
            "route": "aws/bedrock/aws-small",
            "attempts": (Attempt(route="aws/bedrock/aws-small", outcome=AttemptOutcome.OK, status=200, latency_ms=30),),
            "usage": Usage(input_tokens=50, output_tokens=20),
            "cost_micro_usd": 123,
            "latency_ms": 40,
            "response_hash": "c" * 64,
            **given,
        }
    )


class WatchedJournal(MemoryJournal):
    """Notes from where it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []

    async def read(self, after: int, limit: int) -> Sequence[JournalRecord]:
        self.reads.append(after)
        return await super().read(after, limit)


class WatchedStore(MemoryAuditStore):
    """Notes how much came at once. Refuses the tenant `refused`; hangs for as long as `hangs`."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.refused = ""
        self.hangs = False

    async def append_entries(self, entries: Sequence[Entry], head: Head) -> bool:
        if head.tenant_id == self.refused:
            raise InvalidRequest("no such text")
        if self.hangs:
            await asyncio.sleep(60)
        self.sizes.append(len(entries))
        return await super().append_entries(entries, head)


@dataclass
class House:
    """A process with its journal, store and log; `restart` begins its next life on what the last one left."""

    journal: Any = field(default_factory=MemoryJournal)
    store: Any = field(default_factory=MemoryAuditStore)
    heads: Any = field(default_factory=MemoryHeads)
    clock: FixedClock = field(default_factory=lambda: FixedClock(START_MS))
    pace: Pace = field(default_factory=Pace)
    epoch: str = "life_1"
    sole: bool = True
    signer: Signer = SIGNER

    def __post_init__(self) -> None:
        self.restart(self.epoch)

    def restart(self, epoch: str) -> None:
        """What was in memory is gone."""
        self.epoch = epoch
        self.sequencer = Sequencer(
            journal=self.journal,
            store=self.store,
            heads=self.heads,
            signer=self.signer,
            clock=self.clock,
            epoch=epoch,
            trusted=KEYS,
            sole=self.sole,
            pace=self.pace,
        )
        self.writer = AuditWriter(self.journal, epoch=epoch, on_append=self.sequencer.wake)

    async def open(self, audit_id: str, tenant_id: str = "acme", **given: Any) -> Opened:
        now_ms = self.clock.now_ms()
        times = {"opened_at_ms": now_ms, "deadline_ms": now_ms + 60_000, **given}
        return await self.writer.open(an_intent(audit_id, tenant_id, **times))

    async def close(self, opened: Opened, **given: Any) -> None:
        await self.writer.close(opened, an_outcome(closed_at_ms=self.clock.now_ms(), **given))

    async def call(self, audit_id: str, tenant_id: str = "acme") -> None:
        """One call, whole."""
        await self.close(await self.open(audit_id, tenant_id))

    async def verify(self, tenant_id: str | None = None) -> Verification:
        return await verify(self.store, self.heads, KEYS, tenant_id)

    async def entries(self, tenant_id: str = "acme", shard: int = 0) -> Sequence[Entry]:
        return await self.store.chain(tenant_id, shard, 0, 100_000)

    async def story(self, tenant_id: str = "acme", shard: int = 0) -> list[str]:
        """What a chain says, as `kind audit_id`."""
        return [f"{entry.kind} {entry.audit_id}" for entry in await self.entries(tenant_id, shard)]


async def until(done: Any) -> None:
    """Return when `done()` is true. The test's own time limit is 5 s."""
    async with asyncio.timeout(5):
        while not done():
            await asyncio.sleep(0.005)

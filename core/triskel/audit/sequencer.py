"""The task that turns the journal into chains: read, merge, link, sign, store, put the head outside, trim.

One rule: the journal is trimmed last. A crash between any two steps leaves records in the journal that are chained
already; they are read again, and each is looked up in the store before it is chained, so that none is chained twice.
After a failure of the store the sequencer forgets what it knows and begins again at the journal's beginning in the same
way.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from triskel.audit.extender import Extender, Raced
from triskel.audit.heads import PublicKeys, Signer
from triskel.audit.intake import Intake
from triskel.audit.sweep import Sweep
from triskel.audit.tails import NotLogged
from triskel.errors import Unavailable
from triskel.ports.clock import Clock
from triskel.ports.heads import HeadLog
from triskel.ports.journal import Journal, JournalRecord
from triskel.ports.store import AuditStore

_log = logging.getLogger("triskel.audit")

_NS_PER_MS = 1_000_000
_RACES = 5
_STEPS_BETWEEN_TRIMS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the sequencer shares its core with the gateway.

    `batch_delay_ms` lets records gather after the first. `grace_ms` is how long an intent may wait for its call's end.
    `close_grace_ms` after its deadline an open call is given up. `retry_ms` passes after a failure. `step_records` are
    taken at once without giving way. At most `max_waiting` intents are held.
    """

    batch_delay_ms: int = 100
    grace_ms: int = 1_000
    close_grace_ms: int = 60_000
    retry_ms: int = 1_000
    step_records: int = 256
    max_waiting: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the chains are behind. `behind_ms` counts from the first record not yet looked at; 0 where there is none.

    `waiting` intents wait for their call's end. `fault` is why the last pass failed or a chain stands still, or empty.
    """

    behind_ms: int
    waiting: int
    fault: str = ""


class Sequencer:
    """The only writer of its chains. `run` it as one task; `wake` it after each append."""

    def __init__(
        self,
        *,
        journal: Journal,
        store: AuditStore,
        heads: HeadLog,
        signer: Signer,
        clock: Clock,
        epoch: str,
        trusted: PublicKeys | None = None,
        sole: bool = True,
        pace: Pace | None = None,
    ) -> None:
        """`epoch` names this life of the process, `trusted` holds keys that signed earlier heads.

        `sole` says that no other process writes to this journal, so that an open call of another epoch will never end.
        Where others do, open calls are given up by their deadline alone, and every record is looked up before it is chained:
        another sequencer may have been faster.
        """
        self._journal = journal
        self._clock = clock
        self._epoch = epoch
        self._sole = sole
        self._pace = pace = pace or Pace()
        self._intake = Intake(pace.max_waiting)
        self._extender = Extender(store, heads, signer=signer, clock=clock, trusted=trusted or {}, batch=pace.step_records)
        self._sweep = Sweep(store, self._extender, self._is_gone, grace_ms=pace.close_grace_ms, retry_ms=pace.retry_ms)
        self._passing = asyncio.Lock()
        self._woken = asyncio.Event()
        self._cursor = 0
        self._trimmed = 0
        self._recheck_through = 0
        self._recovering = True
        self._retry_held_ns = 0
        self._fault = ""
        self._behind_ns: int | None = clock.monotonic_ns()
        self._passing_since_ns: int | None = None

    @property
    def lag(self) -> Lag:
        """What readiness should know."""
        since = self._behind_ns if self._passing_since_ns is None else self._passing_since_ns
        behind_ms = 0 if since is None else (self._clock.monotonic_ns() - since) // _NS_PER_MS
        return Lag(behind_ms=behind_ms, waiting=self._intake.waiting, fault=self._fault or self._extender.fault)

    def wake(self) -> None:
        """Something was appended. Cheap, and to be called from the event loop."""
        if self._behind_ns is None:
            self._behind_ns = self._clock.monotonic_ns()
            self._woken.set()

    async def run(self) -> None:
        """Sequence until cancelled. Failures are logged, shown in `lag` and tried again."""
        while True:
            pause_ms = self._pace.batch_delay_ms
            try:
                await self._pass(release_all=False)
            except Exception as error:  # noqa: BLE001 - whatever failed, the records are safe in the journal
                pause_ms = self._pace.retry_ms
                _log.warning("the audit chains stand still: %s", error)
            else:
                await self._idle()
            await asyncio.sleep(pause_ms / 1000)

    async def flush(self) -> None:
        """Return when every call that has ended is in its chain, and the head outside. Raises Unavailable.

        Chains that stand still, as `lag` says, are not waited for.
        """
        await self._pass(release_all=False)

    async def drain(self, within_ms: int) -> bool:
        """Chain everything, open calls as `opened`. False where `within_ms` passed or something failed first.

        What is left is in the journal, for the next process.
        """
        try:
            async with asyncio.timeout(within_ms / 1000):
                await self._pass(release_all=True)
        except (TimeoutError, Unavailable):
            return False
        return self._extender.held_position is None

    async def _pass(self, *, release_all: bool) -> None:
        async with self._passing:
            self._passing_since_ns, self._behind_ns = self._behind_ns, None
            self._woken.clear()
            try:
                await self._retry_held()
                await self._catch_up_unraced(release_all=release_all)
                self._fault = ""
            except BaseException as error:
                if not isinstance(error, NotLogged):
                    self._begin_again()
                self._fault = str(error) or type(error).__name__
                self._behind_ns = self._passing_since_ns or self._clock.monotonic_ns()
                self._woken.set()
                raise
            finally:
                self._passing_since_ns = None

    def _begin_again(self) -> None:
        self._recheck_through = max(self._recheck_through, self._cursor)
        self._cursor = self._trimmed
        self._recovering = True
        self._intake.clear()
        self._extender.forget()

    async def _retry_held(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._extender.held_position is not None and now_ns >= self._retry_held_ns:
            self._retry_held_ns = now_ns + self._pace.retry_ms * _NS_PER_MS
            if await self._extender.retry_held():
                self._begin_again()

    async def _catch_up_unraced(self, *, release_all: bool) -> None:
        for _ in range(_RACES):
            try:
                return await self._catch_up(release_all=release_all)
            except Raced:
                self._begin_again()
        raise Unavailable("somebody else keeps writing to this audit chain")

    async def _catch_up(self, *, release_all: bool) -> None:
        steps, at_end = 0, False
        while not at_end:
            records = await self._journal.read(self._cursor, self._pace.step_records)
            steps, at_end = steps + 1, len(records) < self._pace.step_records
            self._take(records, at_end=at_end, release_all=release_all)
            await asyncio.sleep(0)  # calls under way go first
            for chain, drafts in self._intake.drafts().items():
                await self._extender.put(chain, drafts)
                self._sweep.watch(chain, drafts)
            if at_end:
                await self._sweep.sweep(self._clock.now_ms())
            if at_end or steps % _STEPS_BETWEEN_TRIMS == 0:
                await self._extender.log_heads()
                await self._trim()

    def _take(self, records: Sequence[JournalRecord], *, at_end: bool, release_all: bool) -> None:
        now_ns = self._clock.monotonic_ns()
        for record in records:
            self._intake.take(record, now_ns, self._may_be_chained)
        if records:
            self._cursor = records[-1].position
        if at_end and self._recovering:
            self._intake.give_up(self._clock.now_ms(), self._is_gone)
            self._recovering = False
        self._intake.release(now_ns + 1 if at_end and release_all else now_ns - self._pace.grace_ms * _NS_PER_MS)

    def _may_be_chained(self, epoch: str, position: int) -> bool:
        if not self._sole:
            return True
        return position <= self._recheck_through or (self._recovering and epoch != self._epoch)

    def _is_gone(self, epoch: str) -> bool:
        return self._sole and epoch != self._epoch

    async def _trim(self) -> None:
        through = self._cursor
        for position in (self._intake.oldest_position, self._extender.held_position):
            if position is not None:
                through = min(through, position - 1)
        if through > self._trimmed:
            await self._journal.trim(through)
            self._trimmed = through

    async def _idle(self) -> None:
        """Return when there is something to do."""
        moments_ms = []
        if self._sweep.next_ms is not None:
            moments_ms.append(self._sweep.next_ms - self._clock.now_ms())
        if self._intake.oldest_ns is not None:
            waited_ms = (self._clock.monotonic_ns() - self._intake.oldest_ns) // _NS_PER_MS
            moments_ms.append(self._pace.grace_ms - waited_ms)
        if self._extender.held_position is not None:
            moments_ms.append(self._pace.retry_ms)
        try:
            async with asyncio.timeout(max(0, min(moments_ms)) / 1000 if moments_ms else None):
                await self._woken.wait()
        except TimeoutError:
            return

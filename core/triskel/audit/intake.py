"""What the sequencer has read and not yet chained. Pure. One rule: bounded, whatever the journal holds.

An intent waits here for its call's end, so that a quick call makes one entry and not two. When it has waited for the
grace, or when too many wait, it goes on as an `opened` entry and is forgotten: the end brings the intent along.
"""

import logging
from collections.abc import Callable

from triskel.audit.chain import Chain, Draft
from triskel.audit.record import abandoned_body, parse_record
from triskel.model.audit import EntryKind
from triskel.ports.journal import JournalRecord

_log = logging.getLogger("triskel.audit")

PROCESS_GONE = "process_gone"
"""The reason of a call whose process ended before it."""
DEADLINE_PASSED = "deadline_passed"
"""The reason of a call that nobody closed long after its deadline."""


class Intake:
    """Drafts ready for their chains, and intents that wait."""

    def __init__(self, max_waiting: int) -> None:
        """At most `max_waiting` intents wait, at about 1.3 KB each."""
        self._max_waiting = max_waiting
        self._waiting: dict[str, tuple[Chain, Draft, int]] = {}
        self._ready: dict[Chain, list[Draft]] = {}

    @property
    def waiting(self) -> int:
        """How many intents wait for their call's end."""
        return len(self._waiting)

    @property
    def oldest_ns(self) -> int | None:
        """When the intent that waits longest was read, or None."""
        for _, _, read_ns in self._waiting.values():
            return read_ns
        return None

    @property
    def oldest_position(self) -> int | None:
        """The journal position of the intent that waits longest, or None."""
        for _, draft, _ in self._waiting.values():
            return draft.position
        return None

    def take(self, record: JournalRecord, now_ns: int, recheck: Callable[[str, int], bool]) -> None:
        """Take the next record. `recheck(epoch, position)` says whether it may be in the chain already."""
        try:
            header, body = parse_record(record.data)
        except ValueError:
            # The journal proved that it is what was appended, so it was never ours; to stop here would stop all proof.
            _log.error("the journal holds something at %d that is no audit record; it is passed over", record.position)
            return
        draft = Draft(
            header.audit_id,
            header.kind,
            header.at_ms,
            body,
            record.position,
            recheck(header.epoch, record.position),
            header.deadline_ms,
            header.epoch,
        )
        chain = (record.tenant_id, record.shard)
        if header.kind is EntryKind.CLOSED:
            self._waiting.pop(header.audit_id, None)
            self._pass_on(chain, draft)
            return
        self._waiting[header.audit_id] = (chain, draft, now_ns)
        if len(self._waiting) > self._max_waiting:
            self.release(now_ns + 1, at_most=1)

    def release(self, before_ns: int, at_most: int | None = None) -> None:
        """Pass intents on that were read before a moment, oldest first: they become `opened` entries."""
        due: list[str] = []
        for audit_id, (_, _, read_ns) in self._waiting.items():
            if read_ns >= before_ns or len(due) == at_most:
                break
            due.append(audit_id)
        for audit_id in due:
            chain, draft, _ = self._waiting.pop(audit_id)
            self._pass_on(chain, draft)

    def give_up(self, now_ms: int, is_gone: Callable[[str], bool]) -> None:
        """Pass the intents of processes that are gone on as `abandoned` entries."""
        gone = [audit_id for audit_id, (_, draft, _) in self._waiting.items() if is_gone(draft.epoch)]
        for audit_id in gone:
            chain, draft, _ = self._waiting.pop(audit_id)
            draft.kind = EntryKind.ABANDONED
            draft.at_ms = now_ms
            draft.body = abandoned_body(draft.body, PROCESS_GONE)
            self._pass_on(chain, draft)

    def drafts(self) -> dict[Chain, list[Draft]]:
        """What is ready, by chain in the order of the journal, which is then no longer here."""
        ready, self._ready = self._ready, {}
        return ready

    def clear(self) -> None:
        """Forget everything: it will be read from the journal again."""
        self._waiting.clear()
        self._ready.clear()

    def _pass_on(self, chain: Chain, draft: Draft) -> None:
        ready = self._ready.get(chain)
        if ready is None:
            self._ready[chain] = [draft]
        else:
            ready.append(draft)

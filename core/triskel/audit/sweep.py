"""Gives up open calls that nobody will close: their process is gone, or their deadline long past."""

import logging
from collections.abc import Callable, Iterable, Sequence

from triskel.audit.chain import Chain, Draft
from triskel.audit.extender import NOWHERE, Extender
from triskel.audit.intake import DEADLINE_PASSED, PROCESS_GONE
from triskel.audit.record import abandoned_body, open_state
from triskel.model.audit import Entry, EntryKind
from triskel.ports.store import AuditStore

_log = logging.getLogger("triskel.audit")

_CHAINS_AT_ONCE = 100


class Sweep:
    """Knows of each chain when its next open call has to be given up; the calls themselves are in the store."""

    def __init__(
        self, store: AuditStore, extender: Extender, is_gone: Callable[[str], bool], *, grace_ms: int, retry_ms: int
    ) -> None:
        """`is_gone` says that the process of an epoch has ended; `grace_ms` after its deadline a call is given up."""
        self._store = store
        self._extender = extender
        self._is_gone = is_gone
        self._grace_ms = grace_ms
        self._retry_ms = retry_ms
        self._due_ms: dict[Chain, int] = {}
        self._listed = False

    def watch(self, chain: Chain, drafts: Iterable[Draft]) -> None:
        """Remember when the first of the opened calls among `drafts` will be given up."""
        for draft in drafts:
            if draft.kind is EntryKind.OPENED:
                due_ms = draft.deadline_ms + self._grace_ms
                self._due_ms[chain] = min(due_ms, self._due_ms.get(chain, due_ms))

    @property
    def next_ms(self) -> int | None:
        """The moment of the next sweep, or None."""
        return min(self._due_ms.values(), default=None)

    async def sweep(self, now_ms: int) -> None:
        """Give up what is due, in a bounded number of chains. The first time it looks at every chain there is."""
        if not self._listed:
            self._due_ms.update(dict.fromkeys(await self._store.chains(), 0))
            self._listed = True
        due = [chain for chain, due_ms in self._due_ms.items() if due_ms <= now_ms]
        for chain in due[:_CHAINS_AT_ONCE]:
            drafts, next_ms = self._given_up(await self._store.open_calls(*chain), now_ms)
            await self._extender.put(chain, drafts)
            if self._extender.is_held(chain):
                next_ms = now_ms + self._retry_ms
            if next_ms is None:
                del self._due_ms[chain]
            else:
                self._due_ms[chain] = next_ms

    def _given_up(self, opened: Sequence[Entry], now_ms: int) -> tuple[list[Draft], int | None]:
        drafts: list[Draft] = []
        next_ms: int | None = None
        for entry in opened:
            try:
                state = open_state(entry.body)
                body = abandoned_body(entry.body, PROCESS_GONE if self._is_gone(state.epoch) else DEADLINE_PASSED)
            except ValueError as error:
                _log.error("entry %d of `%s`, shard %d: %s", entry.seq, entry.tenant_id, entry.shard, error)
                continue
            due_ms = state.intent.deadline_ms + self._grace_ms
            if self._is_gone(state.epoch) or due_ms <= now_ms:
                drafts.append(Draft(entry.audit_id, EntryKind.ABANDONED, now_ms, body, NOWHERE, False, due_ms, state.epoch))
            else:
                next_ms = due_ms if next_ms is None else min(next_ms, due_ms)
        return drafts, next_ms

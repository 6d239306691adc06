"""Puts drafts into chains. One rule: an entry and its signed head go into the store together, or not at all."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from triskel.audit.chain import Chain, Draft, Tail, extend
from triskel.audit.heads import PublicKeys, Signer
from triskel.audit.tails import ChainBroken, Tails
from triskel.errors import CallerError
from triskel.model.audit import AuditQuery, EntryKind
from triskel.ports.clock import Clock
from triskel.ports.heads import HeadLog
from triskel.ports.store import AuditStore

_log = logging.getLogger("triskel.audit")

NOWHERE = sys.maxsize
"""The position of a draft that came from no journal record."""


class Raced(Exception):
    """Somebody else extended the chain first."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Why a chain stands still, and the lowest journal position that it has not taken."""

    position: int
    why: str
    may_mend: bool


class Extender:
    """Extends chains. Holds still those that contradict their signed heads, or that the store refuses; the others go on."""

    def __init__(
        self, store: AuditStore, heads: HeadLog, *, signer: Signer, clock: Clock, trusted: PublicKeys, batch: int
    ) -> None:
        """`trusted` holds public keys that signed earlier heads; `batch` entries go into the store at once."""
        self._store = store
        self._signer = signer
        self._clock = clock
        self._batch = batch
        self._tails = Tails(store, heads, {**trusted, signer.key_id: signer.public_key})
        self._held: dict[Chain, _Held] = {}

    async def put(self, chain: Chain, drafts: Sequence[Draft]) -> None:
        """Add to `chain` those of `drafts` that are not in it. Raises Raced or Unavailable: then look at the store again."""
        if not drafts:
            return
        held = self._held.get(chain)
        if held is not None:
            self._hold(chain, drafts, held.why, may_mend=held.may_mend)
            return
        try:
            # The end first, then the look-ups: who writes in between makes the append fail, and everything is looked up again.
            await self._tails.of(chain)
            fresh = [draft for draft in drafts if not draft.recheck or not await self._is_chained(chain, draft)]
            for start in range(0, len(fresh), self._batch):
                await self._append(chain, fresh[start : start + self._batch])
        except ChainBroken as broken:
            self._hold(chain, drafts, str(broken), may_mend=True)
        except (CallerError, ValueError) as refusal:
            # What the store will never take must not keep it from what it would take.
            self._hold(chain, drafts, str(refusal), may_mend=False)

    def is_held(self, chain: Chain) -> bool:
        """Whether the chain stands still."""
        return chain in self._held

    @property
    def held_position(self) -> int | None:
        """The lowest journal position whose record a chain that stands still has not taken, or None."""
        return min((held.position for held in self._held.values()), default=None)

    @property
    def fault(self) -> str:
        """Which chain stands still and why, or empty."""
        return next((f"{tenant}/{shard}: {held.why}" for (tenant, shard), held in self._held.items()), "")

    async def retry_held(self) -> bool:
        """Look at the broken chains. True where one was mended and goes on: its records have to be read again."""
        mended = False
        for chain in [chain for chain, held in self._held.items() if held.may_mend]:
            try:
                await self._tails.of(chain)
            except ChainBroken:
                continue
            del self._held[chain]
            mended = True
        return mended

    async def log_heads(self) -> None:
        """Put the newest head of every chain that moved outside the store. Raises NotLogged; to be tried again."""
        await self._tails.log_heads()

    def forget(self) -> None:
        """Look at the store again before the next entry of any chain."""
        self._tails.forget()

    async def _append(self, chain: Chain, drafts: Sequence[Draft]) -> None:
        entries = extend(chain, await self._tails.of(chain), drafts)
        head = self._signer.sign(chain, Tail(entries[-1].seq, entries[-1].hash), self._clock.now_ms())
        if not await self._store.append_entries(entries, head):
            raise Raced
        self._tails.advance(chain, head)

    async def _is_chained(self, chain: Chain, draft: Draft) -> bool:
        found, _ = await self._store.find(AuditQuery(tenant_id=chain[0], audit_id=draft.audit_id, limit=1))
        if not found:
            return False
        return draft.kind is EntryKind.OPENED or found[0].kind in (EntryKind.CLOSED, draft.kind)

    def _hold(self, chain: Chain, drafts: Sequence[Draft], why: str, *, may_mend: bool) -> None:
        position = min(draft.position for draft in drafts)
        if chain in self._held:
            position = min(position, self._held[chain].position)
        else:
            _log.error("the audit chain of `%s`, shard %d, is not continued: %s", *chain, why)
        self._held[chain] = _Held(position, why, may_mend)

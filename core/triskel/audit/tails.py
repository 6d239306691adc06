"""The ends of chains, as the sequencer knows them. One rule: a chain that contradicts its signed heads is not continued.

To continue it would put a fresh signature on whatever somebody made of it while nobody looked.
"""

from collections import OrderedDict

from triskel.audit.chain import Chain, Tail, hash_of
from triskel.audit.heads import PublicKeys, is_genuine
from triskel.errors import Unavailable
from triskel.model.audit import Entry, Head
from triskel.ports.heads import HeadLog
from triskel.ports.store import AuditStore

_HEADS_OF_ONE_ENTRY = 100
"""Heads that are looked at for the genuine one; there is one, unless somebody adds to them."""


class ChainBroken(Exception):
    """The store's chain is not the one whose heads were signed. The message says how."""


class NotLogged(Unavailable):
    """The log outside the store is away. The store has everything; only the heads have to be sent again."""


class Tails:
    """Known ends of chains, at most `limit` of them, and heads that are still to go outside the store."""

    def __init__(self, store: AuditStore, heads: HeadLog, keys: PublicKeys, limit: int = 10_000) -> None:
        self._store = store
        self._heads = heads
        self._keys = keys
        self._limit = limit
        self._tails: OrderedDict[Chain, Tail] = OrderedDict()
        self._to_log: dict[Chain, Head] = {}

    async def of(self, chain: Chain) -> Tail:
        """The end of `chain`, checked when it is not known yet. Raises ChainBroken, or Unavailable."""
        tail = self._tails.get(chain)
        if tail is None:
            tail = self._tails[chain] = await self._checked(chain)
            if len(self._tails) > self._limit:
                self._tails.popitem(last=False)
        else:
            self._tails.move_to_end(chain)
        return tail

    def advance(self, chain: Chain, head: Head) -> None:
        """The store took entries up to `head`, which now has to go outside."""
        self._tails[chain] = Tail(head.seq, head.hash)
        self._to_log[chain] = head

    def forget(self) -> None:
        """Look at the store again before the next entry of any chain."""
        self._tails.clear()

    async def log_heads(self) -> None:
        """Put the newest head of every chain that moved outside the store. Raises NotLogged; to be tried again."""
        if not self._to_log:
            return
        sent = dict(self._to_log)
        try:
            await self._heads.append(tuple(sent.values()))
        except Unavailable as error:
            raise NotLogged(error.message) from error
        for chain, head in sent.items():
            if self._to_log.get(chain) is head:
                del self._to_log[chain]

    async def _checked(self, chain: Chain) -> Tail:
        tenant_id, shard = chain
        logged = next((head for head in await self._heads.latest(tenant_id) if head.shard == shard), None)
        last = await self._store.last_entry(tenant_id, shard)
        if logged is not None:
            if not is_genuine(logged, self._keys):
                raise ChainBroken("the head outside the store is not signed by a known key")
            if last is None or last.seq < logged.seq:
                raise ChainBroken(f"its entries after {last.seq if last else 0} are gone, up to {logged.seq}")
            if await self._hash_at(chain, last, logged.seq) != logged.hash:
                raise ChainBroken(f"entry {logged.seq} is not the one that was signed")
        if last is None:
            return Tail()
        if hash_of(last) != last.hash:
            raise ChainBroken(f"entry {last.seq} does not match its hash")
        if logged is None or logged.seq < last.seq:
            # Somebody stopped between the store and the log; the head that the store took with the entries goes now.
            self._to_log[chain] = await self._stored_head(chain, last)
        return Tail(last.seq, last.hash)

    async def _hash_at(self, chain: Chain, last: Entry, seq: int) -> str | None:
        if last.seq == seq:
            return last.hash
        entries = await self._store.chain(*chain, seq - 1, 1)
        return entries[0].hash if entries and entries[0].seq == seq else None

    async def _stored_head(self, chain: Chain, last: Entry) -> Head:
        for head in await self._store.heads(*chain, last.seq - 1, _HEADS_OF_ONE_ENTRY):
            if (head.seq, head.hash) == (last.seq, last.hash) and is_genuine(head, self._keys):
                return head
        raise ChainBroken(f"no signed head covers entry {last.seq}")

"""Verification of chains against the heads in the store and outside it. One rule: it only reads, page by page.

It may run beside a sequencer: a chain is read up to its signed heads, and on, if it has grown meanwhile.
"""

import asyncio
from collections.abc import Sequence

from triskel.audit.chain import Chain
from triskel.audit.check import MAX_FAULTS, ChainCheck
from triskel.audit.heads import PublicKeys
from triskel.model.audit import ChainFault, Entry, Head, Verification
from triskel.ports.heads import HeadLog
from triskel.ports.store import AuditStore

PAGE = 200
"""Entries read at once, and checked without giving way: about 1 ms, but for the signatures."""
_SIGNATURES_AT_ONCE = 10
"""Signatures checked without giving way: about 1 ms."""


async def verify(store: AuditStore, heads: HeadLog, keys: PublicKeys, tenant_id: str | None = None) -> Verification:
    """What is wrong with all chains, or with one tenant's. `keys` are the public keys that may have signed.

    Raises Unavailable when the store or the log cannot be read.
    """
    # The log first: what it has is in the store already, while the store may grow as long as this runs.
    outside = {(head.tenant_id, head.shard): head for head in await heads.latest(tenant_id)}
    faults: list[ChainFault] = []
    entries = checked_heads = open_calls = abandoned_calls = 0
    for chain in sorted({*await store.chains(tenant_id), *outside}):
        check = ChainCheck(chain, keys)
        await _check(check, store, heads, chain, outside.get(chain))
        faults.extend(check.faults[: MAX_FAULTS - len(faults)])
        entries += check.entries
        checked_heads += check.heads
        open_calls += check.open_calls
        abandoned_calls += check.abandoned_calls
    return Verification(
        valid=not faults,
        entries=entries,
        heads=checked_heads,
        open_calls=open_calls,
        abandoned_calls=abandoned_calls,
        faults=tuple(faults),
    )


async def _check(check: ChainCheck, store: AuditStore, heads: HeadLog, chain: Chain, outside: Head | None) -> None:
    if outside is not None:
        check.expect([outside], outside=True)
    known_seq = 0
    while True:
        new = await store.heads(*chain, known_seq, PAGE)
        check.expect(new)
        known_seq = max([known_seq, *(head.seq for head in new)])
        if len(new) == PAGE:
            # There may be more heads; what lies behind these is fed when theirs are known.
            await _feed(check, store, chain, known_seq)
            continue
        await _feed(check, store, chain, check.reach)
        more = await _page(check, store, chain, 1)
        if not more:
            break
        # An entry comes with its head. Where no head has come since, nobody signed what follows.
        if not new:
            await _feed(check, store, chain, None)
            break
    logged = outside is not None or any(head.shard == chain[1] for head in await heads.latest(chain[0]))
    check.finish(logged=logged)


async def _feed(check: ChainCheck, store: AuditStore, chain: Chain, through: int | None) -> None:
    """Feed the entries up to `through`, or all that there are."""
    signatures = 0
    while through is None or check.last_seq < through:
        limit = PAGE if through is None else min(PAGE, through - check.last_seq)
        before = check.last_seq
        for entry in await _page(check, store, chain, limit):
            check.feed(entry)
            if check.heads - signatures >= _SIGNATURES_AT_ONCE:
                signatures = check.heads
                await asyncio.sleep(0)
        if check.last_seq == before:
            return


async def _page(check: ChainCheck, store: AuditStore, chain: Chain, limit: int) -> Sequence[Entry]:
    """The next entries. One that a store cannot even give is a fault of the chain, not a reason to stop."""
    try:
        return await store.chain(*chain, check.last_seq, limit)
    except ValueError:
        if limit > 1:
            return await _page(check, store, chain, 1)
        check.unreadable(check.last_seq + 1)
        return ()

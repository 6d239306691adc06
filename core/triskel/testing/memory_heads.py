"""A head log in memory. One rule: the highest `seq` of a chain counts, and the first head that had it."""

from collections.abc import Sequence

from triskel.errors import Unavailable
from triskel.model.audit import Head


class MemoryHeads:
    """`ports.heads.HeadLog`. Set `fault` to make appends fail with it; `lines` holds all that was appended."""

    def __init__(self) -> None:
        self.lines: list[Head] = []
        self.fault = ""

    async def append(self, heads: Sequence[Head]) -> None:
        """Keep `heads`. Raises Unavailable where `fault` is set."""
        if self.fault:
            raise Unavailable(self.fault)
        self.lines.extend(heads)

    async def latest(self, tenant_id: str | None = None) -> Sequence[Head]:
        """The newest head of each chain."""
        newest: dict[tuple[str, int], Head] = {}
        for head in self.lines:
            chain = (head.tenant_id, head.shard)
            if chain not in newest or head.seq > newest[chain].seq:
                newest[chain] = head
        return [head for chain, head in sorted(newest.items()) if tenant_id in (None, chain[0])]

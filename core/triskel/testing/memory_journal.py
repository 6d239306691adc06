"""A journal in memory. One rule: it behaves like a durable one, but dies with its process."""

from collections.abc import Sequence

from triskel.errors import Unavailable
from triskel.ports.journal import JournalRecord


class MemoryJournal:
    """`ports.journal.Journal`. Set `fault` to make appends and checks fail with it; `trims` holds what was trimmed."""

    def __init__(self) -> None:
        self._records: list[JournalRecord] = []
        self._position = 0
        self.fault = ""
        self.trims: list[int] = []

    async def append(self, tenant_id: str, shard: int, data: bytes) -> None:
        """Keep `data`. Raises Unavailable where `fault` is set."""
        await self.check()
        self._position += 1
        self._records.append(JournalRecord(self._position, tenant_id, shard, data))

    async def read(self, after: int, limit: int) -> Sequence[JournalRecord]:
        """At most `limit` records behind `after`."""
        return [record for record in self._records if record.position > after][:limit]

    async def trim(self, through: int) -> None:
        """Keep everything, as a journal may, and note `through`: who reads again meets old records."""
        self.trims.append(through)

    async def check(self) -> None:
        """Raises Unavailable where `fault` is set."""
        if self.fault:
            raise Unavailable(self.fault)

    async def aclose(self) -> None:
        """Nothing is held."""

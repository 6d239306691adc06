"""The near tier of the audit: where an intent is durable before its effect begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """What was appended, and where. Positions grow; they need not be dense."""

    position: int
    tenant_id: str
    shard: int
    data: bytes


class Journal(Protocol):
    """An append-only list of records that one sequencer reads in order and trims."""

    async def append(self, tenant_id: str, shard: int, data: bytes) -> None:
        """Keep `data`. When this returns, the record survives the death of this process.

        Raises Unavailable when it cannot be kept (disk full, server gone); then nothing of it is kept.
        It does not promise to survive a power cut, unless the backend is configured to.
        """

    async def read(self, after: int, limit: int) -> Sequence[JournalRecord]:
        """At most `limit` records whose position is greater than `after`, in the order in which they were appended.

        A record that a crash left half written is not returned. Pass 0 for the beginning.
        """

    async def trim(self, through: int) -> None:
        """Forget the records up to and including position `through`. May keep them a while longer."""

    async def check(self) -> None:
        """Return if an append would work now. Raises Unavailable with the reason."""

    async def aclose(self) -> None:
        """Release what is held. Records stay."""

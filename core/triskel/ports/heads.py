"""Where signed heads of audit chains are kept outside the store, so that a cut tail shows."""

from collections.abc import Sequence
from typing import Protocol

from triskel.model.audit import Head


class HeadLog(Protocol):
    """An append-only list of heads, in another place than the store."""

    async def append(self, heads: Sequence[Head]) -> None:
        """Keep the heads durably. Raises Unavailable."""

    async def latest(self, tenant_id: str | None = None) -> Sequence[Head]:
        """The newest head of each chain, of all tenants or of one. Raises Unavailable when the log is damaged."""

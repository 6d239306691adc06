"""The store in memory against the suite of every store."""

import pytest

from triskel.errors import Unavailable
from triskel.testing.contracts.store import StoreContract
from triskel.testing.memory_store import MemoryStore


class TestMemoryStore(StoreContract):
    """One process has one of it."""

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def rival(self, store: MemoryStore) -> MemoryStore:
        return store

    async def test_it_is_out_of_order_when_told_so(self, store: MemoryStore) -> None:
        """For readiness that must tell the truth."""
        store.fault = "the store is away"
        with pytest.raises(Unavailable, match="away"):
            await store.check()

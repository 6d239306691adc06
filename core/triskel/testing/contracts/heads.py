"""What every `ports.heads.HeadLog` must do. One rule: only what the port promises is asked.

A backend's test module inherits `HeadLogContract` and has a fixture `heads`; where heads outlive the object, it inherits
`DurableHeadLogContract` and has a fixture `reopen` too.
"""

from collections.abc import Awaitable, Callable

from triskel.model.audit import Head
from triskel.ports.heads import HeadLog


def head(tenant_id: str, seq: int, *, shard: int = 0, digit: str = "a") -> Head:
    """A head that nobody signed; a log does not look at signatures."""
    return Head(
        tenant_id=tenant_id,
        shard=shard,
        seq=seq,
        hash=digit * 64,
        at_ms=1_700_000_000_000 + seq,
        key_id="0123456789abcdef",
        signature="5" * 128,
    )


class HeadLogContract:
    """Of every head log."""

    async def test_a_new_log_has_no_heads(self, heads: HeadLog) -> None:
        """Neither of all tenants nor of one."""
        assert list(await heads.latest()) == []
        assert list(await heads.latest("acme")) == []

    async def test_the_newest_head_of_each_chain_comes_back(self, heads: HeadLog) -> None:
        """Chains are told apart by tenant and shard; heads come back exactly as they were appended."""
        await heads.append([head("acme", 1), head("acme", 7, shard=1), head("other", 3)])
        await heads.append([head("acme", 5)])
        everyone = await heads.latest()
        assert sorted(everyone, key=lambda h: (h.tenant_id, h.shard)) == [
            head("acme", 5),
            head("acme", 7, shard=1),
            head("other", 3),
        ]

    async def test_one_tenant_sees_its_own(self, heads: HeadLog) -> None:
        """Another tenant's chains are not among them."""
        await heads.append([head("acme", 1), head("other", 3)])
        assert list(await heads.latest("other")) == [head("other", 3)]
        assert list(await heads.latest("nobody")) == []

    async def test_a_lower_head_does_not_hide_a_higher_one(self, heads: HeadLog) -> None:
        """The newest head is the one that reaches farthest: a chain that was cut cannot be covered up by a later head."""
        await heads.append([head("acme", 9)])
        await heads.append([head("acme", 4)])
        assert list(await heads.latest("acme")) == [head("acme", 9)]

    async def test_a_second_head_of_the_same_length_does_not_replace_the_first(self, heads: HeadLog) -> None:
        """What was proof stays proof."""
        await heads.append([head("acme", 9, digit="a")])
        await heads.append([head("acme", 9, digit="b")])
        assert list(await heads.latest("acme")) == [head("acme", 9, digit="a")]

    async def test_appending_nothing_is_nothing(self, heads: HeadLog) -> None:
        """An empty append is allowed."""
        await heads.append([])
        assert list(await heads.latest()) == []


class DurableHeadLogContract(HeadLogContract):
    """Of a log whose heads outlive the object."""

    async def test_heads_survive(self, heads: HeadLog, reopen: Callable[[], Awaitable[HeadLog]]) -> None:
        """Opened again, the log has the same heads, and takes more."""
        await heads.append([head("acme", 1), head("other", 3)])
        again = await reopen()
        assert list(await again.latest()) == [head("acme", 1), head("other", 3)]
        await again.append([head("acme", 2)])
        assert list(await again.latest("acme")) == [head("acme", 2)]

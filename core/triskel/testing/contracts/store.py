"""What every `ports.store.Store` must do. One rule: what was put is what comes back, to whoever asks under its exact name.

A backend's test module inherits `StoreContract` and has the fixtures `store` and `rival`: a second connection to the same
data, as another process has one, or the same object where no other process can have one.
"""

import asyncio
from dataclasses import replace

import pytest

from triskel.errors import InvalidRequest, NotFound
from triskel.model.principal import ApiKey, Principal, PrincipalKind, Tenant
from triskel.ports.store import BundleActivation, Store, StoredBundle
from triskel.testing.contracts.audit_store import ODD_IDS, AuditStoreContract

_HALF_A_PAIR = "\ud800"


def api_key(key_id: str, *, tenant_id: str = "acme", created_at_ms: int = 1, revoked_at_ms: int | None = None) -> ApiKey:
    """A key of somebody."""
    principal = Principal(
        tenant_id=tenant_id,
        principal_id=f"agent of {key_id}",
        kind=PrincipalKind.AGENT,
        tier="growth",
        credential=f"key:{key_id}",
        teams=("search", 'te"am', "équipe"),
    )
    return ApiKey(
        key_id=key_id,
        secret_sha256="5" * 64,
        principal=principal,
        created_at_ms=created_at_ms,
        revoked_at_ms=revoked_at_ms,
    )


def bundle(owner: str, bundle_hash: str, document: bytes = b"permit") -> StoredBundle:
    """A policy bundle."""
    return StoredBundle(owner=owner, bundle_hash=bundle_hash, document=document, published_at_ms=7)


def activation(at_ms: int, bundle_hash: str, by: str = "") -> BundleActivation:
    """A row of the history."""
    return BundleActivation(at_ms=at_ms, bundle_hash=bundle_hash, by=by)


class TenantContract:
    """Of tenants."""

    async def test_a_tenant_comes_back(self, store: Store, rival: Store) -> None:
        """On every connection, as soon as it was put; another name is nobody."""
        tenant = Tenant(tenant_id="acme", name="Acme & Söhne", tier="enterprise", home_cell="aws-eu-central-1")
        await store.put_tenant(tenant)
        assert await store.tenant("acme") == tenant
        assert await rival.tenant("acme") == tenant
        assert await store.tenant("nobody") is None

    async def test_a_tenant_is_replaced(self, store: Store) -> None:
        """The last one put is the one."""
        await store.put_tenant(Tenant(tenant_id="acme", name="one"))
        await store.put_tenant(Tenant(tenant_id="acme", name="two", tier="growth"))
        assert await store.tenant("acme") == Tenant(tenant_id="acme", name="two", tier="growth")

    async def test_names_are_compared_exactly(self, store: Store) -> None:
        """Case, blanks and look-alike characters make another tenant and another key."""
        for odd in ODD_IDS:
            await store.put_tenant(Tenant(tenant_id=odd, name=f"tenant {odd}"))
            await store.put_key(api_key(odd, tenant_id=odd))
        for odd in ODD_IDS:
            assert await store.tenant(odd) == Tenant(tenant_id=odd, name=f"tenant {odd}")
            assert await store.key(odd) == api_key(odd, tenant_id=odd)
            assert list(await store.keys(odd)) == [api_key(odd, tenant_id=odd)]

    async def test_what_is_not_unicode_is_refused(self, store: Store) -> None:
        """As the caller's fault, not as a broken store."""
        with pytest.raises(InvalidRequest):
            await store.put_tenant(Tenant(tenant_id=_HALF_A_PAIR, name="half"))
        with pytest.raises(InvalidRequest):
            await store.key(_HALF_A_PAIR)


class KeyContract:
    """Of API keys."""

    async def test_a_key_comes_back_whole(self, store: Store) -> None:
        """Revoked or not, with every field of its principal."""
        for key in (api_key("k1"), api_key("k2", revoked_at_ms=1_750_000_000_000)):
            await store.put_key(key)
            assert await store.key(key.key_id) == key
        assert await store.key("k3") is None

    async def test_a_principal_without_teams_has_none(self, store: Store) -> None:
        """An empty tuple, not a team without a name."""
        key = api_key("k1")
        key = replace(key, principal=replace(key.principal, teams=()))
        await store.put_key(key)
        assert await store.key("k1") == key

    async def test_revoking_is_putting_again(self, store: Store, rival: Store) -> None:
        """There is one key of one id, and every connection sees that it was revoked."""
        await store.put_key(api_key("k1"))
        await store.put_key(api_key("k1", revoked_at_ms=5))
        for side in (store, rival):
            assert await side.key("k1") == api_key("k1", revoked_at_ms=5)
            assert list(await side.keys("acme")) == [api_key("k1", revoked_at_ms=5)]

    async def test_keys_of_a_tenant_come_oldest_first(self, store: Store) -> None:
        """And never another tenant's."""
        keys = [api_key("b", created_at_ms=3), api_key("a", created_at_ms=9), api_key("c", created_at_ms=1)]
        for key in (*keys, api_key("d", tenant_id="other")):
            await store.put_key(key)
        assert [key.key_id for key in await store.keys("acme")] == ["c", "b", "a"]
        assert [key.key_id for key in await store.keys("other")] == ["d"]
        assert list(await store.keys("nobody")) == []


class BundleContract:
    """Of policy bundles."""

    async def test_a_bundle_is_active_when_it_was_activated(self, store: Store, rival: Store) -> None:
        """Putting is not activating."""
        await store.put_bundle(bundle("acme", "h1"))
        assert await store.active_bundle("acme") is None
        await store.activate_bundle("acme", "h1", 10)
        assert await store.active_bundle("acme") == bundle("acme", "h1")
        assert await rival.active_bundle("acme") == bundle("acme", "h1")
        assert await store.active_bundle("platform") is None

    async def test_the_last_activation_counts(self, store: Store) -> None:
        """Whatever the clocks said; the history has it first, and going back to an older bundle is one more activation."""
        for bundle_hash in ("h1", "h2"):
            await store.put_bundle(bundle("acme", bundle_hash))
        for bundle_hash, at_ms in (("h1", 10), ("h2", 20), ("h1", 15)):
            await store.activate_bundle("acme", bundle_hash, at_ms)
        assert await store.active_bundle("acme") == bundle("acme", "h1")
        assert list(await store.bundle_history("acme", 10)) == [activation(15, "h1"), activation(20, "h2"), activation(10, "h1")]
        assert list(await store.bundle_history("acme", 2)) == [activation(15, "h1"), activation(20, "h2")]
        assert list(await store.bundle_history("acme", 0)) == []
        assert list(await store.bundle_history("nobody", 10)) == []

    async def test_the_history_says_who(self, store: Store, rival: Store) -> None:
        """In the words in which it was said, on every connection."""
        await store.put_bundle(bundle("acme", "h1"))
        for at_ms, by in enumerate(ODD_IDS):
            assert await store.activate_bundle("acme", "h1", at_ms, by=by)
        for side in (store, rival):
            said = await side.bundle_history("acme", 1_000)
            assert list(said) == [activation(at_ms, "h1", by) for at_ms, by in enumerate(ODD_IDS)][::-1]

    async def test_a_bundle_is_found_by_its_hash(self, store: Store, rival: Store) -> None:
        """Active or not, before and after others were, whoever owns it, on every connection; and by no other name."""
        for made in (bundle("acme", "h1"), bundle("acme", "h2"), bundle("other", "h3")):
            await store.put_bundle(made)
        for active in ("h1", "h2"):
            await store.activate_bundle("acme", active, 1)
        for side in (store, rival):
            assert await side.bundle("h1") == bundle("acme", "h1")
            assert await side.bundle("h2") == bundle("acme", "h2")
            assert await side.bundle("h3") == bundle("other", "h3")
            for unknown in ("H1", "h", "h11", "", "acme", "h%"):
                assert await side.bundle(unknown) is None

    async def test_of_one_hash_the_first_is_found(self, store: Store) -> None:
        """Two owners may keep the same bundle; who comes later changes nothing about it."""
        await store.put_bundle(bundle("other", "h1", b"permit"))
        await store.put_bundle(bundle("acme", "h1", b"forbid"))
        await store.activate_bundle("acme", "h1", 1)
        assert await store.bundle("h1") == bundle("other", "h1", b"permit")
        assert await store.active_bundle("acme") == bundle("acme", "h1", b"forbid")

    async def test_a_bundle_is_activated_where_the_expected_one_is_active(self, store: Store) -> None:
        """None expects that none is; another owner's active bundle is no matter."""
        for owner in ("acme", "other"):
            for bundle_hash in ("h1", "h2"):
                await store.put_bundle(bundle(owner, bundle_hash))
        await store.activate_bundle("other", "h2", 1)
        assert not await store.activate_bundle("acme", "h1", 2, if_active="h2")
        assert not await store.activate_bundle("acme", "h1", 2, if_active="")
        assert list(await store.bundle_history("acme", 10)) == []
        assert await store.activate_bundle("acme", "h1", 3, by="ann", if_active=None)
        for wrong in (None, "", "h2", "H1", "any"):
            assert not await store.activate_bundle("acme", "h2", 4, if_active=wrong)
        assert await store.active_bundle("acme") == bundle("acme", "h1")
        assert await store.activate_bundle("acme", "h2", 5, by="bob", if_active="h1")
        assert await store.activate_bundle("acme", "h2", 6, if_active="h2")
        assert await store.activate_bundle("acme", "h1", 7)
        history = [(each.at_ms, each.by) for each in await store.bundle_history("acme", 10)]
        assert history == [(7, ""), (6, ""), (5, "bob"), (3, "ann")]

    async def test_of_two_who_expect_the_same_one_activates(self, store: Store, rival: Store) -> None:
        """However close together they are: the other is told so, and has changed nothing."""
        for name in ("a", "b"):
            for turn in range(20):
                await store.put_bundle(bundle("acme", f"{name}{turn}"))
        active = None
        for turn in range(20):
            both = [(store, f"a{turn}"), (rival, f"b{turn}")][:: 1 if turn % 2 else -1]
            won = await asyncio.gather(*[side.activate_bundle("acme", name, turn, if_active=active) for side, name in both])
            assert sorted(won) == [False, True]
            active = both[won.index(True)][1]
            assert [each.bundle_hash for each in await store.bundle_history("acme", 1)] == [active]
        assert len(await store.bundle_history("acme", 100)) == 20

    async def test_a_bundle_is_never_changed(self, store: Store) -> None:
        """The same hash again is a no-op, whatever comes with it."""
        await store.put_bundle(bundle("acme", "h1", b"permit"))
        await store.put_bundle(bundle("acme", "h1", b"forbid"))
        await store.activate_bundle("acme", "h1", 1)
        assert await store.active_bundle("acme") == bundle("acme", "h1", b"permit")

    async def test_what_is_not_kept_cannot_be_active(self, store: Store) -> None:
        """Nor can another owner's bundle; NotFound, and what was active stays so."""
        await store.put_bundle(bundle("acme", "h1"))
        await store.put_bundle(bundle("other", "h2"))
        await store.activate_bundle("acme", "h1", 1)
        for bundle_hash in ("h2", "h3", "H1"):
            for expected in ("h1", "h9"):
                with pytest.raises(NotFound):
                    await store.activate_bundle("acme", bundle_hash, 2, if_active=expected)
            with pytest.raises(NotFound):
                await store.activate_bundle("acme", bundle_hash, 2)
        assert await store.active_bundle("acme") == bundle("acme", "h1")
        assert list(await store.bundle_history("acme", 10)) == [activation(1, "h1")]

    async def test_documents_are_bytes(self, store: Store) -> None:
        """Any, and many of them."""
        document = bytes(range(256)) * 8_000
        await store.put_bundle(bundle("acme", "h1", document))
        await store.activate_bundle("acme", "h1", 1)
        assert await store.active_bundle("acme") == bundle("acme", "h1", document)


class StoreContract(TenantContract, KeyContract, BundleContract, AuditStoreContract):
    """Of every store."""

    async def test_it_says_that_it_answers(self, store: Store, rival: Store) -> None:
        """`check` returns, on every connection."""
        assert await store.check() is None  # type: ignore[func-returns-value]
        assert await rival.check() is None  # type: ignore[func-returns-value]

    async def test_writers_on_two_connections_lose_nothing(self, store: Store, rival: Store) -> None:
        """Forty keys, put at once from two sides, are all there."""
        await asyncio.gather(
            *[side.put_key(api_key(f"{name}{n}")) for n in range(20) for side, name in ((store, "a"), (rival, "b"))]
        )
        assert len(await store.keys("acme")) == 40

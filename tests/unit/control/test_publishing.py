"""Publishing and rolling back: whole or not at all, never over somebody else's head, and it is known who did it."""

import asyncio
import json

import pytest
from tests.unit.policy.publishing.drafts import NO_LARGE, OPEN, a_document

from triskel.control.publishing import Publisher
from triskel.errors import ConfigurationInvalid, Conflict, InvalidRequest, NotFound
from triskel.policy.bundle import bundle_hash
from triskel.policy.packs import pack_document
from triskel.ports.store import StoredBundle
from triskel.testing.clock import FixedClock
from triskel.testing.memory_store import MemoryStore

ONE, TWO, THREE = (a_document(OPEN, *more) for more in ((), (NO_LARGE,), (NO_LARGE.replace("large", "small"),)))
ONE_HASH, TWO_HASH, THREE_HASH = (bundle_hash(document) for document in (ONE, TWO, THREE))
DEFAULT_HASH = bundle_hash(pack_document("default"))
ANN = "user:ann"


class BusyStore(MemoryStore):
    """Just before each of acme's activations another process publishes one of `rivals`, until none is left."""

    def __init__(self, *rivals: bytes):
        super().__init__()
        self.rivals = list(rivals)

    async def activate_bundle(self, owner, bundle_hash, at_ms, **options):
        if self.rivals and owner == "acme":
            await activate(super(), owner, self.rivals.pop(0))
        return await super().activate_bundle(owner, bundle_hash, at_ms, **options)


async def activate(store, owner, document):
    name = bundle_hash(document)
    await store.put_bundle(StoredBundle(owner=owner, bundle_hash=name, document=document, published_at_ms=0))
    await store.activate_bundle(owner, name, 0)


async def a_publisher(store=None):
    """A publisher into a store with what ships."""
    store = store or MemoryStore()
    for owner in ("platform", "default"):
        await activate(store, owner, pack_document(owner))
    return Publisher(store, FixedClock())


async def hashes(publisher, owner="acme"):
    return [each.bundle_hash for each in await publisher.history(owner)]


async def test_publishing_activates_and_rolling_back_returns():
    """Both say what was and what is; whatever was ever active is found by its hash."""
    publisher = await a_publisher()
    first = await publisher.publish("acme", ONE, by=ANN)
    assert (first.before, first.after) == (None, ONE_HASH)
    second = await publisher.publish("acme", TWO, by=ANN, if_active=ONE_HASH)
    assert (second.before, second.after) == (ONE_HASH, TWO_HASH)
    assert (await publisher.publish("acme", TWO, by=ANN)).before == TWO_HASH
    assert await hashes(publisher) == [TWO_HASH, ONE_HASH]
    assert (await publisher.roll_back("acme", by=ANN)).after == ONE_HASH
    assert (await publisher.roll_back("acme", TWO_HASH[:10], by=ANN)).after == TWO_HASH
    assert [each.active for each in await publisher.history("acme")] == [True, False, False, False]
    for name, document in ((ONE_HASH, ONE), (TWO_HASH, TWO)):
        assert await publisher.kept(name) == document
        assert await publisher.document("acme", name[:8]) == document


async def test_a_bundle_is_kept_once_for_each_owner():
    """However often it changes places; a bundle that nobody published is not kept."""
    store = MemoryStore()
    publisher = await a_publisher(store)
    for document in (ONE, TWO, ONE, TWO):
        await publisher.publish("acme", document, by=ANN)
    await publisher.roll_back("acme", by=ANN)
    assert [key for key in store._bundles if key[0] not in ("platform", "default")] == [("acme", ONE_HASH), ("acme", TWO_HASH)]
    assert await publisher.kept(THREE_HASH) is None


async def test_the_history_says_who_activated_what():
    """Publishing and rolling back alike; what changes nothing leaves no row."""
    publisher = await a_publisher()
    await publisher.publish("acme", ONE, by=ANN)
    await publisher.publish("acme", TWO, by="operator:root")
    await publisher.publish("acme", TWO, by="user:late")
    await publisher.roll_back("acme", by="service:ci")
    history = await publisher.history("acme")
    assert [(each.bundle_hash, each.by) for each in history] == [
        (ONE_HASH, "service:ci"),
        (TWO_HASH, "operator:root"),
        (ONE_HASH, ANN),
    ]


async def test_a_tenant_cannot_name_the_bundle_of_another():
    """By its hash it would be found."""
    publisher = await a_publisher()
    await publisher.publish("other", TWO, by=ANN)
    await publisher.publish("acme", ONE, by=ANN)
    for reference in (TWO_HASH, TWO_HASH[:8]):
        with pytest.raises(NotFound):
            await publisher.document("acme", reference)
        with pytest.raises(NotFound):
            await publisher.roll_back("acme", reference, by=ANN)


async def test_rolling_back_a_tenants_first_policies_returns_to_the_default_ones():
    """There is always a way back."""
    publisher = await a_publisher()
    await publisher.publish("acme", ONE, by=ANN)
    assert (await publisher.roll_back("acme", by=ANN)).after == DEFAULT_HASH
    with pytest.raises(NotFound):
        await publisher.roll_back("platform", by=ANN)


async def test_what_is_not_expected_is_a_conflict():
    """Nothing is written."""
    publisher = await a_publisher()
    with pytest.raises(Conflict):
        await publisher.publish("acme", ONE, by=ANN, if_active=TWO_HASH)
    await publisher.publish("acme", ONE, by=ANN, if_active="")
    for change in (
        publisher.publish("acme", TWO, by=ANN, if_active=""),
        publisher.roll_back("acme", by=ANN, if_active=TWO_HASH),
    ):
        with pytest.raises(Conflict):
            await change
    assert await hashes(publisher) == [ONE_HASH]


async def test_two_publishers_at_once_do_not_overtake_each_other():
    """One of them meets a conflict, in one process or in two."""
    store = MemoryStore()
    publishers = await a_publisher(store), Publisher(store, FixedClock())
    for one, other in (publishers, (publishers[0], publishers[0])):
        active = next(iter(await hashes(one)), "")
        done = await asyncio.gather(
            one.publish("acme", THREE if active == ONE_HASH else ONE, by=ANN, if_active=active),
            other.publish("acme", TWO, by=ANN, if_active=active),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "Published"]
    assert len(await hashes(publishers[0])) == 2


async def test_who_expects_nothing_publishes_after_whoever_came_first():
    """And tells what was active just before."""
    publisher = await a_publisher(BusyStore(TWO))
    done = await publisher.publish("acme", ONE, by=ANN)
    assert (done.before, done.after) == (TWO_HASH, ONE_HASH)
    assert await hashes(publisher) == [ONE_HASH, TWO_HASH]


async def test_somebody_who_comes_first_by_a_hair_is_a_conflict():
    """For whoever expects a certain bundle, after it was looked at and before it was changed."""
    publisher = await a_publisher(BusyStore(TWO))
    with pytest.raises(Conflict):
        await publisher.publish("acme", ONE, by=ANN, if_active="")
    assert await hashes(publisher) == [TWO_HASH]


async def test_a_rollback_takes_back_what_was_seen_and_nothing_else():
    """Where somebody publishes meanwhile, with or without an expectation, nothing is changed."""
    for options in ({}, {"to": ONE_HASH}, {"if_active": TWO_HASH}):
        store = BusyStore()
        publisher = await a_publisher(store)
        for document in (ONE, TWO):
            await publisher.publish("acme", document, by=ANN)
        store.rivals = [THREE]
        with pytest.raises(Conflict, match="meanwhile"):
            await publisher.roll_back("acme", by=ANN, **options)
        assert await hashes(publisher) == [THREE_HASH, TWO_HASH, ONE_HASH]


async def test_publishing_gives_up_where_others_never_stop():
    """Rather than try for ever."""
    publisher = await a_publisher(BusyStore(*[TWO, THREE] * 50))
    with pytest.raises(Conflict, match="all the time"):
        await publisher.publish("acme", ONE, by=ANN)
    assert ONE_HASH not in await hashes(publisher)


async def test_what_cannot_be_loaded_is_not_published():
    """For the wrong layer, of the wrong form, or for nobody."""
    publisher = await a_publisher()
    for owner, document in (("platform", ONE), ("acme", a_document(OPEN, owner="platform")), ("acme", json.dumps({}).encode())):
        with pytest.raises(ConfigurationInvalid):
            await publisher.publish(owner, document, by=ANN)
    with pytest.raises(InvalidRequest):
        await publisher.publish("", ONE, by=ANN)
    with pytest.raises(NotFound):
        await publisher.roll_back("acme", ONE_HASH, by=ANN)
    with pytest.raises(InvalidRequest):
        await publisher.roll_back("acme", "ab", by=ANN)
    assert await publisher.history("acme") == []

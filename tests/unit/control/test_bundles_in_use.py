"""The bundles in use: they follow the store, and what was good stays."""

import asyncio

import pytest
from tests.unit.calls import a_call
from tests.unit.policy.publishing.drafts import NO_LARGE, OPEN, a_document
from tests.unit.systems import a_stage, chunks, completion

from triskel.control.bundles import BundlesInUse
from triskel.control.publishing import Publisher
from triskel.errors import ConfigurationInvalid, PolicyDenied, Unavailable
from triskel.policy.bundle import bundle_hash
from triskel.policy.packs import pack_document
from triskel.ports.store import StoredBundle
from triskel.providers.chat import chat_parts
from triskel.testing.clock import FixedClock
from triskel.testing.memory_store import MemoryStore

ONE, TWO = a_document(OPEN), a_document(OPEN, NO_LARGE)
ONE_HASH, TWO_HASH = bundle_hash(ONE), bundle_hash(TWO)
DEFAULT_HASH = bundle_hash(pack_document("default"))


class CountingStore(MemoryStore):
    """Counts questions, and can be taken away."""

    def __init__(self):
        super().__init__()
        self.histories: list[str] = []
        self.documents: list[str] = []
        self.away = ""

    async def bundle_history(self, owner, limit):
        if self.away:
            raise Unavailable(self.away)
        self.histories.append(owner)
        await asyncio.sleep(0)
        return await super().bundle_history(owner, limit)

    async def bundle(self, bundle_hash):
        self.documents.append(bundle_hash)
        return await super().bundle(bundle_hash)


async def activate(store, owner, document, name=None):
    name = name or bundle_hash(document)
    await store.put_bundle(StoredBundle(owner=owner, bundle_hash=name, document=document, published_at_ms=0))
    await store.activate_bundle(owner, name, 0)


async def in_use(**options):
    """A store with what ships, and bundles that follow it."""
    store, clock = CountingStore(), FixedClock()
    for owner, pack in (("platform", "platform"), ("default", "default")):
        await activate(store, owner, pack_document(pack))
    using = BundlesInUse(store, clock, **options)
    await using.load()
    return store, clock, using


def tenant_hash(using, tenant_id="acme"):
    return using.layers(tenant_id).tenant.hash


async def test_without_platform_or_default_nothing_starts():
    """Nothing would be permitted, so nobody is let believe that it would."""
    using = BundlesInUse(MemoryStore(), FixedClock())
    assert not using.loaded
    with pytest.raises(ConfigurationInvalid, match="platform"):
        await using.load()
    with pytest.raises(Unavailable):
        using.layers("acme")


async def test_a_tenant_without_policies_has_the_default_ones():
    """Once it is known that it has none; before that its calls are refused, not decided by somebody else's."""
    _, _, using = await in_use()
    assert not using.ready("acme")
    with pytest.raises(Unavailable):
        using.layers("acme")
    await using.prepare("acme")
    assert using.ready("acme")
    assert tenant_hash(using) == DEFAULT_HASH


async def test_a_tenants_own_policies_are_loaded_with_its_first_call():
    """And those of others are not touched."""
    store, _, using = await in_use()
    await activate(store, "acme", ONE)
    await asyncio.gather(*[using.prepare(tenant) for tenant in ("acme", "other", "acme")])
    assert (tenant_hash(using), tenant_hash(using, "other")) == (ONE_HASH, DEFAULT_HASH)
    assert store.documents.count(ONE_HASH) == 1
    assert using.state()["tenants"] == 1


async def test_a_new_bundle_is_taken_when_it_is_looked_at():
    """Cheaply where nothing changed: the document is read once."""
    store, _, using = await in_use()
    await activate(store, "acme", ONE)
    await using.prepare("acme")
    await using.look("acme")
    assert store.documents.count(ONE_HASH) == 1
    await activate(store, "acme", TWO)
    assert tenant_hash(using) == ONE_HASH
    await using.look("acme")
    assert tenant_hash(using) == TWO_HASH


async def test_a_new_platform_stands_above_every_tenant():
    """Also above those whose own did not change, at their next question."""
    store, _, using = await in_use()
    await activate(store, "acme", ONE)
    for tenant in ("acme", "other"):
        await using.prepare(tenant)
    platform = a_document('@id("platform.shut")\nforbid (principal, action, resource);', owner="platform")
    await activate(store, "platform", platform)
    await using.look("platform")
    assert {using.layers(tenant).platform.hash for tenant in ("acme", "other")} == {bundle_hash(platform)}
    assert tenant_hash(using) == ONE_HASH


@pytest.mark.parametrize(
    ("document", "name", "reason"),
    [
        (b"no bundle at all", None, "malformed"),
        (TWO, "f" * 64, "hash mismatch"),
        (a_document(OPEN, owner="platform"), None, "layer"),
        (TWO.replace(b'"v":1', b'"v":999'), None, "format"),
    ],
)
async def test_a_bad_bundle_leaves_the_last_good_one(document, name, reason):
    """In use, with a warning that says why; it is not read again and again, and a good one mends it."""
    store, _, using = await in_use()
    await activate(store, "acme", ONE)
    await using.prepare("acme")
    await activate(store, "acme", document, name)
    for _ in range(3):
        await using.look("acme")
    assert tenant_hash(using) == ONE_HASH
    assert store.documents.count(name or bundle_hash(document)) == 1
    assert using.state()["warnings"] == ["the active bundles of 1 tenants cannot be used"]
    assert reason in using.in_use("acme")[1].reason
    await activate(store, "acme", TWO)
    await using.look("acme")
    assert (tenant_hash(using), using.state()["warnings"]) == (TWO_HASH, [])


async def test_a_bad_platform_leaves_the_last_good_one():
    """The warning names it; readiness shows what is in use."""
    store, _, using = await in_use()
    before = using.base.platform.hash
    await activate(store, "platform", ONE)
    await using.look("platform")
    state = using.state()
    assert (using.base.platform.hash, state["bundles"]["platform"]) == (before, before)
    assert "`platform` cannot be used" in state["warnings"][0]


async def test_a_start_goes_back_to_the_newest_good_bundle():
    """A bad one that was activated while nobody looked does not shut the door."""
    store, clock, _ = await in_use()
    publisher = Publisher(store, clock)
    await publisher.publish("acme", ONE, by="user:ann")
    await publisher.publish("acme", TWO, by="user:ann")
    await activate(store, "acme", b"rubbish")
    using = BundlesInUse(store, clock)
    await using.load()
    await using.prepare("acme")
    assert tenant_hash(using) == TWO_HASH
    assert using.in_use("acme")[1].bundle_hash == bundle_hash(b"rubbish")


async def test_where_no_bundle_of_a_tenant_is_good_its_calls_are_refused():
    """They are not decided by the default ones, which may be looser."""
    store, _, using = await in_use()
    await activate(store, "acme", b"rubbish")
    await using.prepare("acme")
    with pytest.raises(Unavailable, match="cannot be loaded"):
        using.layers("acme")


async def test_a_store_that_is_away_changes_nothing_for_who_is_known():
    """Who is not known is refused; when it is back, the warning goes."""
    store, clock, using = await in_use()
    await activate(store, "acme", ONE)
    await using.prepare("acme")
    store.away = "the disk is full"
    clock.advance(60_000)
    await using.prepare("acme")
    assert tenant_hash(using) == ONE_HASH
    assert using.ready("acme")
    assert "the disk is full" in using.state()["warnings"][0]
    with pytest.raises(Unavailable):
        await using.prepare("stranger")
    store.away = ""
    clock.advance(60_000)
    await using.prepare("acme")
    assert using.state()["warnings"] == []


async def test_what_was_looked_at_long_ago_is_looked_at_before_it_decides():
    """A tenant that slept, or a process that was frozen, does not decide by yesterday's policies."""
    store, clock, using = await in_use()
    await activate(store, "acme", ONE)
    await using.prepare("acme")
    await activate(store, "acme", TWO)
    assert using.ready("acme")
    clock.advance(10_000)
    assert not using.ready("acme")
    await using.prepare("acme")
    assert tenant_hash(using) == TWO_HASH


@pytest.mark.parametrize("odd", ["", "platform", "default"])
async def test_an_odd_name_gives_a_tenant_nobody_elses_policies(odd):
    """Whatever a tenant is called, it has its own policies or the default ones."""
    store, clock, using = await in_use()
    await Publisher(store, clock).publish("acme", ONE, by="user:ann")
    await using.prepare(odd)
    assert tenant_hash(using, odd) == DEFAULT_HASH


async def test_only_so_many_tenants_are_held():
    """Who called longest ago makes room, and is loaded again."""
    _, clock, using = await in_use(most_tenants=3)
    for tenant in ("a", "b", "c", "d"):
        clock.advance(1)
        await using.prepare(tenant)
    assert [using.ready(tenant) for tenant in ("a", "b", "c", "d")] == [False, True, True, True]
    await using.prepare("a")
    assert using.ready("a")


async def test_watching_follows_the_store_and_survives_it():
    """Failures are tried again; only who called is asked about."""
    store, clock, using = await in_use(poll_s=0.001)
    await activate(store, "acme", ONE)
    await using.prepare("acme")
    task = asyncio.create_task(using.watch())
    try:
        store.away = "gone"
        await asyncio.sleep(0.02)
        store.away = ""
        await activate(store, "acme", TWO)
        async with asyncio.timeout(5):
            while tenant_hash(using) != TWO_HASH:
                clock.advance(1)
                using.ready("acme")
                await asyncio.sleep(0.001)
    finally:
        task.cancel()


async def test_a_stream_that_outlives_its_policies_ends_as_it_began():
    """A bundle that is taken into use meanwhile drops nothing; the next call meets it."""
    stage = await a_stage(chunks("one ", "two ", "three"), completion())
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    call = a_call(payload=body, parts=chat_parts(body), stream=True)
    answer = await stage.gateway.answer(call, stage.inference)
    stream = answer.chunks()
    received = [await anext(stream)]
    await activate(stage.store, "acme", a_document(OPEN, NO_LARGE.replace("large", "small")))
    await stage.system.policies.look("acme")
    received += [chunk async for chunk in stream]
    assert b"three" in b"".join(received)
    with pytest.raises(PolicyDenied):
        await stage.gateway.answer(a_call(), stage.inference)
    assert [entry["outcome"] for entry in await stage.entries()] == ["denied", "ok"]

"""Which bundle is active, and how that changes. One rule: a bundle is activated whole, after it was loaded once to try.

A bundle that is or was active is found again by its hash: the active one at its owner, the shipped ones in the package,
and every other one under a name of its own in the store.
"""

import asyncio
from dataclasses import dataclass

from triskel.errors import ConfigurationInvalid, Conflict, InvalidRequest, NotFound
from triskel.policy.bundle import bundle_hash, load_bundle
from triskel.policy.packs import pack_document
from triskel.policy.publishing.owners import KEPT, TENANT_DEFAULT, check_owner, layer_of, may_own
from triskel.ports.clock import Clock
from triskel.ports.store import BundleStore, StoredBundle

MAX_HISTORY = 1_000
ACTIVE = "active"
"""What may stand for the hash of the active bundle."""

_LEAST_PREFIX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """When which bundle became the active one. `active` marks the last."""

    at_ms: int
    bundle_hash: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was changed: the hash that was active, or None, and the one that is. The same twice: nothing had to change."""

    owner: str
    before: str | None
    after: str


class Publisher:
    """Publishes into a store.

    Within one process nothing comes between a look at what is active and its change; processes that publish for one owner
    in the same moment may overtake each other, and the history shows it.
    """

    def __init__(self, store: BundleStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changing = asyncio.Lock()

    async def publish(self, owner: str, document: bytes, *, if_active: str | None = None) -> Published:
        """Make a document the active bundle of `owner`. `if_active` is the hash that must be active now; "" for none.

        Raises InvalidRequest for such an owner, ConfigurationInvalid where the document cannot be loaded or is for another
        layer, Conflict where another bundle is active.
        """
        check_owner(owner)
        name = bundle_hash(document)
        await self._try(owner, name, document)
        async with self._changing:
            before = await self._expected(owner, if_active)
            return await self._activated(owner, before, name, document)

    async def roll_back(self, owner: str, to: str | None = None, *, if_active: str | None = None) -> Published:
        """Activate the bundle `to`, or the one that was active before: before a tenant's first, that is the default one.

        Raises as `publish`, and NotFound where there is none.
        """
        check_owner(owner)
        async with self._changing:
            before = await self._expected(owner, if_active)
            name = await self._before(owner, before) if to is None else await self.named(owner, to)
            document = await kept_document(self._store, owner, name)
            if document is None:
                raise NotFound(f"the bundle `{name}` is not kept")
            await self._try(owner, name, document)
            return await self._activated(owner, before, name, document)

    async def history(self, owner: str, limit: int = 20) -> list[Activation]:
        """Activations, the last one first."""
        found = await self._store.bundle_history(owner, min(limit, MAX_HISTORY))
        return [Activation(at_ms=at_ms, bundle_hash=name, active=number == 0) for number, (at_ms, name) in enumerate(found)]

    async def named(self, owner: str, reference: str) -> str:
        """The whole hash for `active`, a hash, or its first eight or more digits. Raises NotFound or InvalidRequest."""
        history = await self._store.bundle_history(owner, MAX_HISTORY)
        if reference == ACTIVE:
            if not history:
                raise NotFound(f"`{owner}` has published no policies")
            return history[0][1]
        if len(reference) < _LEAST_PREFIX:
            raise InvalidRequest(
                f"a bundle is named by at least {_LEAST_PREFIX} digits of its hash, or by `{ACTIVE}`", field="to"
            )
        found = {name for _, name in history if name.startswith(reference)}
        if len(found) > 1:
            raise InvalidRequest(f"`{reference[:64]}` is the beginning of several bundles' hashes", field="to")
        if not found:
            raise NotFound(f"`{owner}` has had no policy bundle `{reference[:64]}`")
        return found.pop()

    async def document(self, owner: str, reference: str) -> bytes:
        """The document of a bundle that is or was active; see `named`. Raises NotFound."""
        name = await self.named(owner, reference)
        found = await kept_document(self._store, owner, name)
        if found is None:
            raise NotFound(f"the bundle `{name}` is not kept")
        return found

    async def kept(self, owner: str, name: str) -> bytes | None:
        """The document of a hash, or None. `owner` says where to look first."""
        return await kept_document(self._store, owner, name)

    async def _try(self, owner: str, name: str, document: bytes) -> None:
        bundle = await asyncio.to_thread(load_bundle, document, name)
        if bundle.layer != layer_of(owner):
            raise ConfigurationInvalid(f"the bundle was made for the layer `{bundle.layer}`, not for `{owner}`")

    async def _expected(self, owner: str, if_active: str | None) -> str | None:
        history = await self._store.bundle_history(owner, 1)
        active = history[0][1] if history else None
        if if_active is not None and if_active != (active or ""):
            raise Conflict(f"the active bundle is `{active or ''}`, not `{if_active[:64]}`: somebody published meanwhile")
        return active

    async def _before(self, owner: str, active: str | None) -> str:
        """What was active before. For a tenant's first bundle that is the default one."""
        for _, name in await self._store.bundle_history(owner, MAX_HISTORY):
            if name != active:
                return name
        if active is not None and may_own(owner):
            default = await self._store.bundle_history(TENANT_DEFAULT, 1)
            if default and default[0][1] != active:
                return default[0][1]
        raise NotFound(f"`{owner}` has no earlier policies to go back to")

    async def _activated(self, owner: str, before: str | None, name: str, document: bytes) -> Published:
        if name != before:
            # Kept before they change places, so that whatever was ever active is found again.
            if before is not None:
                earlier = await self._store.active_bundle(owner)
                if earlier is not None:
                    await self._keep(earlier.bundle_hash, earlier.document)
            await self._keep(name, document)
            now_ms = self._clock.now_ms()
            await self._store.put_bundle(StoredBundle(owner=owner, bundle_hash=name, document=document, published_at_ms=now_ms))
            await self._store.activate_bundle(owner, name, now_ms)
        return Published(owner=owner, before=before, after=name)

    async def _keep(self, name: str, document: bytes) -> None:
        place, now_ms = KEPT + name, self._clock.now_ms()
        if not await self._store.bundle_history(place, 1):
            await self._store.put_bundle(StoredBundle(owner=place, bundle_hash=name, document=document, published_at_ms=now_ms))
            await self._store.activate_bundle(place, name, now_ms)


async def kept_document(store: BundleStore, owner: str, name: str) -> bytes | None:
    """The document of a hash, or None where it is not kept."""
    for place in (owner, KEPT + name, TENANT_DEFAULT):
        stored = await store.active_bundle(place)
        if stored is not None and stored.bundle_hash == name:
            return stored.document
    for pack in ("platform", "default"):
        document = pack_document(pack)
        if bundle_hash(document) == name:
            return document
    return None

"""Which bundle is active, and how that changes. One rule: a bundle is activated whole, after it was loaded once to try.

Whatever was ever active stays in the store and is found again by its hash. The history says who activated it: it is the
record of a change that is made on the command line, where nobody can write to the audit of a running process.
"""

import asyncio
from dataclasses import dataclass

from triskel.errors import ConfigurationInvalid, Conflict, InvalidRequest, NotFound
from triskel.policy.bundle import bundle_hash, load_bundle
from triskel.policy.publishing.owners import TENANT_DEFAULT, check_owner, layer_of, may_own
from triskel.ports.clock import Clock
from triskel.ports.store import BundleStore, StoredBundle

MAX_HISTORY = 1_000
ACTIVE = "active"
"""What may stand for the hash of the active bundle."""

_LEAST_PREFIX = 8
_MOST_TRIES = 20
"""So often it is tried to come between others who publish for the same owner without pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """When which bundle became the active one, and by whom; "" where nobody was named. `active` marks the last."""

    at_ms: int
    bundle_hash: str
    by: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was changed: the hash that was active, or None, and the one that is. The same twice: nothing had to change."""

    owner: str
    before: str | None
    after: str


class Publisher:
    """Publishes into a store. Nothing comes between a look at what is active and its change, whatever process it comes from.

    `by` is who does it: the operator of the machine as `operator:<name>`, a principal as `<kind>:<id>`.
    """

    def __init__(self, store: BundleStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def publish(self, owner: str, document: bytes, *, by: str, if_active: str | None = None) -> Published:
        """Make a document the active bundle of `owner`. `if_active` is the hash that must be active now; "" for none.

        Raises InvalidRequest for such an owner, ConfigurationInvalid where the document cannot be loaded or is for another
        layer, Conflict where another bundle is active.
        """
        check_owner(owner)
        name = bundle_hash(document)
        await self._try(owner, name, document)
        for _ in range(_MOST_TRIES):
            before = await self._expected(owner, if_active)
            if await self._activated(owner, before, name, document, by):
                return Published(owner=owner, before=before, after=name)
        raise Conflict(f"others publish for `{owner}` all the time")

    async def roll_back(self, owner: str, to: str | None = None, *, by: str, if_active: str | None = None) -> Published:
        """Activate the bundle `to`, or the one that was active before: before a tenant's first, that is the default one.

        Raises as `publish`, and NotFound where there is none. Where somebody publishes meanwhile it is a Conflict too: what
        is to be taken back is another bundle now.
        """
        check_owner(owner)
        before = await self._expected(owner, if_active)
        name = await self._before(owner, before) if to is None else await self.named(owner, to)
        document = await self._kept(name)
        await self._try(owner, name, document)
        if not await self._activated(owner, before, name, document, by):
            raise Conflict(f"the active bundle is not `{before or ''}` any more: somebody published meanwhile")
        return Published(owner=owner, before=before, after=name)

    async def history(self, owner: str, limit: int = 20) -> list[Activation]:
        """Activations, the last one first."""
        found = await self._store.bundle_history(owner, min(limit, MAX_HISTORY))
        return [
            Activation(at_ms=each.at_ms, bundle_hash=each.bundle_hash, by=each.by, active=number == 0)
            for number, each in enumerate(found)
        ]

    async def named(self, owner: str, reference: str) -> str:
        """The whole hash for `active`, a hash, or its first eight or more digits. Raises NotFound or InvalidRequest."""
        history = await self._store.bundle_history(owner, MAX_HISTORY)
        if reference == ACTIVE:
            if not history:
                raise NotFound(f"`{owner}` has published no policies")
            return history[0].bundle_hash
        if len(reference) < _LEAST_PREFIX:
            raise InvalidRequest(
                f"a bundle is named by at least {_LEAST_PREFIX} digits of its hash, or by `{ACTIVE}`", field="to"
            )
        found = {each.bundle_hash for each in history if each.bundle_hash.startswith(reference)}
        if len(found) > 1:
            raise InvalidRequest(f"`{reference[:64]}` is the beginning of several bundles' hashes", field="to")
        if not found:
            raise NotFound(f"`{owner}` has had no policy bundle `{reference[:64]}`")
        return found.pop()

    async def document(self, owner: str, reference: str) -> bytes:
        """The document of a bundle that is or was active; see `named`. Raises NotFound."""
        return await self._kept(await self.named(owner, reference))

    async def kept(self, name: str) -> bytes | None:
        """The document of a whole hash, whoever owns it, or None."""
        found = await self._store.bundle(name)
        return None if found is None else found.document

    async def _kept(self, name: str) -> bytes:
        document = await self.kept(name)
        if document is None:
            raise NotFound(f"the bundle `{name}` is not kept")
        return document

    async def _try(self, owner: str, name: str, document: bytes) -> None:
        bundle = await asyncio.to_thread(load_bundle, document, name)
        if bundle.layer != layer_of(owner):
            raise ConfigurationInvalid(f"the bundle was made for the layer `{bundle.layer}`, not for `{owner}`")

    async def _expected(self, owner: str, if_active: str | None) -> str | None:
        history = await self._store.bundle_history(owner, 1)
        active = history[0].bundle_hash if history else None
        if if_active is not None and if_active != (active or ""):
            raise Conflict(f"the active bundle is `{active or ''}`, not `{if_active[:64]}`: somebody published meanwhile")
        return active

    async def _before(self, owner: str, active: str | None) -> str:
        """What was active before. For a tenant's first bundle that is the default one."""
        for each in await self._store.bundle_history(owner, MAX_HISTORY):
            if each.bundle_hash != active:
                return each.bundle_hash
        if active is not None and may_own(owner):
            default = await self._store.bundle_history(TENANT_DEFAULT, 1)
            if default and default[0].bundle_hash != active:
                return default[0].bundle_hash
        raise NotFound(f"`{owner}` has no earlier policies to go back to")

    async def _activated(self, owner: str, before: str | None, name: str, document: bytes, by: str) -> bool:
        """Whether it is active now: False, and nothing is changed, where `before` is not the active one any more."""
        if name == before:
            return True
        now_ms = self._clock.now_ms()
        await self._store.put_bundle(StoredBundle(owner=owner, bundle_hash=name, document=document, published_at_ms=now_ms))
        return await self._store.activate_bundle(owner, name, now_ms, by=by, if_active=before)

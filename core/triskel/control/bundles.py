"""The bundles in use, kept as the store has them. One rule: what was good stays until something better is wholly loaded.

The platform's bundle and the default one are in use from the start; a tenant's own is loaded when its first call comes, and
until it is known whether there is one, that tenant's calls are refused rather than decided by the default. The store is
asked every second which bundles are active; what is new is loaded on another thread and put into use between two
questions to the policies, with one assignment.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from triskel.errors import ConfigurationInvalid, TriskelError, Unavailable
from triskel.gateway.gate import Answer, Check, Gateway
from triskel.gateway.passage import Gates
from triskel.model.call import Call
from triskel.policy.bundle import Bundle, load_bundle
from triskel.policy.guard import Policies
from triskel.policy.publishing.owners import PLATFORM, TENANT_DEFAULT, layer_of, may_own
from triskel.policy.verdict import Layers
from triskel.ports.clock import Clock
from triskel.ports.performer import Performer
from triskel.ports.store import BundleActivation, BundleStore

_log = logging.getLogger("triskel.policy")

POLL_S = 1.0
"""How often the store is asked which bundles are active."""

STALE_NS = 3_000_000_000
"""What was looked at longer ago is looked at again before it decides: a tenant that was idle, a process that was frozen."""

MAX_TENANTS = 2_000
"""So many tenants' policies are held; the one that called longest ago makes room, and is loaded again when it calls."""

_OLDER = 8
"""So many activations back a good bundle is looked for when a process starts and the active one cannot be loaded."""


class Refused(NamedTuple):
    """An active bundle that cannot be used, and why."""

    owner: str
    bundle_hash: str
    reason: str


class _Held:
    """One owner's bundle, or None where it has none. `hash` is the active one's, whether it could be loaded or not.

    `layers` were made when `base` was in use.
    """

    __slots__ = ("base", "bundle", "checked_ns", "hash", "layers", "refused", "used_ns")

    def __init__(self) -> None:
        self.bundle: Bundle | None = None
        self.hash = ""
        self.refused: Refused | None = None
        self.layers: Layers | None = None
        self.base: Layers | None = None
        self.checked_ns = 0
        self.used_ns = 0


class BundlesInUse(Policies):
    """`Policies` that follow a store."""

    def __init__(self, store: BundleStore, clock: Clock, *, poll_s: float = POLL_S, most_tenants: int = MAX_TENANTS) -> None:
        super().__init__()
        self._poll_s = poll_s
        self._most_tenants = most_tenants
        self._store = store
        self._clock = clock
        self._shared = {PLATFORM: _Held(), TENANT_DEFAULT: _Held()}
        self._tenants: dict[str, _Held] = {}
        self._base: Layers | None = None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unreachable = ""

    @property
    def loaded(self) -> bool:
        """Whether there is anything to decide by."""
        return self._base is not None

    @property
    def base(self) -> Layers:
        """The platform's bundle above the default one. Raises Unavailable before they were loaded."""
        if self._base is None:
            raise Unavailable("no policy bundle is in use")
        return self._base

    async def load(self) -> None:
        """Take the active bundles of the platform and of tenants without their own into use.

        Raises Unavailable, or ConfigurationInvalid where nothing that is or was active can be loaded; then what was in use
        stays in use.
        """
        for owner in (PLATFORM, TENANT_DEFAULT):
            await self.look(owner)
            if self._shared[owner].bundle is None:
                refused = self._shared[owner].refused
                raise ConfigurationInvalid(
                    f"the store holds no active policy bundle of `{owner}` that can be used; nothing would be permitted",
                    faults=() if refused is None else (refused.reason,),
                )

    async def watch(self) -> None:
        """Follow the store until cancelled. What goes wrong is logged and tried again."""
        looked_ns = self._clock.monotonic_ns()
        while True:
            await asyncio.sleep(self._poll_s)
            since_ns, looked_ns = looked_ns, self._clock.monotonic_ns()
            called = [tenant_id for tenant_id, held in self._tenants.items() if held.used_ns >= since_ns]
            for owner in (PLATFORM, TENANT_DEFAULT, *called):
                await self._look_again(owner)

    async def look(self, owner: str) -> None:
        """Take what is active now into use, if it can be loaded. Raises Unavailable where the store does not answer."""
        lock = self._locks.get(owner)
        if lock is None:
            lock = self._locks[owner] = asyncio.Lock()
        async with lock:
            await self._look(owner)

    def ready(self, tenant_id: str) -> bool:
        """Whether it is known by what to decide about this tenant's calls. Cheap; asked for each call."""
        now_ns = self._clock.monotonic_ns()
        held = self._tenants.get(tenant_id)
        if held is None or now_ns - held.checked_ns > STALE_NS:
            return False
        held.used_ns = now_ns
        return now_ns - self._shared[PLATFORM].checked_ns <= STALE_NS

    async def prepare(self, tenant_id: str) -> None:
        """Make ready for a tenant's call. Raises Unavailable where the store does not answer about an unknown tenant."""
        now_ns = self._clock.monotonic_ns()
        for owner in (PLATFORM, TENANT_DEFAULT):
            if now_ns - self._shared[owner].checked_ns > STALE_NS:
                await self._look_again(owner)
        if not may_own(tenant_id):
            return
        held = self._tenants.get(tenant_id)
        if held is None:
            await self.look(tenant_id)
        elif now_ns - held.checked_ns > STALE_NS:
            await self._look_again(tenant_id)
        self._tenants[tenant_id].used_ns = now_ns

    def layers(self, tenant_id: str) -> Layers:
        """What decides about a tenant's calls. Raises Unavailable where that is not known, or cannot be loaded."""
        held = self._tenants.get(tenant_id)
        if held is not None and held.layers is not None and held.base is self._base:
            return held.layers
        return self._layered(tenant_id, held)

    def _layered(self, tenant_id: str, held: _Held | None) -> Layers:
        base = self.base
        if held is None:
            if not may_own(tenant_id):
                return base
            raise Unavailable("the policies of this tenant are not at hand")
        if held.bundle is None and held.refused is not None:
            raise Unavailable("the policies of this tenant cannot be loaded")
        held.layers = base if held.bundle is None else Layers(base.platform, held.bundle)
        held.base = base
        return held.layers

    def state(self) -> dict[str, Any]:
        """Which bundles are in use and what is wrong, for readiness: nothing in it names a tenant."""
        warnings = [
            f"the active bundle of `{held.refused.owner}` cannot be used ({held.refused.reason}); "
            + ("the one before it stays in use" if held.bundle is not None else "none is in use")
            for held in self._shared.values()
            if held.refused is not None
        ]
        refused = sum(held.refused is not None for held in self._tenants.values())
        if refused:
            warnings.append(f"the active bundles of {refused} tenants cannot be used")
        if self._unreachable:
            warnings.append(f"the store does not say which bundles are active: {self._unreachable}")
        return {
            "bundles": {owner: held.bundle.hash if held.bundle else None for owner, held in self._shared.items()},
            "tenants": sum(held.bundle is not None for held in self._tenants.values()),
            "warnings": warnings,
        }

    def in_use(self, owner: str) -> tuple[str | None, Refused | None]:
        """The hash of an owner's bundle in use here, if any, and the active one that could not be used, if any."""
        held = self._shared.get(owner) or self._tenants.get(owner)
        if held is None:
            return None, None
        return held.bundle.hash if held.bundle else None, held.refused

    async def _look_again(self, owner: str) -> None:
        """As `look`, where something is in use already: what goes wrong changes nothing."""
        try:
            await self.look(owner)
        except TriskelError as error:
            self._missed(owner, error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, following the store must go on
            _log.exception("policies cannot be looked at")
            self._missed(owner, type(error).__name__)
        else:
            self._unreachable = ""

    def _missed(self, owner: str, reason: str) -> None:
        """Do not ask again at once: each call would."""
        held = self._shared.get(owner) or self._tenants.get(owner)
        if held is not None:
            held.checked_ns = self._clock.monotonic_ns()
        if self._unreachable != reason:
            self._unreachable = reason
            _log.warning("the store does not say which policies are active; those in use stay", extra={"reason": reason})

    async def _look(self, owner: str) -> None:
        held = self._shared.get(owner) or self._tenants.get(owner) or _Held()
        history = await self._store.bundle_history(owner, 1 if held.bundle is not None else _OLDER)
        active = history[0].bundle_hash if history else ""
        if active != held.hash:
            await self._take(owner, held, history)
        held.checked_ns = self._clock.monotonic_ns()
        if owner not in self._shared and owner not in self._tenants:
            self._make_room()
            held.used_ns = held.checked_ns
            self._tenants[owner] = held

    async def _take(self, owner: str, held: _Held, history: Sequence[BundleActivation]) -> None:
        """Load the active bundle. Where it is bad the one in use stays, or where there is none, the newest good one before."""
        active = history[0].bundle_hash
        refused = None
        for name in dict.fromkeys(each.bundle_hash for each in history):
            try:
                bundle = await self._load(owner, name)
            except ConfigurationInvalid as error:
                reason = "; ".join((error.message, *error.faults))
                _log.error("a policy bundle cannot be used", extra={"owner": owner, "bundle": name, "reason": reason})
                refused = refused or Refused(owner, name, reason)
                if held.bundle is not None:
                    break
            else:
                self._use(owner, held, bundle)
                _log.info("a policy bundle is in use", extra={"owner": owner, "bundle": name})
                break
        held.hash, held.refused = active, refused

    async def _load(self, owner: str, name: str) -> Bundle:
        stored = await self._store.bundle(name)
        if stored is None:
            raise ConfigurationInvalid(f"the store does not hold the bundle `{name}`")
        bundle = await asyncio.to_thread(load_bundle, stored.document, name)
        if bundle.layer != layer_of(owner):
            raise ConfigurationInvalid(f"the bundle was made for the layer `{bundle.layer}`")
        return bundle

    def _use(self, owner: str, held: _Held, bundle: Bundle) -> None:
        held.bundle, held.layers = bundle, None
        if owner in self._shared:
            platform, default = self._shared[PLATFORM].bundle, self._shared[TENANT_DEFAULT].bundle
            if platform is not None and default is not None:
                self._base = Layers(platform, default)

    def _make_room(self) -> None:
        if len(self._tenants) >= self._most_tenants:
            del self._tenants[min(self._tenants, key=lambda tenant_id: self._tenants[tenant_id].used_ns)]


class PreparedGateway(Gateway):
    """The gate, which first sees to it that the policies of the caller's tenant are at hand."""

    def __init__(self, gates: Gates, bundles: BundlesInUse) -> None:
        super().__init__(gates)
        self._bundles = bundles

    async def answer(self, call: Call, performer: Performer, traceparent: str | None = None) -> Answer:
        """See `Gateway.answer`."""
        if not self._bundles.ready(call.principal.tenant_id):
            await self._bundles.prepare(call.principal.tenant_id)
        return await super().answer(call, performer, traceparent)

    async def check(self, call: Call) -> Check:
        """See `Gateway.check`."""
        if not self._bundles.ready(call.principal.tenant_id):
            await self._bundles.prepare(call.principal.tenant_id)
        return await super().check(call)

    async def permit(self, call: Call) -> None:
        """See `Gateway.permit`."""
        if not self._bundles.ready(call.principal.tenant_id):
            await self._bundles.prepare(call.principal.tenant_id)
        await super().permit(call)

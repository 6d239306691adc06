"""API keys: `tk_<key id>_<secret>`. The one rule: what is kept is a hash, and a wrong key costs as much as a right one.

The secret has 256 random bits, so one SHA-256 is enough to keep it: there is nothing to guess that salt or stretching
would protect (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html is about passwords).
"""

import asyncio
import re
from dataclasses import replace
from hashlib import sha256
from hmac import compare_digest

from triskel.errors import InvalidCredential, Unavailable
from triskel.model.principal import ApiKey, Principal
from triskel.ports.clock import Clock
from triskel.ports.ids import Ids
from triskel.ports.store import KeyStore

PREFIX = "tk_"

KEY_LENGTH = 73
"""`tk_`, 26 characters of key id, an underscore and 43 of secret (32 bytes in base64url without padding)."""

_ID = slice(3, 29)
_SECRET = slice(30, None)
_matches = re.compile(r"tk_[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}_[0-9A-Za-z_-]{43}").fullmatch

# (SHA-256 of the secret, who it proves or None when it proves nobody, when the look-up began in epoch ms)
_Entry = tuple[bytes, Principal | None, int]
_NO_DIGEST = bytes(32)


def make(principal: Principal, ids: Ids, clock: Clock) -> tuple[str, ApiKey]:
    """A new key for `principal`: the plain text, to be shown once and never kept, and the record to store."""
    name = ids.new(PREFIX[:-1])
    secret = ids.secret()
    key_id = name[_ID]
    record = ApiKey(
        key_id=key_id,
        secret_sha256=sha256(secret.encode()).hexdigest(),
        principal=replace(principal, credential=f"key:{key_id}"),
        created_at_ms=clock.now_ms(),
    )
    return f"{name}_{secret}", record


class ApiKeys:
    """Checks API keys against the store, with a bounded cache in front of it.

    A key that was revoked in the store is refused at most `cache_ttl_ms` later, on every instance; where the wall clock
    is set back meanwhile, at most twice that. `forget` makes it immediate on this instance.

    Ids that the store does not know are remembered too, apart from the known ones, so that they cannot displace them;
    each side holds at most `max_entries`. However many ids are made up, the store sees at most `misses_per_s` look-ups
    that find nothing a second, over a burst of as many, and `max_lookups` at the same time. Beyond that, keys that
    were not seen lately are answered with Unavailable; those that were seen are still served.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Clock,
        cache_ttl_ms: int = 5_000,
        max_entries: int = 10_000,
        *,
        misses_per_s: int = 200,
        max_lookups: int = 64,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ttl_ms = cache_ttl_ms
        self._max_entries = max_entries
        self._known: dict[str, _Entry] = {}
        self._unknown: dict[str, _Entry] = {}
        self._flights: dict[str, asyncio.Task[_Entry]] = {}
        self._max_lookups = max_lookups
        self._misses_per_s = misses_per_s
        self._misses_left = float(misses_per_s)
        self._misses_at_ms = 0

    async def authenticate(self, presented: str) -> Principal:
        """Who `presented` proves. Raises InvalidCredential, or Unavailable when the store cannot say.

        A malformed key never reaches the cache or the store. An unknown id, a wrong secret and a revoked key are told
        apart neither by the error nor by the work done.
        """
        if len(presented) != KEY_LENGTH or _matches(presented) is None:
            raise InvalidCredential("the API key is not valid")
        key_id = presented[_ID]
        digest = sha256(presented[_SECRET].encode()).digest()
        now_ms = self._clock.now_ms()
        entry = self._known.get(key_id) or self._unknown.get(key_id)
        if entry is None or not 0 <= now_ms - entry[2] < self._ttl_ms:
            entry = await self._look_up(key_id, now_ms)
        principal = entry[1]
        if not compare_digest(digest, entry[0]) or principal is None:
            raise InvalidCredential("the API key is not valid")
        return principal

    def forget(self, key_id: str) -> None:
        """Look this key up again the next time: it was created, changed or revoked here."""
        self._known.pop(key_id, None)
        self._unknown.pop(key_id, None)
        self._flights.pop(key_id, None)

    async def _look_up(self, key_id: str, now_ms: int) -> _Entry:
        """The entry from the store. All who ask for one id at the same time share one look-up."""
        flight = self._flights.get(key_id)
        if flight is None:
            if len(self._flights) >= self._max_lookups:
                raise Unavailable("too many API keys are being looked up", retry_after_ms=1_000)
            if key_id not in self._known:
                self._expect_miss(now_ms)
            flight = asyncio.create_task(self._fetch(key_id, now_ms))
            # A caller that gives up must not leave an error that nobody reads.
            flight.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            self._flights[key_id] = flight
        # The look-up belongs to all who wait for it: one of them being cancelled does not end it.
        return await asyncio.shield(flight)

    async def _fetch(self, key_id: str, now_ms: int) -> _Entry:
        flight = asyncio.current_task()
        try:
            record = await self._store.key(key_id)
            entry = _entry(key_id, record, now_ms)
            if self._flights.get(key_id) is flight:  # otherwise `forget` was called, and this answer is too old to keep
                self._keep(key_id, entry, known=record is not None)
            return entry
        finally:
            if self._flights.get(key_id) is flight:
                del self._flights[key_id]

    def _keep(self, key_id: str, entry: _Entry, *, known: bool) -> None:
        was_known = self._known.pop(key_id, None) is not None
        self._unknown.pop(key_id, None)
        side = self._known if known else self._unknown
        if len(side) >= self._max_entries:
            del side[next(iter(side))]  # the one whose look-up is longest ago
        side[key_id] = entry
        if known and not was_known:
            self._misses_left += 1

    def _expect_miss(self, now_ms: int) -> None:
        """Pay for a look-up that may find nothing; it is given back when it does. Raises Unavailable."""
        elapsed_ms = max(0, now_ms - self._misses_at_ms)
        self._misses_at_ms = now_ms
        self._misses_left = min(self._misses_left + elapsed_ms * self._misses_per_s / 1_000, self._misses_per_s)
        if self._misses_left < 1:
            raise Unavailable("too many unknown API keys are being presented", retry_after_ms=1_000)
        self._misses_left -= 1


def _entry(key_id: str, record: ApiKey | None, now_ms: int) -> _Entry:
    """What to compare with. A store that folds case could answer with another key: that is no answer."""
    if record is None or record.key_id != key_id:
        return _NO_DIGEST, None, now_ms
    # A key with a date of revocation is refused even where that date lies ahead: clocks differ, and intent does not.
    principal = record.principal if record.revoked_at_ms is None else None
    return bytes.fromhex(record.secret_sha256), principal, now_ms

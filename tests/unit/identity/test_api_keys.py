"""API keys: what is kept, what is refused, and what an attacker can make the store do."""

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest
from tests.unit.identity.issuing import ALICE, CountedIds, CountingKeyStore, SetClock

from triskel.errors import InvalidCredential, Unavailable
from triskel.identity.api_keys import KEY_LENGTH, ApiKeys, make


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def store():
    return CountingKeyStore()


@pytest.fixture
def issued(store, clock):
    """A key of Alice that the store knows: its plain text and its record."""
    plain, record = make(ALICE, CountedIds(), clock)
    store.rows[record.key_id] = record
    return plain, record


def unknown_key(number: int) -> str:
    return f"tk_{number:026d}_{'x' * 43}"


async def refused(keys: ApiKeys, presented: str) -> bool:
    with pytest.raises(InvalidCredential) as caught:
        await keys.authenticate(presented)
    assert len(presented) < 9 or presented not in str(caught.value)
    return True


def test_a_made_key_has_the_documented_form_and_keeps_only_a_hash(issued):
    plain, record = issued
    prefix, key_id, secret = plain.split("_", 2)
    assert (prefix, key_id, len(plain)) == ("tk", record.key_id, KEY_LENGTH)
    assert record.secret_sha256 == sha256(secret.encode()).hexdigest()
    assert secret not in repr(record)
    assert record.principal == replace(ALICE, credential=f"key:{key_id}")


async def test_a_good_key_is_its_principal_and_the_store_is_asked_once(store, clock, issued):
    plain, record = issued
    keys = ApiKeys(store, clock)
    assert [await keys.authenticate(plain) for _ in range(3)] == [record.principal] * 3
    assert store.lookups == 1


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "tk_",
        "tk_' OR 1=1 --",
        "tk_" + "' OR '1'='1' UNION SELECT 1"[:26] + "_" + "x" * 43,
        f"tk_{'0' * 26}_{'x' * 42}",
        f"tk_{'0' * 26}_{'x' * 44}",
        f"tk_{'0' * 26}_{'x' * 42}\n",
        f"tk_{'0' * 26}_{'x' * 42}é",
        f"tk_{'٣' * 26}_{'x' * 43}",
        f"tk_{'0' * 25}U_{'x' * 43}",
        f"TK_{'0' * 26}_{'x' * 43}",
        f"tk-{'0' * 26}-{'x' * 43}",
        "tk_" + "0" * 10_000_000,
        f"tk_{'0' * 26}_{'x' * 42}\ud800",
    ],
    ids=lambda key: repr(key[:20]),
)
async def test_a_malformed_key_never_reaches_the_store(store, clock, presented):
    await refused(ApiKeys(store, clock), presented)
    assert store.lookups == 0


async def test_a_wrong_secret_and_an_unknown_id_are_refused_in_the_same_words(store, clock, issued):
    plain, _ = issued
    keys = ApiKeys(store, clock)
    wrong = plain[:-1] + ("a" if plain[-1] != "a" else "b")
    messages = []
    for presented in (wrong, unknown_key(7), wrong, unknown_key(7)):
        with pytest.raises(InvalidCredential) as caught:
            await keys.authenticate(presented)
        messages.append(caught.value.message)
    assert len(set(messages)) == 1
    assert await keys.authenticate(plain)


async def test_a_revoked_key_is_refused_within_the_ttl_of_the_cache(store, clock, issued):
    plain, record = issued
    keys = ApiKeys(store, clock, cache_ttl_ms=5_000)
    await keys.authenticate(plain)
    store.rows[record.key_id] = replace(record, revoked_at_ms=clock.now_ms())
    clock.pass_ms(4_999)
    assert await keys.authenticate(plain), "within the bound the cache may still answer"
    clock.pass_ms(1)
    assert await refused(keys, plain)


async def test_a_key_revoked_here_is_refused_at_once(store, clock, issued):
    plain, record = issued
    keys = ApiKeys(store, clock)
    await keys.authenticate(plain)
    store.rows[record.key_id] = replace(record, revoked_at_ms=clock.now_ms())
    keys.forget(record.key_id)
    assert await refused(keys, plain)


async def test_an_answer_that_was_under_way_when_a_key_was_revoked_is_not_kept(store, clock, issued):
    plain, record = issued
    keys = ApiKeys(store, clock)
    store.gate = asyncio.Event()
    waiting = asyncio.create_task(keys.authenticate(plain))
    await asyncio.sleep(0)
    keys.forget(record.key_id)
    store.gate.set()
    await waiting
    store.rows[record.key_id] = replace(record, revoked_at_ms=clock.now_ms())
    assert await refused(keys, plain)


async def test_a_date_of_revocation_that_lies_ahead_revokes(store, clock, issued):
    plain, record = issued
    store.rows[record.key_id] = replace(record, revoked_at_ms=clock.now_ms() + 1_000_000)
    assert await refused(ApiKeys(store, clock), plain)


async def test_a_clock_set_back_ends_what_was_cached(store, clock, issued):
    plain, _ = issued
    keys = ApiKeys(store, clock)
    await keys.authenticate(plain)
    clock.pass_ms(-1)
    await keys.authenticate(plain)
    assert store.lookups == 2


async def test_a_store_that_folds_case_cannot_lend_a_key_to_another_id(store, clock, issued):
    plain, record = issued
    other = f"tk_{'0' * 25}A_{plain[30:]}"
    store.rows[other[3:29]] = record
    assert await refused(ApiKeys(store, clock), other)


async def test_an_unknown_id_is_remembered(store, clock):
    keys = ApiKeys(store, clock)
    for _ in range(50):
        await refused(keys, unknown_key(1))
    assert store.lookups == 1


async def test_made_up_ids_neither_fill_memory_nor_hammer_the_store(store, clock, issued):
    """100,000 made-up ids in ten seconds: bounded memory, bounded look-ups, and a key in use goes on working."""
    plain, record = issued
    keys = ApiKeys(store, clock, max_entries=100, misses_per_s=50)
    await keys.authenticate(plain)
    overloads = 0
    for number in range(100_000):
        if number % 10 == 0:
            clock.pass_ms(1)
        try:
            await keys.authenticate(unknown_key(number + 10))
        except InvalidCredential:
            pass
        except Unavailable as overload:
            overloads += overload.retry_after_ms == 1_000
        if number % 1_000 == 0:
            assert await keys.authenticate(plain) == record.principal
    assert store.lookups <= 50 + 50 * 10 + 10
    assert overloads > 90_000
    assert len(keys._known) + len(keys._unknown) + len(keys._flights) <= 201


async def test_known_keys_do_not_use_up_the_allowance_for_unknown_ones(store, clock):
    ids = CountedIds()
    plains = []
    for _ in range(30):
        plain, record = make(ALICE, ids, clock)
        store.rows[record.key_id] = record
        plains.append(plain)
    keys = ApiKeys(store, clock, misses_per_s=2)
    assert len([await keys.authenticate(plain) for plain in plains]) == 30


async def test_callers_with_one_key_share_one_look_up_and_one_may_leave(store, clock, issued):
    plain, record = issued
    keys = ApiKeys(store, clock)
    store.gate = asyncio.Event()
    callers = [asyncio.create_task(keys.authenticate(plain)) for _ in range(20)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    store.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [record.principal] * 19
    assert store.lookups == 1


async def test_look_ups_at_the_same_time_are_bounded(store, clock):
    keys = ApiKeys(store, clock, max_lookups=3)
    store.gate = asyncio.Event()
    callers = [asyncio.create_task(keys.authenticate(unknown_key(number))) for number in range(10)]
    await asyncio.sleep(0.01)
    store.gate.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [InvalidCredential] * 3 + [Unavailable] * 7
    assert store.lookups == 3


async def test_when_the_store_is_away_nobody_is_let_in_on_an_old_answer(store, clock, issued):
    plain, record = issued
    keys = ApiKeys(store, clock)
    await keys.authenticate(plain)
    store.down = True
    clock.pass_ms(5_000)
    with pytest.raises(Unavailable):
        await keys.authenticate(plain)
    store.down = False
    assert await keys.authenticate(plain) == record.principal

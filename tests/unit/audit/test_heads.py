"""Signed heads: only the key's holder can make one, and nothing in it can be changed."""

from dataclasses import replace

import pytest
from tests.unit.audit.records import KEYS, SIGNER

from triskel.audit.chain import Tail
from triskel.audit.heads import Signer, is_genuine, key_id_of
from triskel.testing.ids import SeededIds

HEAD = SIGNER.sign(("acme", 2), Tail(7, "a" * 64), 1_750_000_000_000)


def test_a_signed_head_is_genuine():
    """It names chain, end, moment and key."""
    assert (HEAD.tenant_id, HEAD.shard, HEAD.seq, HEAD.hash, HEAD.at_ms) == ("acme", 2, 7, "a" * 64, 1_750_000_000_000)
    assert HEAD.key_id == SIGNER.key_id == key_id_of(SIGNER.public_key)
    assert is_genuine(HEAD, KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "other"},
        {"shard": 1},
        {"seq": 8},
        {"hash": "b" * 64},
        {"at_ms": 1},
        {"key_id": "0" * 16},
        {"signature": "0" * 128},
        {"signature": ""},
        {"signature": "not hexadecimal"},
        {"signature": HEAD.signature[:-2]},
    ],
)
def test_a_changed_head_is_forged(change):
    """Whatever was changed."""
    assert not is_genuine(replace(HEAD, **change), KEYS)


def test_another_key_does_not_count():
    """Also under the name of the right one."""
    other = Signer(bytes(32))
    forged = other.sign(("acme", 2), Tail(7, "a" * 64), 1)
    assert not is_genuine(forged, KEYS)
    assert not is_genuine(replace(forged, key_id=SIGNER.key_id), KEYS)
    assert not is_genuine(forged, {other.key_id: b"short"})


def test_a_key_that_was_in_use_before_still_counts():
    """As long as it is among the trusted ones."""
    old = Signer(bytes(32))
    head = old.sign(("acme", 0), Tail(1, "a" * 64), 1)
    assert is_genuine(head, {**KEYS, old.key_id: old.public_key})


def test_a_signer_is_made_from_a_secret():
    """The same secret makes the same key; the key is not shown."""
    secret = SeededIds(1).secret()
    one, other = Signer.from_secret(secret), Signer.from_secret(secret)
    assert one.public_key == other.public_key
    assert secret not in repr(one)
    with pytest.raises(ValueError):
        Signer(b"too short")

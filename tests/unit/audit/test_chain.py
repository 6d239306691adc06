"""The hash chain covers every word."""

import hashlib
from dataclasses import replace

import pytest

from triskel.audit.chain import GENESIS, Draft, Tail, extend, hash_of
from triskel.model.audit import EntryKind


def a_draft(audit_id: str = "aud_1", body: bytes = b'{"v":1}') -> Draft:
    return Draft(audit_id, EntryKind.CLOSED, 17, body, 1, False, 0, "life_1")


def test_a_hash_is_what_the_documentation_says():
    """Anybody can compute it with SHA-256 and a JSON encoder."""
    (entry,) = extend(("acme", 3), Tail(), [a_draft()])
    place = f'["triskel.audit.entry.v1","{GENESIS}","acme",3,1,"aud_1","closed",17]'
    assert entry.hash == hashlib.sha256(place.encode() + b'\n{"v":1}').hexdigest()


def test_entries_are_linked_in_order():
    """From the tail on, without gaps, each to the one before it."""
    entries = extend(("acme", 0), Tail(41, "a" * 64), [a_draft("aud_1"), a_draft("aud_2"), a_draft("aud_3")])
    assert [entry.seq for entry in entries] == [42, 43, 44]
    assert [entry.audit_id for entry in entries] == ["aud_1", "aud_2", "aud_3"]
    assert [entry.prev_hash for entry in entries] == ["a" * 64, entries[0].hash, entries[1].hash]
    assert all(entry.hash == hash_of(entry) for entry in entries)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "acmf"},
        {"shard": 1},
        {"seq": 2},
        {"audit_id": "aud_2"},
        {"kind": EntryKind.OPENED},
        {"at_ms": 18},
        {"body": b'{"v":2}'},
        {"prev_hash": "1" * 64},
    ],
)
def test_a_hash_covers_each_field(change):
    """No field of an entry can be changed under its hash."""
    (entry,) = extend(("acme", 0), Tail(), [a_draft()])
    assert hash_of(replace(entry, **change)) != entry.hash


def test_no_two_places_write_the_same_bytes():
    """What moves from one field into the next changes the hash."""
    (one,) = extend(("a", 0), Tail(), [a_draft('b",1,1,"c')])
    (other,) = extend(('a",0,1,"b', 0), Tail(), [a_draft("c")])
    assert one.hash != other.hash

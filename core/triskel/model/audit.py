"""Proof of what was decided and done."""

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    """What an entry of a chain says about its call."""

    OPENED = "opened"
    """The call was let through and had not ended when the chain was written."""
    CLOSED = "closed"
    """The call ended; the body is its whole record."""
    ABANDONED = "abandoned"
    """The process that performed the call is gone, and nobody will say how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One link. `hash` is SHA-256 over `prev_hash`, the coordinates and `body`; `body` is canonical JSON.

    `seq` counts from 1 without gaps in each (tenant, shard). `audit_id` names the call's record, never a position.
    """

    tenant_id: str
    shard: int
    seq: int
    audit_id: str
    kind: EntryKind
    at_ms: int
    body: bytes
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a chain at a moment, signed with Ed25519 (`signature` in hexadecimal) by the key `key_id`."""

    tenant_id: str
    shard: int
    seq: int
    hash: str
    at_ms: int
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """What to look for. Bounds of time are inclusive from, exclusive to. `cursor` continues an earlier page."""

    tenant_id: str
    audit_id: str | None = None
    call_id: str | None = None
    decision_id: str | None = None
    principal_id: str | None = None
    verdict: str | None = None
    route: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """Something wrong in a chain: `changed`, `removed`, `inserted`, `reordered`, `truncated` or `head_forged`."""

    tenant_id: str
    shard: int
    seq: int
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a verification found. `open_calls` are let through and not yet closed; `abandoned_calls` never will be."""

    valid: bool
    entries: int
    heads: int
    open_calls: int
    abandoned_calls: int
    faults: tuple[ChainFault, ...] = ()

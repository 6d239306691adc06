"""What the audit knows about one call, and its stored form. One rule: hashes of texts, never texts, unless policy says so.

An entry's body is compact JSON with its keys in a fixed order. What can be searched for stands at the top:

    v, epoch, audit_id, call_id, principal_id, intent, decision_id, verdict, route, outcome[, reason]

`verdict` and `route` are the final ones where the call has ended; before that `verdict` is the one on the input and
`route` is empty. `outcome` is null until the call has ended. `reason` says why a call was given up, on abandoned ones.

A journal record is a header, a line feed and such a body, so that the sequencer need not decode the body. The record of a
call that ended begins its body with the same bytes as the record of its intent, so that an intent is encoded once.
"""

import hashlib
from typing import Any

import msgspec

from triskel.errors import Unavailable
from triskel.model.audit import EntryKind
from triskel.model.call import Action, CallKind, Target
from triskel.model.decision import Decision
from triskel.model.finding import FindingRecord
from triskel.model.principal import Principal
from triskel.model.route import Attempt
from triskel.model.usage import Usage

VERSION = 1
"""Version of the body. Readers take this one and the older ones."""


class Intent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is about to be done, and who let it. Hashes are salted; times are milliseconds since the epoch.

    With the estimates it holds all that the policies saw, so that the decision can be made again.
    """

    audit_id: str
    call_id: str
    principal: Principal
    surface: str
    kind: CallKind
    action: Action
    target: Target
    effect_key: str
    opened_at_ms: int
    deadline_ms: int
    decision: Decision
    request_hash: str = ""
    findings: tuple[FindingRecord, ...] = ()
    token_estimate: int = 0
    cost_estimate: int = 0
    clouds: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How it ended: `ok`, `denied`, `cancelled`, `error:<code>` and the like.

    `decision` is the final one where the output changed it, else None: the intent's stands. `findings` are those of the
    output. `content` is whatever policy wants kept, as JSON values; None as a rule.
    """

    closed_at_ms: int
    outcome: str
    decision: Decision | None = None
    findings: tuple[FindingRecord, ...] = ()
    route: str = ""
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = Usage()
    cost_micro_usd: int = 0
    latency_ms: int = 0
    response_hash: str = ""
    content: Any = None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """An entry's body, its larger parts still encoded."""

    v: int
    epoch: str
    audit_id: str
    call_id: str
    principal_id: str
    intent: msgspec.Raw
    decision_id: str
    verdict: str
    route: str
    outcome: msgspec.Raw
    reason: str | msgspec.UnsetType = msgspec.UNSET


class _Beginning(msgspec.Struct, frozen=True, gc=False):
    v: int
    epoch: str
    audit_id: str
    call_id: str
    principal_id: str
    intent: Intent


class _Ending(msgspec.Struct, frozen=True, gc=False):
    decision_id: str
    verdict: str
    route: str
    outcome: Outcome | None


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What the sequencer must know about a journal record. `kind` is OPENED or CLOSED, `at_ms` when it was so."""

    kind: EntryKind
    audit_id: str
    epoch: str
    at_ms: int
    deadline_ms: int


class OpenState(msgspec.Struct, frozen=True):
    """What decides whether an open call was given up: who performed it, and until when it may take."""

    epoch: str
    intent: "_Deadline"


class _Deadline(msgspec.Struct, frozen=True):
    deadline_ms: int


_encoder = msgspec.json.Encoder()
_decode_header = msgspec.json.Decoder(Header).decode
_decode_body = msgspec.json.Decoder(Body).decode
_decode_open_state = msgspec.json.Decoder(OpenState).decode
_decode_intent = msgspec.json.Decoder(Intent).decode
_decode_outcome = msgspec.json.Decoder(Outcome).decode


def salted_hash(salt: bytes, value: bytes) -> str:
    """64 hexadecimal digits: keyed BLAKE2b-256 (RFC 7693, section 2.9). `salt` is secret and at most 64 bytes long."""
    return hashlib.blake2b(value, key=salt, digest_size=32).hexdigest()


def encode(value: Any) -> bytes:
    """Compact JSON. Half a surrogate pair, which no UTF-8 can carry, becomes `?`: proof must always be writable."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_without_surrogates(msgspec.to_builtins(value)))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value


def beginning(intent: Intent, epoch: str) -> bytes:
    """What both records of a call say, encoded."""
    return encode(_Beginning(VERSION, epoch, intent.audit_id, intent.call_id, intent.principal.principal_id, intent))


def opened_record(intent: Intent, begun: bytes, epoch: str) -> bytes:
    """The journal record of an intent; `begun` is `beginning(intent, epoch)`."""
    header = encode((EntryKind.OPENED, intent.audit_id, epoch, intent.opened_at_ms, intent.deadline_ms))
    decision = intent.decision
    return _joined(header, begun, encode(_Ending(decision.decision_id, decision.verdict, "", None)))


def closed_record(intent: Intent, begun: bytes, epoch: str, outcome: Outcome) -> bytes:
    """The journal record of a call that ended, which is whole in itself: it needs no earlier record."""
    header = encode((EntryKind.CLOSED, intent.audit_id, epoch, outcome.closed_at_ms, intent.deadline_ms))
    decision = outcome.decision or intent.decision
    ended = encode(_Ending(decision.decision_id, decision.verdict, outcome.route, outcome))
    return _joined(header, begun, ended)


def _joined(header: bytes, begun: bytes, ended: bytes) -> bytes:
    """A header, and one object of two."""
    return b"".join((header, b"\n", begun[:-1], b",", ended[1:]))


def parse_record(data: bytes) -> tuple[Header, bytes]:
    """Header and body of a journal record. Raises ValueError where it is none."""
    head, found, body = data.partition(b"\n")
    if not found:
        raise ValueError("no header")
    return _decode_header(head), body


def abandoned_body(opened: bytes, reason: str) -> bytes:
    """The body of the entry that gives up the call of an `opened` body: the same, with the reason."""
    return encode(msgspec.structs.replace(_decode_body(opened), reason=reason))


def open_state(opened: bytes) -> OpenState:
    """What an `opened` body says about its performer. Raises ValueError where it is none."""
    return _decode_open_state(opened)


def decode_body(body: bytes) -> tuple[Body, Intent, Outcome | None]:
    """A stored body, taken apart. Raises Unavailable where a later version wrote it, or nobody did."""
    try:
        outer = _decode_body(body)
        if outer.v > VERSION:
            raise Unavailable("an audit record was written by a later version")
        outcome = None if bytes(outer.outcome) == b"null" else _decode_outcome(outer.outcome)
        return outer, _decode_intent(outer.intent), outcome
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable("an audit record cannot be read") from error

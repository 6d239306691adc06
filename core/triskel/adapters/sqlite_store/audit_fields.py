"""The fields by which calls are found, read out of a body. Its one rule: a body that cannot be read is still kept."""

import msgspec

from triskel.model.audit import Entry

_MAX_MS = (1 << 63) - 1


class _Intent(msgspec.Struct, gc=False):
    opened_at_ms: int | None = None


class _Body(msgspec.Struct):
    call_id: str | None = None
    principal_id: str | None = None
    decision_id: str | None = None
    verdict: str | None = None
    route: str | None = None
    intent: _Intent | None = None


_decode = msgspec.json.Decoder(_Body).decode

Fields = tuple[int, str | None, str | None, str | None, str | None, str | None]


def fields(entry: Entry) -> Fields:
    """(opened_at_ms, call_id, decision_id, principal_id, verdict, route); None where the body does not say or says nothing.

    A body without a moment of opening counts as opened when its entry was made.
    """
    try:
        body = _decode(entry.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (entry.at_ms, None, None, None, None, None)
    opened_at_ms = body.intent.opened_at_ms if body.intent is not None else None
    if opened_at_ms is None or not 0 <= opened_at_ms <= _MAX_MS:
        opened_at_ms = entry.at_ms
    return (
        opened_at_ms,
        body.call_id or None,
        body.decision_id or None,
        body.principal_id or None,
        body.verdict or None,
        body.route or None,
    )

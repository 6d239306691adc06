"""The one mapping from our errors to OpenAI's error object, on a reply and in a stream.

https://platform.openai.com/docs/guides/error-codes
"""

from typing import Any

from triskel.errors import Fault, InvalidCredential, LimitError, Retry, TriskelError, Unavailable
from triskel.http.exchange import Exchange, Header, encode_json

_TYPES = {
    Fault.CALLER: "invalid_request_error",
    Fault.POLICY: "policy_error",
    Fault.UPSTREAM: "upstream_error",
    Fault.PLATFORM: "server_error",
}

ENDING = Unavailable("the server is ending; the call was cut off")
"""What a call is told that was still under way when the server's grace was over."""


def error_object(error: TriskelError) -> dict[str, Any]:
    """`{"error": {...}}`: message, type, param and code as OpenAI has them, and our ids where there are any."""
    kind = "rate_limit_error" if isinstance(error, LimitError) else _TYPES[error.fault]
    if isinstance(error, InvalidCredential):
        kind = "authentication_error"
    body: dict[str, Any] = {"message": error.message, "type": kind, "param": error.field, "code": error.code}
    if error.decision_id:
        body["decision_id"] = error.decision_id
        body["policies"] = list(error.policy_ids)
    if error.audit_id:
        body["audit_id"] = error.audit_id
    return {"error": body}


def error_headers(error: TriskelError) -> list[Header]:
    """`retry-after` in whole seconds, rounded up, and our ids."""
    headers: list[Header] = []
    if error.retry_after_ms is not None:
        headers.append((b"retry-after", b"%d" % max(1, -(-error.retry_after_ms // 1000))))
    elif error.retry is Retry.AFTER:
        headers.append((b"retry-after", b"1"))
    if error.decision_id:
        headers.append((b"x-triskel-decision", error.decision_id.encode()))
    if error.audit_id:
        headers.append((b"x-triskel-audit", error.audit_id.encode()))
    if isinstance(error, InvalidCredential):
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


async def reply_error(exchange: Exchange, error: TriskelError) -> None:
    """Answer with `error`."""
    await exchange.reply(error.status, encode_json(error_object(error)), headers=error_headers(error))


def error_event(error: TriskelError) -> bytes:
    """The server-sent event that ends a broken stream. OpenAI's SDKs raise an APIError from it."""
    return b"data: " + encode_json(error_object(error)) + b"\n\n"

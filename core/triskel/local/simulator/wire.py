"""Answers as bytes: OpenAI's chat completion, whole and in chunks, in HTTP/1.1. One rule: equal answers are equal bytes.

https://platform.openai.com/docs/api-reference/chat/object and .../chat/streaming
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from triskel.local.simulator.answer import Answer
from triskel.local.simulator.offer import OfferedDeployment
from triskel.local.simulator.refusal import Refusal
from triskel.local.simulator.request import ChatRequest
from triskel.local.simulator.tokens import pieces

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, encoded. `head` ends the headers; of a stream, `frames` hold a token each and `tail` the end of the body.

    A whole reply is `head` and `tail`. Everything behind the head of a stream is in HTTP chunks, one for each event.
    """

    stream: bool
    head: bytes
    opening: bytes
    frames: tuple[bytes, ...]
    tail: bytes
    tokens: int
    """Of prompt and answer."""
    answer_tokens: int
    digest: bytes

    @property
    def everything(self) -> bytes:
        """All of it at once."""
        return b"".join((self.head, self.opening, *self.frames, self.tail))


def reply_bytes(request: ChatRequest, answer: Answer, deployment: OfferedDeployment, created_s: int) -> Reply:
    """The reply to `request`."""
    stem = request.digest.hex()
    shared: dict[str, Any] = {
        "id": f"chatcmpl-{stem}",
        "object": "chat.completion.chunk" if request.stream else "chat.completion",
        "created": created_s,
        "model": deployment.upstream_model,
        "system_fingerprint": "fp_simulated",
    }
    usage = {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": answer.tokens,
        "total_tokens": request.prompt_tokens + answer.tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    if request.stream:
        opening, frames, tail = _events(shared, answer, usage if request.include_usage else None)
        head = headers("text/event-stream; charset=utf-8", stem)
    else:
        opening, frames = b"", ()
        tail = msgspec.json.encode({**shared, "choices": [_choice(answer)], "usage": usage})
        head = headers("application/json", stem, len(tail))
    return Reply(
        stream=request.stream,
        head=head,
        opening=opening,
        frames=frames,
        tail=tail,
        tokens=request.prompt_tokens + answer.tokens,
        answer_tokens=answer.tokens,
        digest=request.digest,
    )


def status_line(status: int) -> bytes:
    """The first line of a response."""
    return _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Error\r\n".encode()


def headers(content_type: str, stem: str = "", length: int | None = None, extra: str = "") -> bytes:
    """Headers and the empty line behind them. Without `length` the body comes in chunks."""
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    identity = f"x-request-id: req_{stem}\r\n" if stem else ""
    return f"content-type: {content_type}\r\n{identity}{extra}{framing}\r\n\r\n".encode()


def error_bytes(refusal: Refusal) -> bytes:
    """Headers and body of an error."""
    extra = "" if refusal.retry_after_s is None else f"retry-after: {refusal.retry_after_s}\r\n"
    return document_bytes(refusal.body(), extra)


def document_bytes(body: bytes, extra: str = "") -> bytes:
    """Headers and body of a JSON document."""
    return headers("application/json", length=len(body), extra=extra) + body


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(document: Any) -> bytes:
    """One server-sent event in one HTTP chunk."""
    return chunk(b"data: " + msgspec.json.encode(document) + b"\n\n")


DONE = chunk(b"data: [DONE]\n\n")


def _choice(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.calls:
        message["content"] = None
        message["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.calls
        ]
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}


def _events(shared: dict[str, Any], answer: Answer, usage: dict[str, Any] | None) -> tuple[bytes, tuple[bytes, ...], bytes]:
    asked = {} if usage is None else {"usage": None}

    def delta_event(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event({**shared, "choices": [choice], **asked})

    opening = delta_event({"role": "assistant", "content": None if answer.calls else "", "refusal": None})
    frames = tuple(map(delta_event, _deltas(answer)))
    tail = delta_event({}, answer.finish_reason)
    if usage is not None:
        tail += event({**shared, "choices": [], "usage": usage})
    return opening, frames, tail + DONE + LAST_CHUNK


def _deltas(answer: Answer) -> Iterable[dict[str, Any]]:
    for piece in pieces(answer.text):
        yield {"content": piece}
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.call_id, "type": "function", "function": function}]}
        for piece in pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

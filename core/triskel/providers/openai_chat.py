"""OpenAI chat completions, as OpenAI, Azure OpenAI's v1 API, Ollama, vLLM and many others speak it.

Request and reply: https://platform.openai.com/docs/api-reference/chat
Streams: https://platform.openai.com/docs/api-reference/chat-streaming
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from triskel.errors import UpstreamError, UpstreamFault, UpstreamRejected, UpstreamThrottled
from triskel.model.frame import Channel, Delta
from triskel.model.route import Deployment
from triskel.model.units import Tokens
from triskel.model.usage import Usage
from triskel.ports.transport import UpstreamRequest
from triskel.providers.codec import ErrorReply
from triskel.providers.retry_after import retry_after_ms

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""The longest event that is accepted. A provider that sends more without a break is at fault."""

_HEADERS = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
_STREAM_HEADERS = {**_HEADERS, "accept": "text/event-stream"}
_CHOICE_KEYS = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
_REPLY_KEYS = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
_ASIDE = "aside."
"""Channels of what providers add beside the answer (citations, search results): whole in the frame that bears them."""

_NOT_TEXT = frozenset({"role", "type", "id", "index"})
_TOOL_NAME = re.compile(r"[A-Za-z_-]{1,64}").fullmatch
"""Names of functions are not held back like text: a client needs them in the first chunk of a tool call."""

_DONE = b"[DONE]"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_Place = tuple[list[Any] | dict[str, Any], Any]
"""A container and the key or index in it at which a text stands."""


class ChatFrame:
    """A whole completion, or one chunk of a streamed one."""

    __slots__ = ("_body", "_data", "_places", "deltas", "ends", "is_content", "usage")

    def __init__(self, data: dict[str, Any], body: bytes, *, streamed: bool) -> None:
        """`data` is `body` decoded; a streamed body is a whole server-sent event."""
        self._data = data
        self._body = body
        places: dict[Channel, _Place] = {}
        ends: list[str] = []
        for choice in data["choices"]:
            prefix = f"{choice.get('index', 0)}."
            places.update(_texts(choice.get("delta" if streamed else "message"), prefix))
            if streamed and choice.get("finish_reason"):
                ends.append(prefix)
            if not choice.keys() <= _CHOICE_KEYS:
                others = {key: item for key, item in choice.items() if key not in _CHOICE_KEYS}
                places.update(_texts(others, f"{_ASIDE}{prefix}", choice))
        if not data.keys() <= _REPLY_KEYS:
            others = {key: item for key, item in data.items() if key not in _REPLY_KEYS}
            places.update(_texts(others, _ASIDE, data))
        deltas = [Delta(channel, container[key]) for channel, (container, key) in places.items()]
        if places and any(channel.startswith(_ASIDE) for channel in places):
            ends.append(_ASIDE)
        if not streamed:
            ends = [""]
        self._places = places
        self.deltas: Sequence[Delta] = deltas
        self.ends: Sequence[str] = ends
        self.is_content = bool(ends) or any(delta.text for delta in deltas)
        self.usage = _usage(data.get("usage"))

    @property
    def body(self) -> bytes:
        """The encoded frame."""
        return self._body

    def with_texts(self, texts: Mapping[Channel, str]) -> "EditedFrame":
        """The same frame with other texts; token probabilities go with them, because they spell the text out."""
        originals = {channel: self._places[channel] for channel in texts}
        before = [(place, place[0][place[1]]) for place in originals.values()]
        for channel, (container, key) in originals.items():
            container[key] = texts[channel]
        try:
            data = {**self._data, "choices": [{**choice, "logprobs": None} for choice in self._data["choices"]]}
            encoded = _encode(data)
        finally:
            for (container, key), text in before:
                container[key] = text
        streamed = self._body.startswith(b"data:")
        deltas = [Delta(d.channel, texts.get(d.channel, d.text)) for d in self.deltas]
        return EditedFrame(b"data: " + encoded + b"\n\n" if streamed else encoded, deltas, self.ends, self.usage)

    def bearing(self, texts: Mapping[Channel, str]) -> "EditedFrame":
        """A chunk with the head of this one that carries only `texts`."""
        choices = [
            {"index": int(index), "delta": _delta_of(path, text), "finish_reason": None}
            for channel, text in texts.items()
            for index, _, path in (channel.partition("."),)
        ]
        head = {key: value for key, value in self._data.items() if key not in ("choices", "usage")}
        encoded = b"data: " + _encode({**head, "choices": choices}) + b"\n\n"
        return EditedFrame(encoded, [Delta(channel, text) for channel, text in texts.items()], (), None)


class EditedFrame:
    """A frame that policy changed, or made. It is taken apart again only if somebody wants to change it once more."""

    __slots__ = ("body", "deltas", "ends", "usage")

    def __init__(self, body: bytes, deltas: Sequence[Delta], ends: Sequence[str], usage: Usage | None) -> None:
        self.body = body
        self.deltas = deltas
        self.ends = ends
        self.usage = usage

    @property
    def is_content(self) -> bool:
        """Whether it bears any part of the answer."""
        return bool(self.ends) or any(delta.text for delta in self.deltas)

    def with_texts(self, texts: Mapping[Channel, str]) -> "EditedFrame":
        """The same frame with other texts."""
        return self._whole().with_texts(texts)

    def bearing(self, texts: Mapping[Channel, str]) -> "EditedFrame":
        """A chunk with the head of this one that carries only `texts`."""
        return self._whole().bearing(texts)

    def _whole(self) -> ChatFrame:
        streamed = self.body.startswith(b"data:")
        return ChatFrame(_parsed(self.body[6:] if streamed else self.body), self.body, streamed=streamed)


class EndFrame:
    """`[DONE]`: nothing more will come."""

    __slots__ = ("_template",)
    body = b"data: [DONE]\n\n"
    deltas: Sequence[Delta] = ()
    ends: Sequence[str] = ("",)
    usage: Usage | None = None
    is_content = False

    def __init__(self, template: ChatFrame) -> None:
        self._template = template

    def with_texts(self, texts: Mapping[Channel, str]) -> "EndFrame":  # noqa: ARG002 - it has none
        """Itself."""
        return self

    def bearing(self, texts: Mapping[Channel, str]) -> EditedFrame:
        """A chunk like those before it."""
        return self._template.bearing(texts)


def _texts(value: Any, path: str, owner: dict[str, Any] | None = None) -> Iterator[tuple[str, _Place]]:
    """Every string under `value` with a channel that is the same in each chunk of a stream.

    Where `value` is a selection from another object, that is the `owner` in which its own strings are to be replaced.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if item.__class__ is str:
                if key not in _NOT_TEXT and not (key == "name" and _TOOL_NAME(item)):
                    yield path + key, (value if owner is None else owner, key)
            elif item.__class__ is dict or item.__class__ is list:
                yield from _texts(item, f"{path}{key}.")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            if item.__class__ is str:
                yield f"{path}{position}", (value, position)
            else:
                index = item.get("index", position) if isinstance(item, dict) else position
                yield from _texts(item, f"{path}{index}.")


def _delta_of(path: str, text: str) -> dict[str, Any]:
    """The smallest delta in which `text` stands at `path`."""
    delta: Any = text
    for key in reversed(path.split(".")):
        delta = [{"index": int(key), **delta}] if key.isdigit() and isinstance(delta, dict) else {key: delta}
    return delta  # type: ignore[no-any-return]


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    details = value.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        input_tokens=_count(value.get("prompt_tokens")),
        output_tokens=_count(value.get("completion_tokens")),
        cached_tokens=_count(cached),
    )


def _count(value: Any) -> Tokens:
    return Tokens(value) if value.__class__ is int and value > 0 else Tokens(0)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        data = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFault("the provider's answer is not JSON") from None
    if not isinstance(data, dict):
        raise UpstreamFault("the provider's answer is not a JSON object")
    if data.get("error"):
        raise UpstreamFault("the provider broke the answer off with an error")
    choices = data.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise UpstreamFault("the provider's answer has no list of `choices`")
    return data


class OpenAIChatDecoder:
    """Server-sent events of chat chunks.

    The framing is that of https://html.spec.whatwg.org/multipage/server-sent-events.html, of which only `data` matters.
    """

    def __init__(self, *, wants_usage: bool) -> None:
        """Chunks that bear only usage are hidden from a caller that did not ask for them."""
        self._wants_usage = wants_usage
        self._rest = b""
        self._last: ChatFrame | None = None
        self._done = False

    def feed(self, chunk: bytes) -> list[ChatFrame | EndFrame]:
        """The frames that `chunk` completes."""
        buffer = self._rest + chunk if self._rest else chunk
        if b"\r" in buffer:
            buffer = buffer.replace(b"\r\n", b"\n")
        *events, self._rest = buffer.split(b"\n\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise UpstreamFault("the provider sent an event that is too long")
        return [frame for event in events for frame in self._frames(event)]

    def close(self) -> list[ChatFrame | EndFrame]:
        """Nothing, for a stream that came to its end. Raises UpstreamFault for one that did not."""
        frames = list(self._frames(self._rest)) if self._rest.strip() else []
        self._rest = b""
        if not self._done:
            raise UpstreamFault("the provider broke the stream off")
        return frames

    def _frames(self, event: bytes) -> Iterator[ChatFrame | EndFrame]:
        data = event[6:] if event.startswith(b"data: ") and b"\n" not in event else _data_of(event)
        if not data or self._done:
            return
        if data == _DONE:
            self._done = True
            if self._last is None:
                raise UpstreamFault("the provider sent an empty stream")
            yield EndFrame(self._last)
            return
        parsed = _parsed(data)
        hidden = not parsed["choices"] and not self._wants_usage and "usage" in parsed
        body = b"" if hidden else b"data: " + data + b"\n\n"
        self._last = ChatFrame(parsed, body, streamed=True)
        yield self._last


def _data_of(event: bytes) -> bytes:
    """The `data` of an event with several fields or lines. Comments, ids and names of events are passed over."""
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


class OpenAIChat:
    """The codec."""

    def encode(self, payload: Mapping[str, Any], deployment: Deployment, *, stream: bool) -> UpstreamRequest:
        """What policy saw is what is sent: the decoded body encoded again, so that no duplicate key can differ."""
        body = {**payload, "model": deployment.upstream_model}
        if stream:
            body["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
        return UpstreamRequest(
            method="POST",
            url=deployment.base_url + "/chat/completions",
            headers=_STREAM_HEADERS if stream else _HEADERS,
            body=_encode(body),
        )

    def decode(self, body: bytes) -> ChatFrame:
        """A whole completion."""
        data = _parsed(body)
        if not data["choices"]:
            raise UpstreamFault("the provider's answer holds no choice")
        return ChatFrame(data, body, streamed=False)

    def decoder(self, payload: Mapping[str, Any]) -> OpenAIChatDecoder:
        """A decoder that hides the usage chunk unless the caller asked for it."""
        options = payload.get("stream_options") or {}
        return OpenAIChatDecoder(wants_usage=bool(options.get("include_usage")))

    def error(self, reply: ErrorReply) -> UpstreamError:
        """429 is throttling, 408 and 5xx and whatever denies us access are the provider's; other 4xx are the caller's.

        https://platform.openai.com/docs/guides/error-codes
        """
        status, after = reply.status, retry_after_ms(reply.retry_after)
        if status == 429:
            return UpstreamThrottled("the provider is over its capacity", retry_after_ms=after)
        if status in (400, 413, 422):
            message, field = _provider_message(reply.body)
            return UpstreamRejected(message, status=400 if status == 422 else status, field=field)
        return UpstreamFault(f"the provider answered with status {status}", retry_after_ms=after)


def _provider_message(body: bytes) -> tuple[str, str | None]:
    """The provider's own words about a request that it refuses."""
    try:
        error = _decode(body)["error"]
        message, field = error["message"], error.get("param")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, AttributeError):
        return "the provider refuses the request", None
    if not isinstance(message, str):
        return "the provider refuses the request", None
    return f"the provider refuses the request: {message[:500]}", field if isinstance(field, str) else None

"""The internal form of a chat: OpenAI's chat completions body, decoded.

Every surface turns what it receives into this form and every provider schema is translated from it, so that policy has
one thing to look at. Its one rule: no text is left out. What is not known to be free of text is text.

Fields: https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterator, Mapping
from typing import Any

from triskel.errors import InvalidRequest
from triskel.model.call import Part, Path, Surface

MAX_DEPTH = 64
"""Levels of nesting in a body. OpenAI allows tool schemas of 10 levels; nothing sane needs 64."""

MAX_PARTS = 20_000
"""Texts in one body. A request with more is refused rather than scanned for seconds."""

_DIGITS_WORTH_SCANNING = 10_000_000
"""Numbers of eight digits and more can be a card, a national id or a phone."""

_MOST = {"max_tokens": 10**9, "max_completion_tokens": 10**9, "n": 128}
"""The largest values of numbers that the cost is reckoned from. OpenAI allows 128 answers; no model gives 10^9 tokens."""

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_TYPES = frozenset(
    {"text", "image_url", "input_audio", "file", "function", "refusal", "json_object", "json_schema", "object", "string"}
    | {"number", "integer", "boolean", "array", "null", "custom"}
)
_BINARY = ("data:image/", "data:audio/", "data:video/")
_TOOL_ARGUMENT_KEYS = frozenset({"tool_calls", "function_call"})


def check_chat(body: Any) -> Mapping[str, Any]:
    """`body`, when it is a chat that can be worked with. Raises InvalidRequest naming the field at fault.

    Only what the gate itself reads is checked; a provider checks the rest.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    _expect(body, "model", str, "a string that names a model or deployment, or `auto`", required=True)
    if not 0 < len(body["model"]) <= 256:
        raise InvalidRequest("`model` must have 1 to 256 characters", field="model")
    messages = _expect(body, "messages", list, "a list of messages", required=True)
    if not messages:
        raise InvalidRequest("`messages` must hold at least one message", field="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise InvalidRequest(f"`messages[{index}]` must be an object", field=f"messages[{index}]")
        if not isinstance(message.get("role"), str):
            raise InvalidRequest(f"`messages[{index}].role` must be a string", field=f"messages[{index}].role")
        if not isinstance(message.get("content"), str | list | None):
            field = f"messages[{index}].content"
            raise InvalidRequest(f"`{field}` must be a string, a list of parts or null", field=field)
    _expect(body, "stream", bool, "true or false")
    _expect(body, "stream_options", dict, "an object")
    _expect(body, "tools", list, "a list of tools")
    for name, most in _MOST.items():
        value = _expect(body, name, int, f"a whole number from 1 to {most}")
        if value is not None and (isinstance(value, bool) or not 1 <= value <= most):
            raise InvalidRequest(f"`{name}` must be a whole number from 1 to {most}", field=name)
    return body


def _expect(body: Mapping[str, Any], name: str, kind: type, expected: str, *, required: bool = False) -> Any:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, kind):
        raise InvalidRequest(f"`{name}` must be {expected}", field=name)
    return value


def chat_parts(body: Mapping[str, Any]) -> tuple[Part, ...]:
    """Every text of a checked chat body, in order. Raises InvalidRequest where there are too many or too deep."""
    parts: list[Part] = []
    for index, message in enumerate(body["messages"]):
        role = message["role"]
        surface = Surface.TOOL_RESULT if role in ("tool", "function") else Surface.PROMPT
        for key, value in message.items():
            if key == "content" and value.__class__ is str:
                parts.append(Part(surface, ("messages", index, "content"), value))
            elif not (key == "role" and role in _ROLES):
                kind = Surface.TOOL_ARGUMENT if key in _TOOL_ARGUMENT_KEYS else surface
                parts.extend(_texts(value, ("messages", index, key), kind))
    for key, value in body.items():
        if key not in ("messages", "model") and value.__class__ not in (bool, float):
            parts.extend(_texts(value, (key,), Surface.PROMPT))
    if len(parts) > MAX_PARTS:
        raise InvalidRequest(f"the body holds more than {MAX_PARTS} texts")
    return tuple(parts)


def _texts(value: Any, path: Path, surface: Surface) -> Iterator[Part]:
    """The strings, the keys and the long numbers under `value`."""
    if len(path) > MAX_DEPTH:
        raise InvalidRequest(f"the body is nested more than {MAX_DEPTH} levels deep", field=str(path[0]))
    if isinstance(value, str):
        if value and not _is_structure(path[-1], value):
            yield Part(surface, path, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key), surface)
            if not _is_plain_name(key):
                yield Part(surface, (*path, key), key, is_key=True)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index), surface)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _DIGITS_WORTH_SCANNING:
        yield Part(surface, path, str(value))


def _is_structure(key: str | int, value: str) -> bool:
    """Whether a string is one of the wire schema's own words, or bytes in base64, and so holds nothing to find."""
    if key == "role":
        return value in _ROLES
    if key == "type":
        return value in _TYPES
    return key in ("url", "data", "file_data") and value.startswith(_BINARY)


def _is_plain_name(key: str) -> bool:
    """Whether a key is a short word of letters: no credential and no number can hide in it."""
    return len(key) <= 32 and key.isascii() and key.replace("_", "").isalpha()


def max_output_tokens(body: Mapping[str, Any]) -> int | None:
    """The caller's own bound on the tokens of an answer, or None where it sets none."""
    value = body.get("max_completion_tokens")
    if value is None:
        value = body.get("max_tokens")
    return value if isinstance(value, int) else None


def needed_capabilities(body: Mapping[str, Any]) -> frozenset[str]:
    """What a deployment must be able to do to answer this chat."""
    needed = {"chat"}
    if body.get("tools") or body.get("functions"):
        needed.add("tools")
    response_format = body.get("response_format")
    if isinstance(response_format, dict) and response_format.get("type") in ("json_object", "json_schema"):
        needed.add("json")
    for message in body["messages"]:
        content = message.get("content")
        if content.__class__ is list and any(isinstance(p, dict) and p.get("type") == "image_url" for p in content):
            needed.add("vision")
            break
    return frozenset(needed)

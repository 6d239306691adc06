"""What the simulated model says. One rule: the same request to the same deployment has the same answer, always.

Orders that a user may give near the beginning of the last message, the first that matches wins:
- `repeat after me: TEXT` answers exactly TEXT, all that follows but one space
- `decode base64: TEXT` answers what TEXT encodes, so that an answer can hold what no prompt held
- `write N words` answers N words
"""

import base64
import binascii
import re
from dataclasses import dataclass

import msgspec

from triskel.local.simulator.offer import OfferedDeployment
from triskel.local.simulator.phrases import spoken, told, written
from triskel.local.simulator.request import ChatRequest
from triskel.local.simulator.schema_value import value_for
from triskel.local.simulator.tokens import count, cut, pieces
from triskel.local.simulator.tool_use import ToolCall, tool_calls
from triskel.local.simulator.words import LOOKED_AT, main_words

_REPEAT = re.compile(r"\brepeat after me:\s?", re.IGNORECASE)
_DECODE = re.compile(r"\bdecode base64:\s{0,4}", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_WRITE = re.compile(r"\bwrite (\d{1,6}) words\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer: text, or calls of tools. `finish_reason` is OpenAI's: stop, length or tool_calls."""

    text: str
    calls: tuple[ToolCall, ...]
    finish_reason: str
    tokens: int


def answer(request: ChatRequest, deployment: OfferedDeployment, room: int) -> Answer:
    """The answer in at most `room` tokens."""
    prompt = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    if deployment.chunks:
        return _in_exactly(deployment.chunks, request, room)
    if request.messages[-1].role != "tool":
        calls = tool_calls(request, prompt)
        if calls:
            return _calling(calls, room)
    text = _text(request, deployment, prompt)
    if request.answer_as_json:
        text = _as_json(request, text, prompt)
    return _saying(text, request, room)


def _text(request: ChatRequest, deployment: OfferedDeployment, prompt: str) -> str:
    if ordered := _REPEAT.search(prompt, 0, LOOKED_AT):
        return prompt[ordered.end() :]
    if ordered := _DECODE.search(prompt, 0, LOOKED_AT):
        encoded = _BASE64.match(prompt, ordered.end())
        return _decoded(encoded[0] if encoded else "")
    if ordered := _WRITE.search(prompt, 0, LOOKED_AT):
        # More words than the deployment can say would be cut anyway.
        return written(min(int(ordered[1]), deployment.max_output * 4), request.digest)
    if request.messages[-1].role == "tool":
        return told(request.messages, prompt)
    return spoken(request.messages, prompt, deployment, request.digest)


def _decoded(encoded: str) -> str:
    try:
        padded = encoded.translate(str.maketrans("-_", "+/")) + "=" * (-len(encoded) % 4)
        return base64.b64decode(padded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "That is not base64 of a text."


def _as_json(request: ChatRequest, text: str, prompt: str) -> str:
    if request.json_schema is not None:
        return msgspec.json.encode(value_for(request.json_schema, prompt)).decode()
    return msgspec.json.encode({"answer": text, "about": main_words(prompt, 3)}).decode()


def _saying(text: str, request: ChatRequest, room: int) -> Answer:
    stopped = min((at for at in map(text.find, request.stops) if at >= 0), default=len(text))
    whole = text[:stopped]
    said = cut(whole, room)
    return Answer(text=said, calls=(), finish_reason="stop" if said == whole else "length", tokens=count(said))


def _in_exactly(tokens: int, request: ChatRequest, room: int) -> Answer:
    """Words in exactly so many tokens, whatever was asked, and `stop` ignored: for measurements."""
    text = "".join(pieces(written(tokens, request.digest))[: min(tokens, room)])
    return Answer(text=text, calls=(), finish_reason="stop" if tokens <= room else "length", tokens=count(text))


def _calling(calls: tuple[ToolCall, ...], room: int) -> Answer:
    made: list[ToolCall] = []
    left = room
    for call in calls:
        left -= count(call.name)
        if left <= 0:
            break
        arguments = cut(call.arguments, left)
        left -= count(arguments)
        made.append(ToolCall(call_id=call.call_id, name=call.name, arguments=arguments))
    finish_reason = "tool_calls" if tuple(made) == calls else "length"
    return Answer(text="", calls=tuple(made), finish_reason=finish_reason, tokens=room - max(left, 0))

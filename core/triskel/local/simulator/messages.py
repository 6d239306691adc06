"""The conversation in a request. One rule: only what OpenAI's wire allows becomes a Message; everything else is refused."""

from dataclasses import dataclass
from typing import Any

from triskel.local.simulator.refusal import malformed
from triskel.local.simulator.tokens import TOKENS_PER_IMAGE, TOKENS_PER_MESSAGE, count

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `text` is all its text parts, a line each; `called` are (id, name) of the tools an assistant called."""

    role: str
    text: str
    images: int = 0
    answers_id: str = ""
    called: tuple[tuple[str, str], ...] = ()

    @property
    def tokens(self) -> int:
        """What the message counts in a prompt."""
        return count(self.text) + TOKENS_PER_MESSAGE + self.images * TOKENS_PER_IMAGE


def read_messages(value: Any) -> tuple[Message, ...]:
    """The messages of a body. Raises Refusal."""
    if not isinstance(value, list) or not value:
        raise malformed("`messages` must be a list with at least one message.", "messages")
    messages: list[Message] = []
    expected: dict[str, str] = {}
    for index, item in enumerate(value):
        message = _message(item, f"messages[{index}]")
        if message.role == "tool":
            if message.answers_id not in expected:
                raise malformed(
                    "A message with role `tool` must answer a tool call of an earlier message.", f"messages[{index}].tool_call_id"
                )
        else:
            expected.update(message.called)
        messages.append(message)
    return tuple(messages)


def _message(item: Any, param: str) -> Message:
    if not isinstance(item, dict):
        raise malformed(f"`{param}` must be an object.", param)
    role = item.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise malformed(f"`{param}.role` must be one of {', '.join(sorted(ROLES))}.", f"{param}.role")
    called = _called(item.get("tool_calls"), f"{param}.tool_calls") if role == "assistant" else ()
    text, images = _content(item.get("content"), f"{param}.content", optional=role == "assistant")
    answers_id = item.get("tool_call_id", "") if role == "tool" else ""
    if not isinstance(answers_id, str):
        raise malformed(f"`{param}.tool_call_id` must be a string.", f"{param}.tool_call_id")
    return Message(role=role, text=text, images=images, answers_id=answers_id, called=called)


def _content(content: Any, param: str, *, optional: bool) -> tuple[str, int]:
    if isinstance(content, str):
        return content, 0
    if content is None and optional:
        return "", 0
    if not isinstance(content, list):
        raise malformed(f"`{param}` must be a string or a list of parts.", param)
    texts: list[str] = []
    images = 0
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "refusal") and isinstance(part.get(kind), str):
            texts.append(part[kind])
        elif kind == "image_url" and isinstance(part.get("image_url"), dict):
            images += 1
        else:
            raise malformed(f"`{param}[{index}]` is not a part that this model takes.", f"{param}[{index}].type")
    return "\n".join(texts), images


def _called(value: Any, param: str) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise malformed(f"`{param}` must be a list.", param)
    called: list[tuple[str, str]] = []
    for index, call in enumerate(value):
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not isinstance(call.get("id"), str):
            raise malformed(f"`{param}[{index}]` must have an `id` and a `function.name`.", f"{param}[{index}]")
        called.append((call["id"], name))
    return tuple(called)

"""One thing that an agent wants done: the only form in which a request enters the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from triskel.model.principal import Principal
from triskel.model.units import EpochMs


class CallKind(StrEnum):
    """What is called. Every kind passes the same gate."""

    MODEL = "model"
    TOOL = "tool"
    MESSAGE = "message"
    CONTROL = "control"
    """A question to the control plane itself, or a change of it."""


class Action(StrEnum):
    """Cedar's action ids."""

    CHAT = "chat"
    EMBED = "embed"
    INVOKE_TOOL = "invoke_tool"
    MESSAGE_AGENT = "message_agent"
    READ_AUDIT = "read_audit"
    ADMINISTER = "administer"


class Surface(StrEnum):
    """Where a text stands, which decides how strongly a detector speaks."""

    PROMPT = "prompt"
    TOOL_ARGUMENT = "tool_argument"
    TOOL_RESULT = "tool_result"
    OUTPUT = "output"


Path = tuple[str | int, ...]
"""Keys and indexes from the root of a payload to a value."""


@dataclass(frozen=True, slots=True)
class Part:
    """One text of a payload that policy must see.

    At `path` stands `text`; where `is_key`, it is the last key of `path` itself; where a number stands, its digits.
    """

    surface: Surface
    path: Path
    text: str
    is_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was asked for: a model or deployment name or `auto`, a tool, an agent. `kind` is Cedar's entity type."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request at the gate.

    `payload` is the decoded body and is never mutated; `parts` are all its texts. `effect_key` is the same for every
    attempt at one effect. `deadline_ms` is absolute. `surface` names the entry (`openai.chat`, ...), for the audit.
    """

    call_id: str
    kind: CallKind
    action: Action
    principal: Principal
    target: Target
    payload: Mapping[str, Any]
    parts: tuple[Part, ...]
    effect_key: str
    received_at_ms: EpochMs
    deadline_ms: EpochMs
    surface: str
    stream: bool = False

    def with_edits(self, edits: Sequence[tuple[Part, str]]) -> "Call":
        """This call with the texts of some parts replaced, in the payload and in `parts`. The original stays whole."""
        payload: Any = self.payload
        # Keys last and the deepest first: renaming a key moves everything below it.
        for part, text in sorted(edits, key=lambda edit: (edit[0].is_key, -len(edit[0].path))):
            payload = _edited(payload, part.path, text, is_key=part.is_key)
        texts = dict(edits)
        return replace(self, payload=payload, parts=tuple(replace(p, text=texts.get(p, p.text)) for p in self.parts))


def _edited(value: Any, path: Path, text: str, *, is_key: bool) -> Any:
    if not path:
        return text
    head, rest = path[0], path[1:]
    if is_key and not rest:
        return {text if key == head else key: item for key, item in value.items()}
    copy = value.copy()
    copy[head] = _edited(value[head], rest, text, is_key=is_key)
    return copy

"""Whether a tool is called and with what. One rule: it follows from the request alone.

A tool is called when `tool_choice` says so, or when the last user message says the tool's name (as one word or as its
words), or shares at least two words with its name and description.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from triskel.local.simulator.request import ChatRequest, Tool
from triskel.local.simulator.schema_value import value_for
from triskel.local.simulator.words import LOOKED_AT, content_words, name_words

SHARED_WORDS = 2
CALLS_AT_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call. `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str


def tool_calls(request: ChatRequest, prompt: str) -> tuple[ToolCall, ...]:
    """The calls that answer `prompt`, the last user message; empty where the answer is text."""
    chosen = _chosen(request, prompt)
    stem = request.digest.hex()[:20]
    return tuple(
        ToolCall(
            call_id=f"call_{stem}{index:02d}",
            name=tool.name,
            arguments=msgspec.json.encode(value_for({"type": "object", **tool.parameters}, prompt)).decode(),
        )
        for index, tool in enumerate(chosen)
    )


def _chosen(request: ChatRequest, prompt: str) -> Sequence[Tool]:
    if request.tool_choice == "none" or not request.tools:
        return ()
    if request.tool_choice == "function":
        return [tool for tool in request.tools if tool.name == request.forced_tool][:1]
    lowered = prompt[:LOOKED_AT].lower()
    named = [tool for tool in request.tools if _is_named(tool.name, lowered)]
    if named:
        return named[:CALLS_AT_MOST] if request.parallel_tools else named[:1]
    said = {_stem(word) for word in content_words(prompt)}
    scores = [len(said & _vocabulary(tool)) for tool in request.tools]
    best = max(scores)
    if best >= SHARED_WORDS or request.tool_choice == "required":
        return [request.tools[scores.index(best)]]
    return ()


def _is_named(name: str, lowered: str) -> bool:
    spellings = {name.lower(), " ".join(name_words(name))}
    return any(re.search(rf"(?<!\w){re.escape(spelling)}(?!\w)", lowered) for spelling in spellings if spelling)


def _vocabulary(tool: Tool) -> set[str]:
    return {_stem(word) for word in (*name_words(tool.name), *content_words(tool.description))}


def _stem(word: str) -> str:
    """A plural and its singular count as one word."""
    return word[:-1] if len(word) > 3 and word.endswith("s") else word

"""A request body, read once. One rule: what is wrong is refused by name of its field; what is unknown is ignored.

Fields: https://platform.openai.com/docs/api-reference/chat/create
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from triskel.local.simulator.messages import Message, read_messages
from triskel.local.simulator.refusal import malformed
from triskel.local.simulator.tokens import count

STOPS_AT_MOST = 4
TOOLS_AT_MOST = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the caller offers. `parameters` is its JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What is asked.

    `tool_choice` is `none`, `auto`, `required` or `function`, and then `forced_tool` says which. `json_schema` is the schema
    that the answer must meet, or None; `digest` is the same for the same conversation with the same model, tools and seed.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stops: tuple[str, ...]
    tools: tuple[Tool, ...]
    tool_choice: str
    forced_tool: str
    parallel_tools: bool
    answer_as_json: bool
    json_schema: Mapping[str, Any] | None
    prompt_tokens: int
    digest: bytes

    @property
    def images(self) -> int:
        """How many images the conversation holds."""
        return sum(message.images for message in self.messages)


def read_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises Refusal."""
    try:
        document = msgspec.json.decode(body)
        if not isinstance(document, dict):
            raise malformed("The body must be a JSON object.")
        return _request(document)
    except msgspec.DecodeError as error:
        raise malformed(f"We could not parse the JSON body of your request: {error}.") from error
    except RecursionError as error:
        raise malformed("The JSON body of your request is nested too deeply.") from error


def _request(document: dict[str, Any]) -> ChatRequest:
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise malformed("You must provide a `model` parameter.", "model")
    messages = read_messages(document.get("messages"))
    if document.get("n") not in (None, 1):
        raise malformed("This model makes exactly one choice: `n` must be 1.", "n")
    stream = _flag(document, "stream", default=False)
    tools = _tools(document.get("tools"))
    tool_choice, forced_tool = _tool_choice(document.get("tool_choice"), tools)
    answer_as_json, json_schema = _response_format(document.get("response_format"))
    seen = [model, document.get("seed"), document["messages"], document.get("tools"), document.get("tool_choice")]
    tool_tokens = count(msgspec.json.encode(document["tools"]).decode()) if tools else 0
    return ChatRequest(
        model=model,
        messages=messages,
        stream=stream,
        include_usage=_include_usage(document.get("stream_options"), stream=stream),
        max_tokens=_max_tokens(document),
        stops=_stops(document.get("stop")),
        tools=tools,
        tool_choice=tool_choice,
        forced_tool=forced_tool,
        parallel_tools=_flag(document, "parallel_tool_calls", default=True),
        answer_as_json=answer_as_json,
        json_schema=json_schema,
        prompt_tokens=sum(message.tokens for message in messages) + tool_tokens,
        digest=hashlib.blake2b(msgspec.json.encode(seen, order="deterministic"), digest_size=16).digest(),
    )


def _flag(document: dict[str, Any], name: str, *, default: bool) -> bool:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise malformed(f"`{name}` must be a boolean.", name)
    return value


def _include_usage(options: Any, *, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise malformed("`stream_options` is only allowed when `stream` is true.", "stream_options")
    if not isinstance(options, dict):
        raise malformed("`stream_options` must be an object.", "stream_options")
    return _flag(options, "include_usage", default=False)


def _max_tokens(document: dict[str, Any]) -> int | None:
    limit: int | None = None
    for name in ("max_tokens", "max_completion_tokens"):
        value = document.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise malformed(f"`{name}` must be an integer of at least 1.", name)
        limit = value if limit is None else min(limit, value)
    return limit


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or len(stops) > STOPS_AT_MOST or not all(isinstance(stop, str) and stop for stop in stops):
        raise malformed(f"`stop` must be a string or a list of at most {STOPS_AT_MOST} strings.", "stop")
    return tuple(stops)


def _tools(value: Any) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > TOOLS_AT_MOST:
        raise malformed(f"`tools` must be a list of at most {TOOLS_AT_MOST} tools.", "tools")
    tools: list[Tool] = []
    for index, item in enumerate(value):
        param = f"tools[{index}]"
        function = item.get("function") if isinstance(item, dict) and item.get("type") == "function" else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            raise malformed(f"`{param}` must be of type `function` and have a `function.name`.", param)
        description, parameters = function.get("description") or "", function.get("parameters")
        if not isinstance(description, str) or not isinstance(parameters, dict | None):
            raise malformed(f"`{param}.function` has a `description` or `parameters` of the wrong type.", f"{param}.function")
        tools.append(Tool(name=function["name"], description=description, parameters=parameters or {}))
    return tuple(tools)


def _tool_choice(value: Any, tools: tuple[Tool, ...]) -> tuple[str, str]:
    if value is None:
        return ("auto" if tools else "none"), ""
    if value in ("none", "auto", "required"):
        if not tools and value == "required":
            raise malformed("`tool_choice` is only allowed when `tools` are given.", "tool_choice")
        return value, ""
    function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
    name = function.get("name") if isinstance(function, dict) else None
    if not any(tool.name == name for tool in tools):
        raise malformed("`tool_choice` must be `none`, `auto`, `required` or name one of `tools`.", "tool_choice")
    return "function", str(name)


def _response_format(value: Any) -> tuple[bool, Mapping[str, Any] | None]:
    if value is None:
        return False, None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return False, None
    if kind == "json_object":
        return True, None
    named = value.get("json_schema") if kind == "json_schema" else None
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise malformed("`response_format` must be of type text, json_object or json_schema with a schema.", "response_format")
    return True, schema

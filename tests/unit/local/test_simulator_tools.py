"""When a simulated model calls tools, and with what."""

import json
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import BaseModel, Field, TypeAdapter

from triskel.local.simulator.answer import Answer, answer
from triskel.local.simulator.offer import read_offer
from triskel.local.simulator.request import ChatRequest, read_request
from triskel.local.simulator.schema_value import value_for

Said = Callable[..., ChatRequest]
SMALL = read_offer().clouds["aws"].deployments[0]


def tool(name: str, description: str = "", parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters or {}}}


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = tool("get_weather", "Current weather of a city", CITY)
BOOK = tool("book_flight", "Reserve a seat on a plane")


def called(request: ChatRequest, room: int = 4000) -> list[str]:
    return [call.name for call in answer(request, SMALL, room).calls]


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("Use get_weather for Oslo", ["get_weather"]),
        ("Get weather for Oslo", ["get_weather"]),
        ("Is the weather of that city nice?", ["get_weather"]),
        ("Reserve me some seats, please", ["book_flight"]),
        ("get_weather and book_flight now", ["get_weather", "book_flight"]),
        ("Tell me a story", []),
        ("forget_weather", []),
    ],
)
def test_calls_what_the_prompt_is_about(said: Said, prompt: str, names: list[str]) -> None:
    """A tool is called when its name, or two words of its description, are in the prompt."""
    assert called(said(prompt, tools=[WEATHER, BOOK])) == names


def test_tool_choice_is_obeyed(said: Said) -> None:
    """none, required and a named function decide whatever the prompt says."""
    tools = [WEATHER, BOOK]
    assert called(said("get_weather in Oslo", tools=tools, tool_choice="none")) == []
    assert called(said("Tell me a story", tools=tools, tool_choice="required")) == ["get_weather"]
    forced = {"type": "function", "function": {"name": "book_flight"}}
    assert called(said("get_weather", tools=tools, tool_choice=forced)) == ["book_flight"]
    assert called(said("get_weather and book_flight", tools=tools, parallel_tool_calls=False)) == ["get_weather"]


def test_arguments_come_from_the_prompt(said: Said) -> None:
    """Names in the prompt become arguments, in order."""
    route = {"properties": {"origin": {"type": "string"}, "target": {"type": "string"}, "seats": {"type": "integer"}}}
    found = answer(said("book flight from Paris to New York for 3", tools=[tool("book_flight", "", route)]), SMALL, 4000)
    assert json.loads(found.calls[0].arguments) == {"origin": "Paris", "target": "New York", "seats": 3}
    assert found.finish_reason == "tool_calls"


def test_arguments_end_at_the_token_limit(said: Said) -> None:
    """A call that does not fit is cut, as a model's would be."""
    found: Answer = answer(said("get_weather in Oslo", tools=[WEATHER]), SMALL, 5)
    assert found.finish_reason == "length"
    assert found.tokens == 5
    assert found.calls[0].arguments == '{"city":'


@pytest.mark.parametrize(
    ("content", "part"),
    [('{"temperature_c": 21, "sky": "clear"}', "temperature c is 21, sky is clear"), ("rain, soon.", "says: rain, soon.")],
)
def test_a_tool_result_is_told(content: str, part: str) -> None:
    """After a tool's result the answer is text that uses it."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "get_weather in Oslo"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": content},
    ]
    request = read_request(msgspec.json.encode({"model": "m", "messages": messages, "tools": [WEATHER]}))
    found = answer(request, SMALL, 4000)
    assert not found.calls
    assert part in found.text
    assert "get_weather" in found.text


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    name: str = Field(min_length=3, max_length=8)
    size: float = Field(gt=0.5, lt=1)
    parent: "Leaf | None" = None


class Everything(BaseModel):
    text: Annotated[str, Field(min_length=5, max_length=12)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{3}$")]
    year: Annotated[int, Field(ge=1900, le=2100)]
    even: Annotated[int, Field(multiple_of=2, gt=10)]
    negative: Annotated[int, Field(lt=0)]
    yes: bool
    color: Color
    unit: Literal["C", "F"]
    exactly: Literal["this"]
    maybe: int | None
    either: Leaf | str
    leaves: Annotated[list[Leaf], Field(min_length=2, max_length=3)]
    unique: Annotated[set[Literal[1, 2, 3]], Field(min_length=3)]
    pair: tuple[int, str]
    table: dict[str, int]


@pytest.mark.parametrize("prompt", ["", "In 1999 the RED fox ate 14 'grapes' in New York at 0.75 speed; or -3", "x" * 5000])
def test_values_satisfy_their_schema(prompt: str) -> None:
    """Every value is one that the schema's own validator accepts, and always the same."""
    schema = Everything.model_json_schema()
    value = value_for(schema, prompt)
    Everything.model_validate(value)
    assert value == value_for(schema, prompt)


@pytest.mark.parametrize("kind", [Leaf, list[Leaf], dict[str, Leaf], Leaf | None])
def test_values_for_other_shapes(kind: Any) -> None:
    """References, unions and bare collections are met too."""
    adapter = TypeAdapter(kind)
    adapter.validate_python(value_for(adapter.json_schema(), "A quiet Harbor"))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere/~1"},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 10**9},
        {"properties": {str(n): {"$ref": "#"} for n in range(50)}, "required": [str(n) for n in range(50)]},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "(a+)+$" * 50},
        {"type": "string", "pattern": "(?=no"},
        {"type": "integer", "multipleOf": 0, "minimum": "low"},
        {"type": ["null"], "anyOf": []},
        {"type": 7, "enum": [], "allOf": [True, {"required": "x"}]},
        {"anyOf": "text", "allOf": "text", "enum": 3, "required": [1, None]},
    ],
)
def test_a_hostile_schema_costs_little(schema: dict[str, Any]) -> None:
    """Endless, huge and nonsensical schemas end in a small value."""
    assert len(msgspec.json.encode(value_for(schema, "hello 5"))) < 200_000


def test_email_and_dates_have_their_format() -> None:
    """The common formats are met."""
    value = value_for({"properties": {"to": {"format": "email"}, "on": {"format": "date"}}}, "to Ada on Monday")
    assert value == {"to": "someone@example.com", "on": "2026-11-20"}

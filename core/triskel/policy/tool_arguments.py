"""What policies may read of a tool's arguments: what was declared, with its type.

One rule: an argument that is declared and of another type is passed on as it is, so that the request does not fit the
schema and is denied; it is never bent to fit, and never left out.
"""

from collections.abc import Mapping
from typing import Any

from triskel.errors import ConfigurationInvalid
from triskel.policy.cedar.json_form import value_from_json
from triskel.policy.cedar.schema import Schema
from triskel.policy.cedar.source import Source
from triskel.policy.cedar.values import Fault, quoted
from triskel.policy.subjects import ACTIONS

ARGUMENT_TYPES = ("Bool", "Long", "String", "Set<String>", "Set<Long>")
"""What an argument may be declared as."""

_PLACE = "type ToolArguments = {};"


def declare_tools(schema: Source, tools: Mapping[str, Mapping[str, str]]) -> Source:
    """The schema in which policies can read these arguments: types by argument by tool.

    Policies then write `context has arguments && context.arguments has "pay.refund" && …`; every level is optional.
    Raises ConfigurationInvalid for a type that is not of ARGUMENT_TYPES.
    """
    rows = []
    for tool, arguments in sorted(tools.items()):
        for argument, kind in arguments.items():
            if kind not in ARGUMENT_TYPES:
                fault = f"tool `{tool}`: argument `{argument}` must be one of {', '.join(ARGUMENT_TYPES)}"
                raise ConfigurationInvalid("the tools cannot be declared", faults=(fault,))
        fields = ", ".join(f"{quoted(argument)}?: {kind}" for argument, kind in sorted(arguments.items()))
        rows.append(f"    {quoted(tool)}?: {{ {fields} }},\n")
    if not rows:
        return schema
    return schema._replace(text=schema.text.replace(_PLACE, f"type ToolArguments = {{\n{''.join(rows)}  }};"))


def tool_arguments(schema: Schema, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a call's context says of its arguments, for `early_context`; None where the schema declares none for the tool."""
    action = schema.actions.get(ACTIONS["invoke_tool"])
    declared = action.context.get("arguments") if action is not None else None
    of_tool = (declared.type.attributes or {}).get(tool) if declared is not None else None
    if of_tool is None:
        return None
    names = of_tool.type.attributes or {}
    return {tool: {name: _value(value) for name, value in arguments.items() if name in names}}


def _value(value: Any) -> Any:
    try:
        return value_from_json(value)
    except Fault:
        return value

"""YAML that a stranger may have written. One rule: no aliases, which can make a small file huge, and no deep nesting."""

from typing import Any

from triskel.errors import ConfigurationInvalid
from triskel.policy.cedar.source import Source

MAX_DEPTH = 20


def read_yaml(source: Source) -> tuple[Any, list[int]]:
    """The document, and where it is a list the line (from 1) of each of its items.

    Raises ConfigurationInvalid with one fault, `file:line:column: message`.
    """
    import yaml  # noqa: PLC0415 only who publishes reads YAML; the entry of calls starts without it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(source.text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                raise _invalid(source, event.start_mark, "aliases are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise _invalid(source, event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        root = yaml.compose(source.text, Loader=loader)
        document = yaml.load(source.text, Loader=loader)  # noqa: S506 a safe loader, as chosen above
    except yaml.MarkedYAMLError as error:
        raise _invalid(source, error.problem_mark, error.problem or "this is not YAML") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise _invalid(source, None, "this is not YAML") from None
    twice = _given_twice(root)
    if twice is not None:
        raise _invalid(source, twice.start_mark, f"`{twice.value}` is given twice")
    items = root.value if isinstance(root, yaml.SequenceNode) else []
    return document, [item.start_mark.line + 1 for item in items]


def _given_twice(root: Any) -> Any:
    """The first key that a mapping holds a second time, or None: YAML would let the last one win in silence."""
    nodes = [root] if root is not None else []
    while nodes:
        node = nodes.pop()
        if node.id == "sequence":
            nodes.extend(node.value)
        elif node.id == "mapping":
            seen = set()
            for key, value in node.value:
                if key.id == "scalar" and key.value in seen:
                    return key
                seen.add(key.value if key.id == "scalar" else id(key))
                nodes.append(value)
    return None


def _invalid(source: Source, mark: Any, message: str) -> ConfigurationInvalid:
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return ConfigurationInvalid("a file cannot be read", faults=(f"{source.name}:{line}:{column}: {message}",))

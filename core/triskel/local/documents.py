"""Reads `triskel.yaml`. Every fault is collected and named with its document and field."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from triskel.config import Config
from triskel.errors import ConfigurationInvalid

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 20


def read_config(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigurationInvalid with one line for each fault."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationInvalid(f"{path}: the file is larger than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationInvalid(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationInvalid(f"{path}: the file is not UTF-8") from None
    return parse_config(text, str(path))


def parse_config(text: str, source: str) -> Config:
    """The configuration in `text`; `source` is how faults name it."""
    document = _load(text, source)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationInvalid(f"{source}: the document must be a mapping of sections")
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        faults = tuple(f"{_field(fault['loc'])}: {_reason(fault['msg'])}" for fault in error.errors(include_input=False))
        raise ConfigurationInvalid(f"{source}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", faults=faults) from None


def _load(text: str, source: str) -> object:
    """YAML without aliases, which can make a small file huge, and without deep nesting."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise ConfigurationInvalid(f"{source}: line {line}: aliases are not allowed")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise ConfigurationInvalid(f"{source}: line {line}: nested more than {MAX_DEPTH} levels deep")
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigurationInvalid(f"{source}: {place}{error.problem or 'this is not YAML'}") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ConfigurationInvalid(f"{source}: this is not YAML") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: of two values for one setting neither is meant."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of `node`."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"`{key.value}` is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location) or "document"


def _reason(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message if message[1:2].isupper() else message[:1].lower() + message[1:]

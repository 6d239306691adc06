"""Reads `triskel.yaml`. Every fault is collected and named with its document and field."""

from pathlib import Path

from pydantic import ValidationError

from triskel.config import Config
from triskel.errors import ConfigurationInvalid
from triskel.policy.cedar.source import Source
from triskel.policy.publishing.limited_yaml import read_yaml

MAX_BYTES = 4 * 1024 * 1024


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
    document, _ = read_yaml(Source(source, text))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationInvalid(f"{source}: the document must be a mapping of sections")
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        faults = tuple(f"{_field(fault['loc'])}: {_reason(fault['msg'])}" for fault in error.errors(include_input=False))
        raise ConfigurationInvalid(f"{source}: {len(faults)} fault{'s' if len(faults) > 1 else ''}", faults=faults) from None


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location) or "document"


def _reason(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message if message[1:2].isupper() else message[:1].lower() + message[1:]

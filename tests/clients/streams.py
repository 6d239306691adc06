"""Server-sent events of chat chunks, taken apart. One rule: it reads what is there, errors included, and judges nothing."""

import json
from typing import Any


def documents_of(stream: bytes) -> list[Any]:
    """The documents of a stream, without its end."""
    parts = (part.removeprefix("data: ") for part in stream.decode().split("\n\n") if part.startswith("data: "))
    return [json.loads(part) for part in parts if part != "[DONE]"]


def deltas_of(stream: bytes) -> list[Any]:
    """The deltas of all choices; an error has none."""
    return [choice["delta"] for document in documents_of(stream) for choice in document.get("choices", ())]


def texts_of(stream: bytes) -> list[str]:
    """The texts of the deltas."""
    return [delta.get("content") or "" for delta in deltas_of(stream)]

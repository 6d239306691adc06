"""Policies as their authors wrote them. One rule: nothing that runs depends on it."""

from typing import NamedTuple


class Source(NamedTuple):
    """One file: its name, for messages, and its text."""

    name: str
    text: str

"""What a performer gives back: a stream of frames. A whole reply is a stream of exactly one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from triskel.model.usage import Usage

Channel = str
"""One continuous text among several that a reply interleaves: `0.content`, `0.tool_calls.1.arguments`."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a channel."""

    channel: Channel
    text: str


class Frame(Protocol):
    """One message of a reply, as the caller will receive it."""

    @property
    def body(self) -> bytes:
        """The encoded frame: the upstream's own bytes where nothing was edited. Empty where nothing is to be sent."""

    @property
    def deltas(self) -> Sequence[Delta]:
        """Every text in it that policy must see, in order; at most one for each channel."""

    @property
    def ends(self) -> Sequence[str]:
        """Prefixes of the channels on which nothing more will come. The empty prefix ends them all."""

    @property
    def usage(self) -> Usage | None:
        """What the provider says was used, on the frame that carries it."""

    def with_texts(self, texts: Mapping[Channel, str]) -> "Frame":
        """The same frame with the texts of these channels, which it must have, replaced."""

    def bearing(self, texts: Mapping[Channel, str]) -> "Frame":
        """A frame of its own, to stand before this one, that carries only these texts."""

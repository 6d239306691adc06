"""What inference needs of a wire schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from triskel.errors import UpstreamError
from triskel.model.frame import Frame
from triskel.model.route import Deployment
from triskel.ports.transport import UpstreamRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply:
    """A provider's answer that is not a success. `retry_after` is the header as it came."""

    status: int
    body: bytes
    retry_after: str | None


class ContentFrame(Frame, Protocol):
    """A frame that knows whether the caller would miss it."""

    @property
    def is_content(self) -> bool:
        """Whether it bears any part of the answer. Until one does, another deployment may still be tried."""


class StreamDecoder(Protocol):
    """Turns the bytes of one reply into frames."""

    def feed(self, chunk: bytes) -> Sequence[ContentFrame]:
        """The frames that `chunk` completes. Raises UpstreamFault where they are not of the schema."""

    def close(self) -> Sequence[ContentFrame]:
        """What was still to come. Raises UpstreamFault where the reply had not come to its own end."""


class Codec(Protocol):
    """One wire schema."""

    def encode(self, payload: Mapping[str, Any], deployment: Deployment, *, stream: bool) -> UpstreamRequest:
        """The request, without credentials."""

    def decode(self, body: bytes) -> ContentFrame:
        """A whole reply. Raises UpstreamFault where it is not of the schema."""

    def decoder(self, payload: Mapping[str, Any]) -> StreamDecoder:
        """A decoder for the streamed reply to `payload`."""

    def error(self, reply: ErrorReply) -> UpstreamError:
        """The error that a failed reply means, with its retry class. Never holds a credential."""

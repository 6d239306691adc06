"""HTTP to providers."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """One request to a provider. Headers may hold a credential: they are not shown by `repr`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False, default=b"")


class UpstreamResponse(Protocol):
    """The answer: its head has been read, its body has not."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    def header(self, name: str) -> str | None:
        """The first value of a header, by name without regard to case."""

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFault when it is longer than `limit` bytes or breaks off."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces of any size. Raises UpstreamFault when it breaks off."""

    async def aclose(self) -> None:
        """Stop reading. Where the body was not read to its end, the connection is closed, so that the provider notices."""


class Transport(Protocol):
    """Connections to providers, pooled."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send, and wait for the head of the answer. No redirects are followed, no status is an error, nothing is retried.

        Raises UpstreamFault where no connection can be had or it breaks; it has no time limit of its own beyond the
        connect timeout: the caller sets one by cancelling.
        """

    async def aclose(self) -> None:
        """Close all connections."""

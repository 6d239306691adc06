"""How to be allowed to speak to a provider; `providers/` knows how to speak."""

from collections.abc import Mapping
from typing import Protocol


class Credential(Protocol):
    """One way to be let in."""

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """The headers that authorize this request. Raises Unavailable when the credential cannot be had."""

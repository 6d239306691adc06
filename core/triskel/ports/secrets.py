"""Values behind `secret://name`."""

from typing import Protocol


class Secrets(Protocol):
    """A place that keeps secrets."""

    async def secret(self, name: str) -> str:
        """The value. Raises ConfigurationInvalid naming the secret, never its value, where there is none."""

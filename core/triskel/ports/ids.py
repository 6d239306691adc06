"""Ids and randomness."""

from typing import Protocol


class Ids(Protocol):
    """Unique names and secrets."""

    def new(self, prefix: str) -> str:
        """`prefix`, an underscore and 26 Crockford base-32 characters: 48 bits of time, then 80 random bits.

        Ids made later sort later, to the millisecond; no two are equal.
        """

    def secret(self) -> str:
        """43 URL-safe characters that hold 256 random bits."""

    def fraction(self) -> float:
        """A number in [0, 1), for jitter and for choosing between equals. Not for secrets."""

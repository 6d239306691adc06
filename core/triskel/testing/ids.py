"""Ids that are the same in every run. Its one rule: they have the form of real ones."""

import random

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class SeededIds:
    """`ports.ids.Ids`. Each id is a millisecond later than the one before it. Two with one seed say the same."""

    def __init__(self, seed: int = 0, now_ms: int = 1_750_000_000_000) -> None:
        self._random = random.Random(seed)  # noqa: S311  a test must be repeatable
        self._now_ms = now_ms

    def new(self, prefix: str) -> str:
        """`prefix`, an underscore and 26 characters."""
        self._now_ms += 1
        bits = (self._now_ms << 80) | self._random.getrandbits(80)
        return f"{prefix}_" + "".join(_ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5))

    def secret(self) -> str:
        """43 characters that are no secret at all."""
        return "".join(self._random.choices(_ALPHABET, k=43))

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

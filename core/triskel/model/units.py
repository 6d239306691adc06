"""Quantities carry their unit. All are integers, because Cedar has no floats and sums must be exact."""

from typing import NewType

MicroUsd = NewType("MicroUsd", int)
"""Millionths of a US dollar."""

Permille = NewType("Permille", int)
"""A share or a risk, 0 to 1000."""

EpochMs = NewType("EpochMs", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""

DurationMs = NewType("DurationMs", int)
"""A length of time in milliseconds."""

Tokens = NewType("Tokens", int)
"""Tokens, as the model that answered counts them."""


CHARACTERS_PER_TOKEN = 4
"""Of English text, on average: https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them"""


def usd(amount: MicroUsd) -> str:
    """`amount` in dollars with six decimals, as headers and audit exports show it: `0.000123`."""
    return f"{amount / 1_000_000:.6f}"

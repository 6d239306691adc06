"""Prompts to measure with: plain English of an exact size, the same in every run. One rule: none holds anything to find."""

import random

_TEXT = (
    "please explain how the warehouse plans its deliveries when winter storms close the northern roads and which of the older "
    "trucks should carry medicine first because the clinics there wait longest so we can tell drivers what to expect tomorrow "
    "morning without asking them to work another night shift near the harbour or to change their route around the bridge again"
)
_WORDS = _TEXT.split()


def prompts(count: int, size: int) -> list[str]:
    """So many different prompts of `size` characters, each one byte."""
    source = random.Random(20261120)
    return [_prompt(source, size) for _ in range(count)]


def _prompt(source: random.Random, size: int) -> str:
    text = ""
    while len(text) < size:
        text += source.choice(_WORDS) + " "
    return text[: size - 1].rstrip().ljust(size - 1, "s") + "?"

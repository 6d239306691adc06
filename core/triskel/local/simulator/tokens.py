"""How this simulator counts: four characters are a token, everywhere and exactly. One rule: usage follows from text alone."""

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
"""What a message costs beside its text, for its role and its borders."""
TOKENS_PER_IMAGE = 256


def count(text: str) -> int:
    """The tokens of `text`, the last one perhaps not full."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def pieces(text: str) -> list[str]:
    """`text` cut into its tokens."""
    step = CHARACTERS_PER_TOKEN
    return [text[at : at + step] for at in range(0, len(text), step)]


def cut(text: str, tokens: int) -> str:
    """At most the first `tokens` tokens of `text`."""
    return text[: tokens * CHARACTERS_PER_TOKEN]

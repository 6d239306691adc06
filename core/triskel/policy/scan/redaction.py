"""Findings taken out of a text.

One rule: the same value of the same type becomes the same token, and no token can be turned back into the value.
"""

import hmac
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum

from triskel.errors import ConfigurationInvalid
from triskel.model.finding import Category, Finding

LAST_FOUR_MIN_CHARS = 9
"""A shorter value would be given away by its last four characters."""

HASH_CHARS = 16
"""64 bits of HMAC-SHA256: enough to tell values of one tenant apart."""


class Style(StrEnum):
    """What stands in the place of a value."""

    MASK = "mask"
    """`[REDACTED:us_ssn]`"""
    LAST_FOUR = "last4"
    """`[REDACTED:credit_card:1111]`; a secret, a phrase or a short value is masked."""
    HASH = "hash"
    """`[REDACTED:email:3f5ac2…]`, keyed by the tenant."""


def redact(
    text: str,
    findings: Sequence[Finding],
    targets: Collection[str],
    style: Style = Style.MASK,
    *,
    key: bytes = b"",
) -> str:
    """The text with the findings replaced whose category or type is in `targets`.

    `findings` stand in order and do not overlap, as scans report them; a stream's piece is treated like a text. `key` is
    the tenant's, for `Style.HASH`.

    Raises:
        ConfigurationInvalid: a hash was asked for without a key.
    """
    chosen = [finding for finding in findings if finding.category in targets or finding.type in targets]
    if not chosen:
        return text
    token = _token_of(style, key)
    pieces: list[str] = []
    position = 0
    for finding in chosen:
        pieces.append(text[position : finding.start])
        pieces.append(token(finding, text[finding.start : finding.end]))
        position = finding.end
    pieces.append(text[position:])
    return "".join(pieces)


def _token_of(style: Style, key: bytes) -> Callable[[Finding, str], str]:
    if style is Style.HASH:
        if not key:
            raise ConfigurationInvalid("redaction by hash needs the tenant's key")
        return lambda finding, value: f"[REDACTED:{finding.type}:{_digest(key, finding, value)}]"
    if style is Style.LAST_FOUR:
        return lambda finding, value: f"[REDACTED:{finding.type}{_last_four(finding, value)}]"
    return lambda finding, _value: f"[REDACTED:{finding.type}]"


def _digest(key: bytes, finding: Finding, value: str) -> str:
    # Separators do not make another card, nor capitals another address.
    plain = "".join(c for c in value if c.isalnum() or c in "@._").casefold() or value
    message = f"{finding.type}\0{plain}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, "sha256").hex()[:HASH_CHARS]


def _last_four(finding: Finding, value: str) -> str:
    plain = "".join(c for c in value if c.isalnum())
    if finding.category not in {Category.PII, Category.PAYMENT} or len(plain) < LAST_FOUR_MIN_CHARS:
        return ""
    return f":{plain[-4:]}"

"""What tells a secret from a word that stands where a secret might."""

import base64
import binascii
import math
import re
from collections import Counter

_PLACEHOLDER = re.compile(
    rb"(?i)example|placeholder|change.?me|your[_-]?|redacted|dummy|sample|fixme|todo|\*\*\*|\.\.\.|\$\(|\$[A-Z_]{3}|%[sd(]"
    rb"|<|process\.env|os\.environ|getenv|^env[._]|^config[._]|^self\.|^this\.|^args\.|^request\.|^vault[:.]|^secrets?[.:/]|^arn:|^https?:"
    rb"|^(?:null|none|true|false|undefined|string|integer|required|optional|password|passwd|secret|token|username)$"
)
_CALL = re.compile(rb"\(?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\(|_?[a-z]+(?:\.[A-Za-z_]+)+[),;]*$|[a-z_]+[),;]+$")
_WORDS = re.compile(rb"[A-Za-z_.:/-]+|[A-Za-z_]\w*(?:\.[a-z_]+)+|_?[a-z0-9]{2,10}(?:_[a-z]{2,12}){2,}")


def entropy(value: bytes) -> float:
    """Shannon's entropy in bits a character."""
    count = len(value)
    return -sum(n / count * math.log2(n / count) for n in Counter(value).values())


def placeholder(value: bytes) -> bool:
    """Whether a value is a stand-in, a variable or a call and not a secret itself."""
    if b"xxxx" in value or b"XXXX" in value:
        return True
    return _PLACEHOLDER.search(value) is not None or _CALL.match(value) is not None or len(set(value)) < 4


def secret(value: bytes) -> bool:
    """A value that someone keeps secret: not a stand-in, not plain words, mixed enough."""
    value = value.rstrip(b"),;:")
    return len(value) >= 6 and not placeholder(value) and _WORDS.fullmatch(value) is None and entropy(value) >= 2.5


def random_secret(value: bytes) -> bool:
    """A value that a machine made: at least three bits a character and a digit."""
    return not placeholder(value) and entropy(value) >= 3.0 and any(48 <= byte <= 57 for byte in value)


def not_placeholder(value: bytes) -> bool:
    """A provider's format with something in it that varies."""
    return len(set(value)) >= 8 and _PLACEHOLDER.search(value) is None


def password(value: bytes) -> bool:
    """A password that was told: not a stand-in, and not a plain word of the sentence."""
    if placeholder(value):
        return False
    kinds = sum(1 for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^A-Za-z0-9]") if re.search(kind, value.rstrip(b".;:!)")))
    return kinds >= 2 and _WORDS.fullmatch(value.rstrip(b".;:!)")) is None


def jwt(value: bytes) -> bool:
    """A JSON web token: its first part is JSON that names an algorithm or a type (RFC 7515)."""
    head, dot, rest = value.partition(b".")
    if len(value) < 200 and (not dot or len(rest) < 8):  # a longer one may have been cut
        return False
    try:
        decoded = base64.urlsafe_b64decode(head[: len(head) // 4 * 4])
    except (binascii.Error, ValueError):
        return False
    return decoded[:1] == b"{" and any(name in decoded for name in (b'"alg"', b'"typ"', b'"kid"', b'"enc"', b'"cty"', b'"x5'))


def url_password(value: bytes) -> bool:
    """A password in a URL that is not a stand-in, a variable or the word itself."""
    return _PLACEHOLDER.search(value) is None and value.lower() not in {b"pass", b"pwd", b"pw", b"***"}


def basic_pair(value: bytes) -> bool:
    """Base64 of a user's name, a colon and a password (RFC 7617)."""
    try:
        decoded = base64.b64decode(value[: len(value) // 4 * 4])
    except (binascii.Error, ValueError):
        return False
    name, colon, password = decoded.partition(b":")
    return bool(colon and name and len(password) >= 3) and decoded.isascii() and decoded.decode("ascii").isprintable()


_NOT_SECRET = re.compile(
    rb"(?i)^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^v?[0-9]+(?:\.[0-9]+)+"
    rb"|\.(?:com|org|net|io|py|js|json|ya?ml|txt|html?|png|pem|key)\b"
)


def machine_secret(value: bytes) -> bool:
    """A value that only a machine writes: letters and digits mixed, hardly a repeat, no version, address or file name."""
    if placeholder(value) or _NOT_SECRET.search(value) is not None or _WORDS.fullmatch(value) is not None:
        return False
    digits = sum(48 <= byte <= 57 for byte in value)
    return 2 <= digits < len(value) and entropy(value) >= (3.0 if len(value) < 32 else 3.3)

"""Addresses by which a person or a machine is reached."""

import re

from triskel.policy.scan.validators.checksums import counted, digits_of

_NOT_A_DOMAIN_END = frozenset(
    (
        "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "jsx", "tsx", "py", "rb", "go", "rs", "java", "c",
        "h", "cpp", "md", "txt", "json", "yaml", "yml", "xml", "html", "htm", "pdf", "zip", "gz", "exe", "dll", "so",
        "local", "lan", "localdomain", "internal"
    )
)  # fmt: skip
_SERVICE_ADDRESSES = frozenset({b"git@github.com", b"git@gitlab.com", b"git@bitbucket.org", b"git@ssh.dev.azure.com"})
_DATE = re.compile(rb"(?:19|20)[0-9]{2}[ .-][01]?[0-9][ .-][0-3]?[0-9]|[0-3]?[0-9][ .-][0-3]?[0-9][ .-](?:19|20)[0-9]{2}")
_CODES_OF_ONE_DIGIT = frozenset("17")
_CODES_OF_TWO_DIGITS = frozenset(
    (
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51",
        "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90",
        "91", "92", "93", "94", "95", "98"
    )
)  # fmt: skip
"""ITU-T E.164 country codes; the others have one digit (`_CODES_OF_ONE_DIGIT`) or three."""


def email(value: bytes) -> bool:
    """An address with a plausible domain (RFC 5321 lengths), not a file name at 2x and not a code host's account."""
    local, _, domain = value.lower().rpartition(b"@")
    if len(local) > 64 or local[:1] == b"." or local[-1:] == b"." or b".." in local or b".." in domain:
        return False
    labels = domain.decode("latin-1").split(".")
    if labels[-1] in _NOT_A_DOMAIN_END or any(not label or label[0] == "-" or label[-1] == "-" for label in labels):
        return False
    return value.lower() not in _SERVICE_ADDRESSES


def phone_international(value: bytes) -> bool:
    """A number in international form: a country code of ITU-T E.164, eight to fifteen digits."""
    digits = value.translate(None, b"+ ()./-xet").decode("latin-1")
    digits = digits if value[:1] == b"+" else digits[2:]  # without the prefix 00
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    return digits[0] in _CODES_OF_ONE_DIGIT or digits[:2] in _CODES_OF_TWO_DIGITS or (digits[0] in "234569" and len(digits) >= 10)


def phone_nanp(value: bytes) -> bool:
    """A North American number: area and exchange begin with 2 to 9 and are no service code (nanpa.com)."""
    digits = digits_of(value.lower().split(b"x")[0].split(b"ext")[0])
    if len(digits) == 11 and digits[0] == 1:
        digits = digits[1:]
    if len(digits) != 10 or digits[0] < 2 or digits[3] < 2:
        return False
    return digits[1:3] != [1, 1] and digits[4:6] != [1, 1] and len(set(digits)) > 1 and not counted(digits)


def phone_national(value: bytes) -> bool:
    """A number in a national form: nine to eleven digits after the trunk prefix was counted, not one digit throughout."""
    digits = digits_of(value)
    if _DATE.fullmatch(value):
        return False
    return 8 <= len(digits) <= 12 and len(set(digits)) > 2 and not counted(digits)


def phone_trunk(value: bytes) -> bool:
    """A number written with its trunk prefix 0: nine to eleven digits in all, which no date has."""
    digits = digits_of(value)
    return 9 <= len(digits) <= 11 and len(set(digits)) > 2 and not counted(digits)


def ipv4(value: bytes) -> bool:
    """A dotted quad that may name a host somewhere: no leading zeros, not unspecified, loopback, broadcast or a mask."""
    numbers = [int(part) for part in value.split(b".")]
    if b"%d.%d.%d.%d" % tuple(numbers) != value:
        return False
    if len(set(numbers)) == 1:  # 1.1.1.1 and 8.8.8.8 are services for everyone
        return False
    return numbers[0] not in {0, 127, 255} and max(numbers) <= 255 and numbers[1:] != [0, 0, 0]


def ipv6(value: bytes) -> bool:
    """An address in the notation of RFC 4291, not the unspecified one and not loopback."""
    text = value.decode("latin-1")
    if text.count("::") > 1 or ":::" in text:
        return False
    groups = [group for group in text.split(":") if group]
    if any(len(group) > 4 for group in groups) or not any(c.isdigit() for c in text):
        return False
    if len(groups) < 4 and max(map(len, groups)) < 4:  # `a1::b` is a name in more languages than it is an address
        return False
    return len(groups) == 8 if "::" not in text else 2 <= len(groups) <= 7


def mac(value: bytes) -> bool:
    """An EUI-48 that is neither all zeros nor broadcast."""
    return len(set(value.lower()) - {58, 45}) > 2

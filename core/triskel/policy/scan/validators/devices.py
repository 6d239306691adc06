"""Numbers of things that lead to a person: phones, wallets, dates."""

import hashlib

from triskel.policy.scan.validators.checksums import digits_of, luhn, varied
from triskel.policy.scan.validators.europe import real_date

_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def imei(value: bytes) -> bool:
    """A phone's IMEI: fifteen digits, Luhn (3GPP TS 23.003)."""
    digits = digits_of(value)
    return len(digits) == 15 and varied(digits) and luhn(digits)


def bitcoin(value: bytes) -> bool:
    """A Bitcoin address: Base58Check (double SHA-256) or Bech32 (BIP 173, BIP 350)."""
    if value[:3].lower() == b"bc1":
        return _bech32(value.lower())
    number = 0
    for byte in value:
        place = _BASE58.find(byte)
        if place < 0:
            return False
        number = number * 58 + place
    if number >> 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _bech32(value: bytes) -> bool:
    check = 1
    expanded = [3, 3, 0, 2, 3, *(_BECH32.find(byte) for byte in value[3:])]
    if -1 in expanded:
        return False
    for number in expanded:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ number
        for bit, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if top >> bit & 1 else 0
    return check in {1, 0x2BC830A3}


def date_of_birth(value: bytes) -> bool:
    """A date between 1900 and today's children, in any of the usual orders."""
    text = value.decode("latin-1").replace("/", "-").replace(".", "-").replace(" ", "-")
    parts = [part for part in text.split("-") if part]
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return True  # a month written out: the expression has checked it
    first, second, third = (int(part) for part in parts)
    if len(parts[0]) == 4:
        return 1900 <= first <= 2030 and real_date(first, second, third)
    if len(parts[2]) == 4 and not 1900 <= third <= 2030:
        return False
    return real_date(third, second, first) or real_date(third, first, second)

"""Checks that a value must pass to be what it looks like: check digits, ranges, structure.

One rule: a check is a pure function from the bytes of a value to yes or no, and names the rule it applies. A pack refers to
checks by name.
"""

from collections.abc import Callable
from typing import Final

from triskel.policy.scan.validators import contact, credentials, north_america, payment

VALIDATORS: Final[dict[str, Callable[[bytes], bool]]] = {
    "aba": payment.aba,
    "basic_pair": credentials.basic_pair,
    "card": payment.card,
    "card_any_issuer": payment.card_any_issuer,
    "clabe": payment.clabe,
    "dea": north_america.dea,
    "ein": north_america.ein,
    "email": contact.email,
    "iban": payment.iban,
    "ipv4": contact.ipv4,
    "ipv6": contact.ipv6,
    "itin": north_america.itin,
    "jwt": credentials.jwt,
    "mac": contact.mac,
    "not_placeholder": credentials.not_placeholder,
    "npi": north_america.npi,
    "password": credentials.password,
    "phone_international": contact.phone_international,
    "phone_nanp": contact.phone_nanp,
    "phone_national": contact.phone_national,
    "random_secret": credentials.random_secret,
    "secret": credentials.secret,
    "sin": north_america.sin,
    "sort_code": payment.sort_code,
    "ssn": north_america.ssn,
    "url_password": credentials.url_password,
    "vin": north_america.vin,
}
"""Every check by its name in the detector data."""

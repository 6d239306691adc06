"""Addresses and telephone numbers that reach nobody.

One rule: they are of the ranges that are kept for documentation, as their authorities publish them.
"""

from random import Random

from bench.accuracy_sets.digits import some

_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "shop.example.org", "support.example.net")
"""RFC 2606."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def email(s: Random) -> str:
    """An address under a domain that nobody can have."""
    word = s.choice(("customer", "applicant", "guest", "member", "office", "billing", "contact", "reader", "tenant"))
    return f"{word}{s.choice(('', '.', '_', '+'))}{s.randint(1, 999)}@{s.choice(_DOMAINS)}"


def phone(s: Random) -> str:
    """A number for drama and documentation: NANP 555-01xx, Ofcom, ARCEP, Bundesnetzagentur, ACMA."""
    area = s.choice(("212", "305", "415", "503", "617", "718", "808"))
    line = f"01{some(s, 2)}"
    return s.choice(
        (
            f"({area}) 555-{line}",
            f"{area}-555-{line}",
            f"+1 {area} 555 {line}",
            f"+1-{area}-555-{line}",
            f"+44 20 7946 0{some(s, 3)}",
            f"020 7946 0{some(s, 3)}",
            f"+44 7700 900{some(s, 3)}",
            f"07700 900{some(s, 3)}",
            f"+33 1 99 00 {some(s, 2)} {some(s, 2)}",
            f"01 99 00 {some(s, 2)} {some(s, 2)}",
            f"+49 30 23125 {some(s, 3)}",
            f"030 23125 {some(s, 3)}",
            f"+61 491 570 {some(s, 3)}",
            f"0491 570 {some(s, 3)}",
            f"(02) 5550 {some(s, 4)}",
        )
    )


def ip_address(s: Random) -> str:
    """RFC 5737 and RFC 3849."""
    if s.random() < 0.25:
        return f"2001:db8:{some(s, 4, '123456789abcdef')}::{some(s, 3, '123456789abcdef')}:{some(s, 3, '123456789abcdef')}"
    return f"{s.choice(('192.0.2', '198.51.100', '203.0.113'))}.{s.randint(1, 254)}"


def mac_address(s: Random) -> str:
    """RFC 7042, section 2.1.2: 00-00-5E-00-53-xx."""
    tail = some(s, 2, "123456789ABCDEF")
    return s.choice((f"00:00:5E:00:53:{tail}", f"00-00-5E-00-53-{tail}"))


def date_of_birth(s: Random) -> str:
    """A day in a usual spelling."""
    year, month, day = s.randint(1940, 2004), s.randint(1, 12), s.randint(13, 28)
    return s.choice(
        (
            f"{year}-{month:02}-{day:02}",
            f"{month:02}/{day:02}/{year}",
            f"{day} {_MONTHS[month - 1]} {year}",
            f"{day:02}.{month:02}.{year}",
        )
    )

"""Redaction: stable tokens that name the type and never give the value away."""

import hmac

import pytest

from triskel.errors import ConfigurationInvalid
from triskel.model.call import Surface
from triskel.policy.scan import Scanner, Style, redact

TEXT = "pay 4111 1111 1111 1111, mail bob@example.com, key=tr0ub4dor&3, ip 86.121.97.248"
ALL = {"pii", "payment", "secret"}


def test_masks_name_the_type(scanner: Scanner) -> None:
    findings = scanner.scan("x password=tr0ub4dor&3 514-69-0360", Surface.PROMPT).findings
    assert redact("x password=tr0ub4dor&3 514-69-0360", findings, ALL) == "x password=[REDACTED:generic_secret] [REDACTED:us_ssn]"


def test_only_what_was_asked_for_goes(scanner: Scanner) -> None:
    findings = scanner.scan(TEXT, Surface.PROMPT).findings
    assert redact(TEXT, findings, {"payment"}).startswith("pay [REDACTED:credit_card], mail bob@example.com")
    assert "bob@example.com" not in redact(TEXT, findings, {"email"})
    assert redact(TEXT, findings, set()) == TEXT


def test_the_last_four_stay_of_what_is_long_enough(scanner: Scanner) -> None:
    text = "pay 4111 1111 1111 1111 with CVV 123 and password=tr0ub4dor&3"
    findings = scanner.scan(text, Surface.PROMPT).findings
    assert redact(text, findings, ALL, Style.LAST_FOUR) == (
        "pay [REDACTED:credit_card:1111] with CVV [REDACTED:card_verification_code] and password=[REDACTED:generic_secret]"
    )


def test_a_hash_is_keyed_and_the_same_for_every_spelling(scanner: Scanner) -> None:
    def hashed(text: str, key: bytes) -> str:
        return redact(text, scanner.scan(text, Surface.PROMPT).findings, ALL, Style.HASH, key=key)

    one = hashed("4111 1111 1111 1111", b"tenant")
    assert one == hashed("4111-1111-1111-1111", b"tenant") == hashed("4111111111111111", b"tenant")
    assert one != hashed("4111 1111 1111 1111", b"other")
    expected = hmac.digest(b"tenant", b"credit_card\x004111111111111111", "sha256").hex()[:16]
    assert one == f"[REDACTED:credit_card:{expected}]"


def test_a_hash_without_a_key_is_refused(scanner: Scanner) -> None:
    findings = scanner.scan(TEXT, Surface.PROMPT).findings
    with pytest.raises(ConfigurationInvalid):
        redact(TEXT, findings, ALL, Style.HASH)


def test_a_redacted_text_holds_nothing_to_find(scanner: Scanner) -> None:
    once = redact(TEXT, scanner.scan(TEXT, Surface.PROMPT).findings, ALL)
    assert scanner.scan(once, Surface.PROMPT).findings == ()

"""A stream finds what the whole text holds, however it is cut, and lets nothing of it go."""

import random
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.scan.cases import LONG, SHORT
from tests.unit.policy.scan.conftest import spelled

from triskel.model.call import Surface
from triskel.model.finding import Finding
from triskel.policy.scan.redaction import redact
from triskel.policy.scan.scanner import Scanner
from triskel.policy.scan.segments import BLOCK_CAP_CHARS, SOFT_CAP_CHARS

EVERYTHING = frozenset({"pii", "payment", "secret", "sql_injection", "shell", "prompt_injection"})


def streamed(scanner: Scanner, pieces: Iterable[str], surface: Surface) -> tuple[list[Finding], str, str, int]:
    """The findings with absolute offsets, the text, the redacted text and the injection risk."""
    stream = scanner.stream(surface)
    findings: list[Finding] = []
    text = redacted = ""
    fed = 0

    def releases() -> Iterator[object]:
        nonlocal fed
        for piece in pieces:
            fed += len(piece)
            yield stream.feed(piece)
        yield stream.close()

    for released in releases():
        assert not released.incomplete
        assert not released.text or released.offset == len(text)
        text += released.text
        redacted += redact(released.text, released.findings, EVERYTHING)
        for f in released.findings:
            assert 0 <= f.start < f.end <= len(released.text)
            findings.append(
                Finding(f.type, f.category, f.start + released.offset, f.end + released.offset, f.confidence, f.validator)
            )
        assert stream.held == fed - len(text)
    return findings, text, redacted, stream.injection_risk


def assert_same(scanner: Scanner, text: str, pieces: Iterable[str], surface: Surface) -> None:
    whole = scanner.scan(text, surface)
    findings, passed, redacted, risk = streamed(scanner, pieces, surface)
    assert passed == text
    assert findings == list(whole.findings)
    assert redacted == redact(text, whole.findings, EVERYTHING)
    assert risk == whole.injection_risk


def cut_at_random(rng: random.Random, text: str) -> Iterator[str]:
    sizes = rng.choice([(1, 2, 3), (1, 4, 9, 40), (1, 100, 700)])
    position = 0
    while position < len(text):
        step = rng.choice(sizes)
        yield text[position : position + step]
        position += step


@pytest.mark.parametrize("text", SHORT)
@pytest.mark.parametrize("surface", [Surface.OUTPUT, Surface.TOOL_ARGUMENT])
def test_every_split_in_two_finds_the_same(scanner: Scanner, text: str, surface: Surface) -> None:
    for place in range(len(text) + 1):
        assert_same(scanner, text, [text[:place], text[place:]], surface)


@pytest.mark.parametrize("text", SHORT)
def test_one_character_at_a_time_finds_the_same(scanner: Scanner, text: str) -> None:
    for surface in Surface:
        assert_same(scanner, text, text, surface)


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
@pytest.mark.parametrize("surface", [Surface.OUTPUT, Surface.PROMPT])
def test_random_pieces_of_a_long_text_find_the_same(scanner: Scanner, text: str, surface: Surface) -> None:
    rng = random.Random(len(text))
    for _ in range(4):
        assert_same(scanner, text, cut_at_random(rng, text), surface)


@given(
    parts=st.lists(
        st.sampled_from([*SHORT, *LONG[:2], *LONG[3:6], " ", "\n", "\n\n", "4", "-", "@", "=", "'", "é", "\u200b", "。"]),
        max_size=9,
    ),
    seed=st.integers(0, 1 << 30),
    surface=st.sampled_from(list(Surface)),
)
@settings(max_examples=60, deadline=None)
def test_texts_put_together_at_random_find_the_same(scanner: Scanner, parts: list[str], seed: int, surface: Surface) -> None:
    text = "".join(parts)
    assert_same(scanner, text, cut_at_random(random.Random(seed), text), surface)


@given(text=st.text(alphabet="0123456789 -.+()@abEY=:/'\"\n\u200b\u00a0１é", max_size=120), seed=st.integers(0, 1 << 30))
@settings(max_examples=150, deadline=None)
def test_noise_of_the_characters_that_matter_finds_the_same(scanner: Scanner, text: str, seed: int) -> None:
    assert_same(scanner, text, cut_at_random(random.Random(seed), text), Surface.OUTPUT)


def test_no_part_of_a_value_is_ever_let_go(scanner: Scanner) -> None:
    """Whatever is released after each piece, put together and redacted, holds no five characters of a secret in a row."""
    secret = spelled("ghp_<36:A-Za-z0-9>")
    text = f"the token is {secret}, keep it"
    for size in range(1, 12):
        _, _, redacted, _ = streamed(scanner, (text[i : i + size] for i in range(0, len(text), size)), Surface.OUTPUT)
        assert not any(secret[i : i + 5] in redacted for i in range(4, len(secret) - 4))


def test_prose_is_released_word_by_word(scanner: Scanner) -> None:
    stream = scanner.stream(Surface.OUTPUT)
    assert stream.feed("The quick ").text == "The quick "
    assert stream.feed("bro").text == ""
    assert stream.held == 3
    assert stream.feed("wn fox").text == "brown "


def test_digits_wait_for_what_may_follow(scanner: Scanner) -> None:
    stream = scanner.stream(Surface.OUTPUT)
    assert stream.feed("in 4111 ").text == "in "
    assert stream.feed("years").text == "4111 "


def test_what_is_held_is_bounded_outside_blocks(scanner: Scanner) -> None:
    for text in ("7" * 5000, "1 " * 3000, "a.b@" * 1000, "token=" + "xY3" * 2000):
        stream = scanner.stream(Surface.OUTPUT)
        for place in range(0, len(text), 50):
            stream.feed(text[place : place + 50])
            assert stream.held <= SOFT_CAP_CHARS + 50


def test_a_key_without_an_end_is_suppressed_to_the_last_character(scanner: Scanner) -> None:
    body = "\n".join(spelled("<64:A-Za-z0-9>", seed) for seed in range(300))
    stream = scanner.stream(Surface.OUTPUT)
    out = ""
    for place in range(0, len(body), 500):
        released = stream.feed(("-----BEGIN PRIVATE KEY-----\n" if not place else "") + body[place : place + 500])
        out += redact(released.text, released.findings, {"secret"})
        assert stream.held <= BLOCK_CAP_CHARS + 600
    released = stream.close()
    out += redact(released.text, released.findings, {"secret"})
    assert set(out.replace("-----BEGIN PRIVATE KEY-----", "").split("[REDACTED:private_key]")) == {""}

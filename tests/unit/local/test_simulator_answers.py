"""What a simulated model says."""

import base64
import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from triskel.local.simulator.answer import Answer, answer
from triskel.local.simulator.offer import OfferedDeployment, read_offer
from triskel.local.simulator.request import ChatRequest, read_request
from triskel.local.simulator.tokens import count, cut, pieces

Said = Callable[..., ChatRequest]
SMALL = read_offer().clouds["aws"].deployments[0]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def answered(request: ChatRequest, deployment: OfferedDeployment = SMALL, room: int = 4000) -> Answer:
    return answer(request, deployment, room)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_repeats_exactly_what_it_is_told_to(text: str) -> None:
    """`repeat after me: TEXT` answers TEXT, whatever is in it."""
    body = {"model": "m", "messages": [{"role": "user", "content": f"Please repeat after me: {text}"}]}
    assert answered(read_request(msgspec.json.encode(body))).text == text


def test_decodes_what_must_not_stand_in_the_prompt(said: Said) -> None:
    """`decode base64:` lets a text appear in an answer that never stood in a prompt."""
    secret = "write to ada@example.com"
    assert answered(said("decode base64: " + base64.b64encode(secret.encode()).decode())).text == secret
    assert answered(said("decode base64: " + base64.urlsafe_b64encode(b"a>>?").decode().rstrip("="))).text == "a>>?"
    assert answered(said("decode base64: /////w==")).text == "That is not base64 of a text."


@pytest.mark.parametrize("words", [0, 1, 10, 11, 500])
def test_writes_as_many_words_as_asked(said: Said, words: int) -> None:
    """`write N words` gives N words."""
    assert len(answered(said(f"Now write {words} words, please")).text.split()) == words


def test_same_request_same_answer_and_seed_makes_a_difference(said: Said) -> None:
    """An answer is a function of prompt, model and seed; how it is sent changes nothing."""
    prompt = "Why do rivers bend?"
    assert answered(said(prompt)) == answered(said(prompt, stream=True, user="somebody", temperature=2))
    assert len({answered(said(prompt, seed=seed)).text for seed in range(12)}) > 1


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ("Hello there", "Hello!"),
        ("What is 12 * 12?", "12 * 12 is 144."),
        ("calculate 7 / 0", "7 / 0 is not defined."),
        ("Why do rivers bend?", "rivers"),
        ("The harbor froze last night.", "harbor"),
        ("Summarize: The harbor froze. Nobody sailed.", "In short: The harbor froze."),
        ("How do I paint a fence?", "1. Write down what you know about paint and fence."),
        ("   ", "You have not said anything yet."),
    ],
)
def test_answers_sound_like_answers(said: Said, prompt: str, part: str) -> None:
    """A person who tries it sees a reply made of their own words."""
    assert part in answered(said(prompt)).text


def test_remembers_the_message_before() -> None:
    """An answer in a longer conversation refers to what was said before."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Lanterns glow."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "Do they burn oil?"},
    ]
    request = read_request(msgspec.json.encode({"model": "m", "messages": messages}))
    assert "Earlier you spoke of lanterns and glow." in answered(request).text


def test_stops_before_a_stop_sequence(said: Said) -> None:
    """The stop sequence itself is not said, and the first of several wins."""
    said_so = answered(said("repeat after me: one two three", stop=["three", "two"]))
    assert (said_so.text, said_so.finish_reason) == ("one ", "stop")


def test_ends_at_the_token_limit(said: Said) -> None:
    """What does not fit is cut at a token, and the reason is `length`."""
    said_so = answered(said("repeat after me: 12345678"), room=1)
    assert (said_so.text, said_so.finish_reason, said_so.tokens) == ("1234", "length", 1)


def test_says_an_object_when_json_is_asked_for(said: Said) -> None:
    """`json_object` gives an object with the answer in it."""
    found = json.loads(answered(said("repeat after me: yes", response_format={"type": "json_object"})).text)
    assert found["answer"] == "yes"


def test_meets_a_json_schema(said: Said) -> None:
    """`json_schema` gives a value that the schema accepts."""

    class Trip(BaseModel):
        city: str
        nights: int

    schema = {"type": "json_schema", "json_schema": {"name": "trip", "schema": Trip.model_json_schema()}}
    trip = Trip.model_validate_json(answered(said("I stay in Lisbon for 4 nights", response_format=schema)).text)
    assert (trip.city, trip.nights) == ("Lisbon", 4)


def test_benchmark_deployment_says_exactly_its_chunks(said: Said) -> None:
    """bench-50x10 answers in 50 tokens whatever is asked."""
    bench = next(one for one in read_offer().clouds["aws"].deployments if one.name == "bench-50x10")
    assert answered(said("hi"), bench).tokens == len(pieces(answered(said("hi"), bench).text)) == 50
    assert answered(said("hi"), bench, room=7).tokens == 7


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(0, 60))
def test_tokens_are_four_characters(text: str, tokens: int) -> None:
    """Counting, cutting and streaming agree with one another."""
    assert count(text) == len(pieces(text)) == -(-len(text) // 4)
    assert "".join(pieces(text)) == text
    assert cut(text, tokens) == "".join(pieces(text)[:tokens])


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_any_prompt_has_an_answer(text: str) -> None:
    """No prompt makes the model fail, and an answer's tokens are those of its text."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    found = answered(read_request(msgspec.json.encode(body)))
    assert found.tokens == count(found.text)

"""The internal form of a chat leaves no text out, and says what is wrong with a body."""

import pytest

from triskel.errors import InvalidRequest
from triskel.model.call import Part, Surface
from triskel.providers.chat import chat_parts, check_chat, max_output_tokens, needed_capabilities


def chat(**fields):
    return {"model": "small", "messages": [{"role": "user", "content": "hello"}], **fields}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ({}, "model"),
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 257}, "model"),
        ({"model": "small"}, "messages"),
        ({"model": "small", "messages": {}}, "messages"),
        ({"model": "small", "messages": []}, "messages"),
        ({"model": "small", "messages": ["hello"]}, "messages[0]"),
        ({"model": "small", "messages": [{"content": "x"}]}, "messages[0].role"),
        ({"model": "small", "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (chat(stream="yes"), "stream"),
        (chat(stream_options=[]), "stream_options"),
        (chat(tools={}), "tools"),
        (chat(max_tokens=0), "max_tokens"),
        (chat(max_tokens=True), "max_tokens"),
        (chat(max_completion_tokens="9"), "max_completion_tokens"),
        (chat(n=1.5), "n"),
        (chat(n=129), "n"),
        (chat(max_tokens=10**30), "max_tokens"),
    ],
)
def test_a_body_that_cannot_be_worked_with_names_its_field(body, field):
    with pytest.raises(InvalidRequest) as caught:
        check_chat(body)
    assert caught.value.field == field


def test_unknown_fields_are_none_of_our_business():
    assert check_chat(chat(frequency_penalty=0.5, a_field_of_next_year={"x": 1}))["a_field_of_next_year"] == {"x": 1}


def test_a_plain_message_is_one_part():
    assert chat_parts(chat(temperature=0.2, stream=True)) == (Part(Surface.PROMPT, ("messages", 0, "content"), "hello"),)


def test_every_text_is_a_part_on_its_own_surface():
    body = chat(
        messages=[
            {"role": "system", "content": "be kind", "name": "boss"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://x/y"}}],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "found"},
        ],
        tools=[{"type": "function", "function": {"name": "find", "description": "finds"}}],
        user="u-1",
        metadata={"4111 1111 1111 1111": "card as a key"},
        extra_numbers=[4111111111111111, 42],
    )
    found = {(part.surface, part.text, part.is_key) for part in chat_parts(body)}
    assert {
        (Surface.PROMPT, "be kind", False),
        (Surface.PROMPT, "boss", False),
        (Surface.PROMPT, "look", False),
        (Surface.PROMPT, "https://x/y", False),
        (Surface.TOOL_ARGUMENT, "find", False),
        (Surface.TOOL_ARGUMENT, '{"q": 1}', False),
        (Surface.TOOL_RESULT, "found", False),
        (Surface.PROMPT, "finds", False),
        (Surface.PROMPT, "u-1", False),
        (Surface.PROMPT, "4111 1111 1111 1111", True),
        (Surface.PROMPT, "card as a key", False),
        (Surface.PROMPT, "4111111111111111", False),
    } <= found
    assert not any(text in ("42", "user", "function", "text", "image_url") for _, text, _ in found)


def test_a_word_of_the_schema_in_an_unknown_place_is_text():
    """A role that is none, or a type that is none, is looked at like any other string."""
    texts = {part.text for part in chat_parts(chat(messages=[{"role": "123-45-6789", "content": "x"}]))}
    assert "123-45-6789" in texts


def test_bytes_of_images_are_not_text():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}
    assert chat_parts(chat(messages=[{"role": "user", "content": [image]}])) == ()


def test_a_document_in_a_data_url_is_text():
    part = {"type": "file", "file": {"file_data": "data:text/plain,123-45-6789"}}
    assert "data:text/plain,123-45-6789" in {p.text for p in chat_parts(chat(messages=[{"role": "user", "content": [part]}]))}


def test_too_many_and_too_deep_are_refused():
    with pytest.raises(InvalidRequest, match="texts"):
        chat_parts(chat(stop=["x1"] * 20_001))
    deep: list = []
    for _ in range(70):
        deep = [deep]
    deep_text = ["text"]
    for _ in range(70):
        deep_text = [deep_text]
    with pytest.raises(InvalidRequest, match="levels deep"):
        chat_parts(chat(extra=deep_text))


def test_edits_replace_values_keys_and_numbers_and_leave_the_original_whole():
    from dataclasses import replace

    from tests.unit.calls import a_call

    body = chat(metadata={"4111 1111 1111 1111": {"inner": "a@b.example"}}, number=4111111111111111)
    call = replace(a_call(), payload=body, parts=chat_parts(body))
    edited = call.with_edits([(part, "[gone]") for part in call.parts])
    assert edited.payload["messages"][0]["content"] == "[gone]"
    assert edited.payload["metadata"] == {"[gone]": {"inner": "[gone]"}}
    assert edited.payload["number"] == "[gone]"
    assert body["metadata"] == {"4111 1111 1111 1111": {"inner": "a@b.example"}}
    assert {part.text for part in edited.parts} == {"[gone]"}


def test_capabilities_and_bounds_are_read_from_the_body():
    assert needed_capabilities(chat()) == {"chat"}
    assert needed_capabilities(chat(tools=[{}], response_format={"type": "json_object"})) == {"chat", "tools", "json"}
    seen = chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}])
    assert needed_capabilities(seen) == {"chat", "vision"}
    assert max_output_tokens(chat(max_tokens=5)) == 5
    assert max_output_tokens(chat(max_tokens=5, max_completion_tokens=7)) == 7
    assert max_output_tokens(chat()) is None

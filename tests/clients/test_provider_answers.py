"""What a provider may answer, byte by byte: answers that end oddly, that are none, that never end, and what is kept of them."""

from collections.abc import Iterator

import pytest
from tests.clients.conftest import IMPATIENT, make_key
from tests.clients.scripted import DONE, ScriptedProvider, configuration, event
from tests.clients.streams import texts_of
from tests.clients.triskel_process import Triskel, eventually, serve


@pytest.fixture(scope="module")
def running_provider() -> Iterator[ScriptedProvider]:
    """A provider that says what it is told."""
    with ScriptedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def impatient_with_it(running_provider: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triskel]:
    """An impatient gateway in front of it."""
    directory = tmp_path_factory.mktemp("scripted") / "data"
    with serve(directory, configuration(running_provider, timeouts=IMPATIENT)) as running:
        running.key = make_key(directory, "acme")
        yield running


@pytest.fixture
def provider(running_provider: ScriptedProvider) -> ScriptedProvider:
    """The provider, in order."""
    running_provider.behave()
    return running_provider


@pytest.fixture
def scripted(impatient_with_it: Triskel, provider: ScriptedProvider) -> Triskel:
    """The gateway in front of it, when it thinks well of its only provider again."""
    heal(impatient_with_it, provider)
    provider.received.clear()
    return impatient_with_it


def heal(gateway: Triskel, provider: ScriptedProvider) -> None:
    """Answer well until the gateway believes it."""
    provider.answer({"content": "fine"})
    for _ in range(3):
        eventually(lambda: gateway.chat("hi", model="any").status == 200, "the provider to be thought well of")


@pytest.mark.parametrize(("linger_s", "ends_properly"), [(0.0, True), (0.3, True), (3.0, True), (0.0, False)])
def test_a_stream_is_over_with_its_last_word(
    scripted: Triskel, provider: ScriptedProvider, linger_s: float, ends_properly: bool
) -> None:
    """Behind [DONE] nothing is an error: not a body that ends late or never, nor a connection that breaks."""
    provider.linger_s, provider.ends_properly = linger_s, ends_properly
    provider.say("a", "b", "c")
    in_pieces, in_one = provider.pieces, [b"".join(provider.pieces)]
    for pieces in (in_pieces, in_one):
        provider.pieces = pieces
        reply = scripted.chat("go", model="any", stream=True)
        assert "".join(texts_of(reply.body)) == "abc"
        assert reply.body.endswith(DONE)
        record = scripted.record(reply.headers["x-triskel-audit"])
        assert (record["outcome"], [attempt["outcome"] for attempt in record["attempts"]]) == ("ok", ["ok"])


def test_an_answer_that_is_none(scripted: Triskel, provider: ScriptedProvider) -> None:
    """Garbage with status 200 is the provider's fault, whole or as an event of a stream; nothing of it reaches the caller."""
    for garbage in (
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [7]}',
        b'{"choices": null}',
        b'{"error": {"message": "no"}}',
        b"<html>",
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b"[" * 100_000,
    ):
        provider.pieces, provider.content_type = [garbage], "application/json"
        reply = scripted.chat("go", model="any")
        assert (reply.status, reply.code) == (502, "upstream_error"), garbage[:50]
        provider.pieces, provider.content_type = [b"data: " + garbage + b"\n\n", DONE], "text/event-stream"
        reply = scripted.chat("go", model="any", stream=True)
        assert (reply.status, reply.code) == (502, "upstream_error"), garbage[:50]
        assert scripted.audit(limit=1)["data"][0]["outcome"] == "error:upstream_error"
        heal(scripted, provider)


def test_an_event_without_end(scripted: Triskel, provider: ScriptedProvider) -> None:
    """A provider that sends megabytes without the end of an event is given up, and the gateway does not keep them."""
    provider.pieces = [event({"content": "a"}), *([b"x" * 65_536] * 100)]
    reply = scripted.chat("go", model="any", stream=True)
    assert b"too long" in reply.body
    assert len(reply.body) < 4_096


def test_a_redirect_is_not_followed(scripted: Triskel, provider: ScriptedProvider) -> None:
    """A provider cannot send the gateway, with its credential, anywhere else."""
    provider.status, provider.headers = 307, {"location": provider.base_url + "/elsewhere"}
    reply = scripted.chat("go", model="any")
    assert (reply.status, reply.code) == (502, "upstream_error")
    assert [path for path, _, _ in provider.received] == ["/openai/v1/chat/completions"]


def test_headers_of_a_provider_stay_behind(scripted: Triskel, provider: ScriptedProvider) -> None:
    """What a provider says in headers is not passed on."""
    provider.answer({"content": "ok"})
    provider.headers = {"set-cookie": "a=b", "x-vendor": "secret", "x-triskel-route": "forged"}
    reply = scripted.chat("go", model="any")
    assert reply.status == 200
    assert {"set-cookie", "x-vendor"}.isdisjoint(reply.headers)
    assert reply.headers["x-triskel-route"] == "other/vendor/scripted"

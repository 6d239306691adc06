"""The scripted transport against the suite of every transport, so that tests with it hold on a network too."""

import pytest

from triskel.ports.transport import UpstreamRequest
from triskel.testing.contracts.transport import TransportContract, request
from triskel.testing.transport import Answer, FakeTransport


class FakeStage:
    """A transport that is its own provider."""

    url = "http://provider.test"

    def __init__(self) -> None:
        self.transport = FakeTransport()

    def play(self, *answers: Answer) -> None:
        self.transport.play(*answers)

    @property
    def given_up(self) -> int:
        return self.transport.given_up


class TestFakeTransport(TransportContract):
    """The suite, and what is the fake's own."""

    @pytest.fixture
    def stage(self) -> FakeStage:
        return FakeStage()

    async def test_it_keeps_what_was_sent(self, stage: FakeStage) -> None:
        """In order."""
        stage.play(Answer.of_json({}), Answer.of_json({}))
        asked = [request(stage, body=b"1"), request(stage, body=b"2")]
        for each in asked:
            await stage.transport.send(each)
        assert stage.transport.requests == asked

    async def test_what_is_not_scripted_fails_the_test(self, stage: FakeStage) -> None:
        """It says which request it was."""
        with pytest.raises(AssertionError, match=r"POST http://provider\.test/v1"):
            await stage.transport.send(request(stage))

    async def test_answers_can_be_scripted_by_address(self) -> None:
        """Each prefix has its own; the rest takes from the common ones."""
        routes = {"http://a/": [Answer.of_json("a1"), Answer.of_json("a2")], "http://b/": [Answer.of_json("b1")]}
        transport = FakeTransport(Answer.of_json("other"), routes=routes)
        said = []
        for url in ("http://b/x", "http://a/x", "http://c/x", "http://a/y"):
            response = await transport.send(UpstreamRequest(method="GET", url=url, headers={}))
            said.append(await response.read(100))
        assert said == [b'"b1"', b'"a1"', b'"other"', b'"a2"']

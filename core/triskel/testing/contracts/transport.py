"""What every `ports.transport.Transport` must do. One rule: what nobody reads any more is noticed by the provider.

A backend's test module inherits `TransportContract` and has a fixture `stage`: a provider that plays `Answer`s, and the
transport that reaches it.
"""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Protocol

import pytest

from triskel.errors import UpstreamFault
from triskel.ports.transport import Transport, UpstreamRequest, UpstreamResponse
from triskel.testing.transport import Answer, Ending

SECRET = "Bearer sk-very-secret"


class Stage(Protocol):
    """A provider under the test's control."""

    transport: Transport
    url: str

    def play(self, *answers: Answer) -> None:
        """Answer the next requests so."""

    @property
    def given_up(self) -> int:
        """How many answers the provider saw being given up before they were whole."""


def request(
    stage: Stage, *, method: str = "POST", body: bytes = b"{}", headers: Mapping[str, str] | None = None
) -> UpstreamRequest:
    """A request to the stage's provider, with a credential."""
    return UpstreamRequest(method=method, url=f"{stage.url}/v1", headers={"authorization": SECRET, **(headers or {})}, body=body)


async def until_given_up(stage: Stage, count: int = 1) -> None:
    """Wait until the provider has noticed. Raises TimeoutError after two seconds."""
    async with asyncio.timeout(2):
        while stage.given_up < count:  # noqa: ASYNC110  a provider has no event to offer
            await asyncio.sleep(0.001)


async def pieces(response: UpstreamResponse) -> list[bytes]:
    """The body as it comes."""
    return [piece async for piece in response.chunks()]


class AnswerContract:
    """Of answers that come to their end."""

    @pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 404, 429, 500, 503])
    async def test_every_status_is_an_answer(self, stage: Stage, status: int) -> None:
        """None is an error, and no redirect is followed."""
        stage.play(Answer.of_json({"n": 1}, status=status, headers={"location": f"{stage.url}/elsewhere", "retry-after": "3"}))
        response = await stage.transport.send(request(stage))
        assert response.status == status
        assert response.header("Retry-After") == "3"
        assert await response.read(1_000) == b'{"n": 1}'

    async def test_headers_are_found_without_regard_to_case(self, stage: Stage) -> None:
        """And one that is not there is None."""
        stage.play(Answer.of_json({}, headers={"X-Request-Id": "r 1"}))
        response = await stage.transport.send(request(stage))
        assert [response.header(name) for name in ("x-request-id", "X-REQUEST-ID", "x-other")] == ["r 1", "r 1", None]
        await response.read(10)

    @pytest.mark.parametrize("headers", [{}, {"content-length": "11"}], ids=["chunked", "with a length"])
    async def test_a_body_is_read_whole(self, stage: Stage, headers: dict[str, str]) -> None:
        """However it is framed and cut."""
        stage.play(Answer(headers=headers, pieces=(b"hello", b" ", b"world"), piece_delay_ms=2))
        response = await stage.transport.send(request(stage))
        assert await response.read(11) == b"hello world"

    @pytest.mark.parametrize("headers", [{}, {"content-length": "0"}], ids=["chunked", "with a length"])
    async def test_an_empty_body_is_empty(self, stage: Stage, headers: dict[str, str]) -> None:
        """By either way of reading."""
        stage.play(Answer(headers=headers), Answer(headers=headers))
        assert await (await stage.transport.send(request(stage))).read(0) == b""
        assert await pieces(await stage.transport.send(request(stage))) == []

    async def test_a_stream_comes_as_it_is_sent(self, stage: Stage) -> None:
        """The head comes before the body, and each piece before the next one is sent."""
        stage.play(Answer.of_events(["one", "two", "three"], piece_delay_ms=30))
        loop = asyncio.get_running_loop()
        response = await stage.transport.send(request(stage))
        moments = [loop.time()]
        whole = b""
        async for piece in response.chunks():
            whole += piece
            moments.append(loop.time())
        assert whole == b"data: one\n\ndata: two\n\ndata: three\n\n"
        assert len(moments) == 4
        assert all(later - earlier > 0.015 for earlier, later in pairwise(moments))

    async def test_many_at_once_do_not_mix(self, stage: Stage) -> None:
        """Each caller gets a whole answer of its own."""
        stage.play(*[Answer.of_json({"n": n}, delay_ms=n % 7) for n in range(60)])

        async def one() -> bytes:
            return await (await stage.transport.send(request(stage))).read(100)

        answers = await asyncio.gather(*[one() for _ in range(60)])
        assert sorted(answers) == sorted(b'{"n": %d}' % n for n in range(60))


class FaultContract:
    """Of providers that fail."""

    async def test_no_head_is_a_fault(self, stage: Stage) -> None:
        """The connection broke before the answer began."""
        stage.play(Answer.no_head(Ending.BROKEN))
        with pytest.raises(UpstreamFault):
            await stage.transport.send(request(stage))

    @pytest.mark.parametrize("headers", [{}, {"content-length": "99"}], ids=["chunked", "with a length"])
    async def test_a_body_that_breaks_off_is_a_fault(self, stage: Stage, headers: dict[str, str]) -> None:
        """What had come is given first when it is read as it comes."""
        answer = Answer(headers=headers, pieces=(b"half",), ending=Ending.BROKEN)
        stage.play(answer, answer)
        with pytest.raises(UpstreamFault):
            await (await stage.transport.send(request(stage))).read(1_000)
        response = await stage.transport.send(request(stage))
        chunks = response.chunks()
        assert await anext(chunks) == b"half"
        with pytest.raises(UpstreamFault):
            await anext(chunks)

    @pytest.mark.parametrize("headers", [{}, {"content-length": "2000"}], ids=["chunked", "with a length"])
    async def test_a_body_over_the_limit_is_a_fault(self, stage: Stage, headers: dict[str, str]) -> None:
        """And one of exactly the limit is not."""
        stage.play(*[Answer(headers=headers, pieces=(b"x" * 1_000, b"y" * 1_000)) for _ in range(3)])
        for limit in (1_999, 500):
            with pytest.raises(UpstreamFault, match=f"{limit} bytes"):
                await (await stage.transport.send(request(stage))).read(limit)
        assert len(await (await stage.transport.send(request(stage))).read(2_000)) == 2_000

    async def test_faults_do_not_show_the_credential(self, stage: Stage) -> None:
        """Neither in the message nor in what it was raised from, nor in the request's own form."""
        stage.play(Answer.no_head(Ending.BROKEN))
        asked = request(stage)
        with pytest.raises(UpstreamFault) as caught:
            await stage.transport.send(asked)
        fault: BaseException | None = caught.value
        while fault is not None:
            assert SECRET not in repr(fault) + str(fault)
            fault = fault.__cause__ or fault.__context__
        assert SECRET not in repr(asked)


class GivingUpContract:
    """Of requests that nobody waits for any more."""

    async def test_a_cancelled_send_reaches_the_provider(self, stage: Stage) -> None:
        """It notices while it still thinks about its answer, and the next request is answered."""
        stage.play(Answer.no_head(Ending.HANGING), Answer.of_json({}))
        sending = asyncio.ensure_future(stage.transport.send(request(stage)))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await until_given_up(stage)
        assert await (await stage.transport.send(request(stage))).read(10) == b"{}"

    async def test_closing_before_the_end_reaches_the_provider(self, stage: Stage) -> None:
        """Nothing more is paid for."""
        stage.play(Answer.of_events(["one"], ending=Ending.HANGING), Answer.of_json({}))
        response = await stage.transport.send(request(stage))
        async for piece in response.chunks():
            assert piece == b"data: one\n\n"
            break
        await response.aclose()
        await until_given_up(stage)
        await response.aclose()
        assert await (await stage.transport.send(request(stage))).read(10) == b"{}"

    async def test_closing_unread_reaches_the_provider(self, stage: Stage) -> None:
        """The head alone was wanted."""
        stage.play(Answer.of_events(["one"], ending=Ending.HANGING))
        response = await stage.transport.send(request(stage))
        await response.aclose()
        await until_given_up(stage)

    async def test_a_cancelled_read_can_be_closed(self, stage: Stage) -> None:
        """As the caller does whose patience is at its end."""
        stage.play(Answer.of_events(["one"], ending=Ending.HANGING))
        response = await stage.transport.send(request(stage))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await response.read(1_000)
        await response.aclose()
        await until_given_up(stage)

    async def test_closing_after_the_end_gives_nothing_up(self, stage: Stage) -> None:
        """The provider was done."""
        stage.play(Answer.of_json({"a": 1}), Answer.of_events(["one"]))
        for _ in range(2):
            response = await stage.transport.send(request(stage))
            await response.read(100)
            await response.aclose()
        await asyncio.sleep(0.02)
        assert stage.given_up == 0

    async def test_a_closed_transport_sends_nothing(self, stage: Stage) -> None:
        """It raises UpstreamFault."""
        await stage.transport.aclose()
        with pytest.raises(UpstreamFault):
            await stage.transport.send(request(stage))


class TransportContract(AnswerContract, FaultContract, GivingUpContract):
    """Of every transport."""

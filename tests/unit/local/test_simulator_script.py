"""When bytes are sent, under faults and without."""

import itertools
from collections.abc import Callable

import msgspec
import pytest

from triskel.local.simulator.answer import answer
from triskel.local.simulator.faults import Fault, FaultBoard, FaultKind, read_faults
from triskel.local.simulator.offer import OfferedDeployment, read_offer
from triskel.local.simulator.refusal import Refusal
from triskel.local.simulator.request import ChatRequest
from triskel.local.simulator.script import Ending, Script, script, token_times
from triskel.local.simulator.wire import LAST_CHUNK, Reply, reply_bytes

Said = Callable[..., ChatRequest]
AWS = {deployment.name: deployment for deployment in read_offer().clouds["aws"].deployments}
SMALL = AWS["aws-small"]
EIGHT_TOKENS = "repeat after me: " + "abcd" * 8


def replied(request: ChatRequest, deployment: OfferedDeployment = SMALL) -> Reply:
    return reply_bytes(request, answer(request, deployment, 1000), deployment, 0)


def sent(played: Script) -> bytes:
    return b"".join(data for _, data in played.steps)


def test_pace_stretches_the_modelled_times(said: Said) -> None:
    """Times are the data file's, shaken within their bounds, the same for the same request; pace 0 is none."""
    digest = said("hi").digest
    times = token_times(SMALL, digest, 50, 1.0)
    assert times == token_times(SMALL, digest, 50, 1.0)
    assert [2 * at for at in times] == pytest.approx(token_times(SMALL, digest, 50, 2.0))
    assert 0.180 * 0.75 <= times[0] <= 0.180 * 1.25
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(0.008 * 0.749 <= gap <= 0.008 * 1.251 for gap in gaps)
    assert len(set(gaps)) > 10
    assert set(token_times(SMALL, digest, 50, 0)) == {0}


def test_benchmark_deployment_keeps_its_pace(said: Said) -> None:
    """bench-50x10 sends 50 chunks exactly 10 ms apart, whatever the pace."""
    played = script(replied(said("hi", stream=True), AWS["bench-50x10"]), AWS["bench-50x10"], 0)
    assert [at for at, _ in played.steps[1:]] == pytest.approx([index / 100 for index in range(50)])


def test_a_stream_begins_at_once_and_ends_with_its_last_token(said: Said) -> None:
    """The head and the role come before the first token; the finish, the usage and the end with the last."""
    reply = replied(said(EIGHT_TOKENS, stream=True, stream_options={"include_usage": True}))
    played = script(reply, SMALL, 1.0)
    assert played.steps[0] == (0.0, reply.head + reply.opening)
    assert len(played.steps) == 1 + 8
    assert played.steps[-1][1] == reply.frames[-1] + reply.tail
    assert sent(played) == reply.everything
    assert (played.ending, played.is_failure) == (Ending.COMPLETE, False)


def test_a_whole_answer_comes_when_its_last_token_would(said: Said) -> None:
    """Not streaming takes as long as streaming."""
    whole, streamed = replied(said(EIGHT_TOKENS)), replied(said(EIGHT_TOKENS, stream=True))
    assert script(whole, SMALL, 1.0).steps[-1][0] == pytest.approx(script(streamed, SMALL, 1.0).steps[-1][0])


@pytest.mark.parametrize(
    ("kind", "ending"), [(FaultKind.DROP, Ending.CLOSE), (FaultKind.STALL, Ending.SILENCE), (FaultKind.CUT, Ending.COMPLETE)]
)
@pytest.mark.parametrize("after_frames", [0, 1, 3, 8, 99])
def test_a_stream_breaks_behind_its_tokens(said: Said, kind: FaultKind, ending: Ending, after_frames: int) -> None:
    """drop, stall and cut let exactly so many tokens pass and never the finish."""
    reply = replied(said(EIGHT_TOKENS, stream=True))
    played = script(reply, SMALL, 0, Fault(kind=kind, after_frames=after_frames))
    closed = LAST_CHUNK if kind is FaultKind.CUT else b""
    assert sent(played) == b"".join((reply.head, reply.opening, *reply.frames[:after_frames], closed))
    assert (played.ending, played.is_failure) == (ending, True)


@pytest.mark.parametrize(
    ("kind", "ending"), [(FaultKind.DROP, Ending.CLOSE), (FaultKind.STALL, Ending.SILENCE), (FaultKind.CUT, Ending.CLOSE)]
)
def test_a_whole_answer_breaks_in_its_middle(said: Said, kind: FaultKind, ending: Ending) -> None:
    """Half of the promised bytes come."""
    reply = replied(said(EIGHT_TOKENS))
    played = script(reply, SMALL, 0, Fault(kind=kind))
    assert sent(played) == reply.head + reply.tail[: len(reply.tail) // 2]
    assert played.ending is ending


@pytest.mark.parametrize("stream", [True, False])
def test_faults_without_an_answer(said: Said, stream: bool) -> None:
    """down and hang send nothing; status sends its error and when to come back."""
    reply = replied(said("hi", stream=stream))
    assert script(reply, SMALL, 0, Fault(kind=FaultKind.DOWN)) == Script(steps=(), ending=Ending.CLOSE, is_failure=True)
    assert script(reply, SMALL, 0, Fault(kind=FaultKind.HANG)) == Script(steps=(), ending=Ending.SILENCE, is_failure=True)
    failed = script(reply, SMALL, 0, Fault(kind=FaultKind.STATUS, status=429, retry_after_s=7))
    assert failed.status == 429
    assert b"retry-after: 7\r\n" in sent(failed)
    assert b"rate_limit_exceeded" in sent(failed)


@pytest.mark.parametrize("stream", [True, False])
def test_garbage_is_no_json(said: Said, stream: bool) -> None:
    """garbage has status 200 and cannot be read."""
    played = script(replied(said(EIGHT_TOKENS, stream=stream)), SMALL, 0, Fault(kind=FaultKind.GARBAGE, after_frames=2))
    assert played.status == 200
    body = sent(played).partition(b"\r\n\r\n")[2]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body.rpartition(b"data: ")[2] if stream else body)


def test_an_error_event_ends_a_stream_and_a_whole_answer_is_500(said: Said) -> None:
    """error_event tells of an error inside the stream."""
    fault = Fault(kind=FaultKind.ERROR_EVENT, after_frames=2)
    streamed = sent(script(replied(said(EIGHT_TOKENS, stream=True)), SMALL, 0, fault))
    assert streamed.endswith(b"}}\n\n\r\n" + LAST_CHUNK)
    assert b'data: {"error":' in streamed
    assert b"[DONE]" not in streamed
    assert script(replied(said(EIGHT_TOKENS)), SMALL, 0, fault).status == 500


def test_slow_delays_the_first_token_and_is_no_failure(said: Said) -> None:
    """slow shifts everything behind the opening."""
    reply = replied(said(EIGHT_TOKENS, stream=True))
    plain, slow = script(reply, SMALL, 1.0), script(reply, SMALL, 1.0, Fault(kind=FaultKind.SLOW, delay_ms=700))
    assert slow.steps[0] == plain.steps[0]
    assert [at for at, _ in slow.steps[1:]] == pytest.approx([at + 0.7 for at, _ in plain.steps[1:]])
    assert not slow.is_failure


def test_faults_meet_the_calls_they_are_for() -> None:
    """By deployment, count and duration; the first that fits meets the call."""
    board = FaultBoard()
    board.replace([Fault(kind=FaultKind.HANG, deployment="a", count=2), Fault(kind=FaultKind.DOWN, duration_ms=1000)], 10.0)
    assert board.take("a", 10.0).kind is FaultKind.HANG  # type: ignore[union-attr]
    assert board.take("b", 10.1).kind is FaultKind.DOWN  # type: ignore[union-attr]
    assert board.take("a", 10.2).kind is FaultKind.HANG  # type: ignore[union-attr]
    assert board.take("a", 10.9).kind is FaultKind.DOWN  # type: ignore[union-attr]
    assert [(one["kind"], one["met"], one["left_ms"]) for one in board.listed(10.9)] == [("down", 2, 100)]
    assert board.take("a", 11.0) is None
    assert not board.standing


def test_a_whole_cloud_fault_meets_other_requests_too() -> None:
    """What is counted in calls, or of one deployment, does not."""
    board = FaultBoard()
    board.replace([Fault(kind=FaultKind.DOWN, count=1), Fault(kind=FaultKind.HANG, deployment="a")], 0)
    assert board.of_whole_cloud(0) is None
    board.add([Fault(kind=FaultKind.STATUS)], 0)
    assert board.of_whole_cloud(0) == Fault(kind=FaultKind.STATUS)


@pytest.mark.parametrize(
    "order",
    [
        b"", b"{", b"[]", b"3", b"{}",
        b'{"kind": "boredom"}',
        b'{"kind": "down", "deployment": "gcp-flash"}',
        b'{"kind": "down", "duration": 3}',
        b'{"kind": "down", "count": -1}',
        b'{"kind": "slow", "delay_ms": 1e18}',
        b'{"kind": "status", "status": 200}',
        b'{"kind": "refuse"}',
        b'{"kind": "refuse", "duration_ms": 5, "deployment": "aws-small"}',
        b'{"faults": [' + b",".join([b'{"kind": "down"}'] * 101) + b"]}",
    ],
)  # fmt: skip
def test_a_wrong_order_is_refused(order: bytes) -> None:
    """An order with a mistake is a 400 and changes nothing."""
    with pytest.raises(Refusal) as caught:
        read_faults(order, frozenset({"aws-small"}))
    assert caught.value.status == 400


def test_an_order_is_one_fault_or_many() -> None:
    """Both forms are read."""
    one = Fault(kind=FaultKind.STATUS, status=529, deployment="aws-small", count=1)
    document = msgspec.json.encode(one)
    names = frozenset({"aws-small"})
    assert read_faults(document, names) == (one,)
    assert read_faults(b'{"faults": [' + document + b"," + document + b"]}", names) == (one, one)
    assert read_faults(b'{"faults": []}', names) == ()

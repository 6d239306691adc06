"""Providers that fail: what the caller gets, what the audit says, and who is tried instead.

The order is aws, azure, gcp. What a test needs to be forgotten is healed before it, or it has a gateway of its own.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.clients.conftest import IMPATIENT, Start, make_key
from tests.clients.scripted import DONE
from tests.clients.simulated import Clouds
from tests.clients.streams import texts_of
from tests.clients.triskel_process import Reply, Triskel, eventually, serve

TEXT = "repeat after me: abcdefghijkl"
FIRST_S, STALL_S = IMPATIENT["first_frame_ms"] / 1000, IMPATIENT["stall_ms"] / 1000


@pytest.fixture(scope="module")
def impatient(running_clouds: Clouds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triskel]:
    """A gateway that waits for a provider for little more than a second."""
    directory = tmp_path_factory.mktemp("impatient") / "data"
    running_clouds.give_keys(directory)
    with serve(directory, running_clouds.configuration(timeouts=IMPATIENT)) as running:
        running.key = make_key(directory, "acme")
        yield running


@pytest.fixture
def served(impatient: Triskel, clouds: Clouds) -> Triskel:
    """That gateway, when it thinks well of every deployment again."""
    for name in ("aws-small", "azure-small", "gcp-small"):
        for _ in range(3):
            eventually(lambda name=name: impatient.chat("hi", model=name).status == 200, f"{name} to be well")  # type: ignore[misc]
    clouds.begin_anew()
    return impatient


@pytest.fixture
def fresh(start: Start) -> Triskel:
    """A gateway of the test's own, whose breakers remember nothing."""
    return start()


def attempts(record: Any) -> list[tuple[str, str]]:
    """(cloud, outcome) of each try."""
    return [(attempt["route"].partition("/")[0], attempt["outcome"]) for attempt in record["attempts"]]


def answered(served: Triskel, reply: Reply, by: str) -> Any:
    """The record of a call that was answered whole, by this cloud."""
    assert reply.status == 200, reply.body
    if reply.headers["content-type"].startswith("text/event-stream"):
        assert "".join(texts_of(reply.body)) == "abcdefghijkl"
        assert reply.body.endswith(DONE)
    else:
        assert reply.json["choices"][0]["message"]["content"] == "abcdefghijkl"
    assert reply.headers["x-triskel-route"] == f"{by}/simulated/{by}-small"
    record = served.record(reply.headers["x-triskel-audit"])
    assert (record["outcome"], record["route"]) == ("ok", f"{by}/simulated/{by}-small")
    return record


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "down"}, "fault"),
        ({"kind": "refuse", "duration_ms": 1_000}, "fault"),
        ({"kind": "status", "status": 500}, "fault"),
        ({"kind": "status", "status": 503, "retry_after_s": 1}, "fault"),
        ({"kind": "status", "status": 401}, "fault"),
        ({"kind": "status", "status": 404}, "fault"),
        ({"kind": "status", "status": 429, "retry_after_s": 1}, "throttled"),
        ({"kind": "drop"}, "fault"),
        ({"kind": "garbage"}, "fault"),
        ({"kind": "error_event"}, "fault"),
        ({"kind": "cut"}, "fault"),
    ],
    ids=lambda value: f"{value['kind']}{value.get('status', '')}" if isinstance(value, dict) else value,
)
def test_the_next_candidate_answers(served: Triskel, clouds: Clouds, fault: Any, outcome: str, stream: bool) -> None:
    """Whatever goes wrong before the first content, the caller gets a whole answer from the next cloud, and the audit both tries."""
    clouds.order(fault, clouds=("aws",))
    record = answered(served, served.chat(TEXT, stream=stream), by="azure")
    assert attempts(record) == [("aws", outcome), ("azure", "ok")]
    assert record["attempts"][0]["status"] == fault.get(
        "status", 0 if fault["kind"] in ("down", "refuse") else record["attempts"][0]["status"]
    )
    assert served.verify()["valid"] is True


def test_two_clouds_down(served: Triskel, clouds: Clouds) -> None:
    """The third candidate answers, and costs what the third costs."""
    clouds.order({"kind": "down"}, clouds=("aws", "azure"))
    record = answered(served, served.chat(TEXT), by="gcp")
    assert attempts(record) == [("aws", "fault"), ("azure", "fault"), ("gcp", "ok")]
    assert record["cost_micro_usd"] == 1600 * record["usage"]["input_tokens"] + 3200 * record["usage"]["output_tokens"]


def test_a_credential_that_cannot_be_had(start: Start, clouds: Clouds) -> None:
    """A provider whose secret is missing is passed over like one that is down; the log says which secret, the caller not."""
    document = clouds.configuration()
    credentials = {**document["credentials"], "simulated-aws": {"secret": "secret://lost-and-never-found"}}
    served = start(credentials=credentials)
    for stream in (False, True):
        record = answered(served, served.chat(TEXT, stream=stream), by="azure")
        assert attempts(record) == [("aws", "fault"), ("azure", "ok")]
    reply = served.chat(TEXT, model="aws-small")
    assert (reply.status, reply.code) == (502, "upstream_error")
    assert b"lost-and-never-found" not in reply.body
    assert "lost-and-never-found" in served.log
    assert clouds.seen()["aws"] == 0


def test_a_request_for_one_deployment_goes_nowhere_else(served: Triskel, clouds: Clouds) -> None:
    """Who names a deployment gets its fault, not another deployment's answer."""
    clouds.order({"kind": "down"}, clouds=("aws",))
    reply = served.chat(TEXT, model="aws-small")
    assert (reply.status, reply.code) == (502, "upstream_error")
    assert clouds.seen() == {"aws": 1, "azure": 0, "gcp": 0}


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_hangs_is_left_in_time(served: Triskel, clouds: Clouds, stream: bool) -> None:
    """The next cloud answers when the configured time is over, and the one that hangs is told to stop."""
    clouds.order({"kind": "hang"}, clouds=("aws",))
    limit_s = FIRST_S if stream else IMPATIENT["whole_ms"] / 1000
    began_s = time.monotonic()
    record = answered(served, served.chat(TEXT, stream=stream), by="azure")
    assert limit_s <= time.monotonic() - began_s < limit_s + 1.5
    assert attempts(record) == [("aws", "timeout"), ("azure", "ok")]
    clouds.wait_for("cancelled")


def test_a_slow_first_token(served: Triskel, clouds: Clouds) -> None:
    """One that comes within the time is waited for; one that does not is a timeout, though its head came at once."""
    clouds.order({"kind": "slow", "delay_ms": 400}, clouds=("aws",))
    record = answered(served, served.chat(TEXT, stream=True), by="aws")
    assert record["latency_ms"] >= 400
    clouds.order({"kind": "slow", "delay_ms": 8_000}, clouds=("aws",))
    record = answered(served, served.chat(TEXT, stream=True), by="azure")
    assert attempts(record) == [("aws", "timeout"), ("azure", "ok")]
    assert FIRST_S * 1000 <= record["latency_ms"] < FIRST_S * 1000 + 1500
    clouds.wait_for("cancelled")


@pytest.mark.parametrize("kind", ["drop", "garbage", "error_event", "cut", "stall"])
def test_a_stream_that_breaks_ends_with_a_clean_error(served: Triskel, clouds: Clouds, kind: str) -> None:
    """Behind content nobody else may go on: the SDK raises APIError, what came before it stays, and the audit closes with it."""
    code = "upstream_timeout" if kind == "stall" else "upstream_error"
    whole = served.chat("write 50 words", model="bench").json["choices"][0]["message"]["content"]
    clouds.begin_anew()
    clouds.order({"kind": kind, "after_frames": 5})
    with OpenAI(base_url=f"{served.address}/v1", api_key=served.key, max_retries=0, timeout=10) as client:
        prompt: Any = [{"role": "user", "content": "write 50 words"}]
        stream = client.chat.completions.create(model="bench", messages=prompt, stream=True)
        texts: list[str] = []
        with stream, pytest.raises(openai.APIError) as caught:
            texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert not isinstance(caught.value, openai.APIConnectionError)
    body: Any = caught.value.body
    assert body["code"] == caught.value.code == code
    assert body["message"]
    assert texts
    assert whole.startswith("".join(texts))
    record = served.record(stream.response.headers["x-triskel-audit"])
    assert (record["outcome"], record["route"]) == (f"error:{code}", "aws/simulated/bench-50x10")
    assert attempts(record) == [("aws", "ok")]
    assert record["usage"]["estimated"] is True
    assert clouds.seen() == {"aws": 1, "azure": 0, "gcp": 0}
    assert served.verify()["valid"] is True


def test_a_broken_stream_is_well_formed_to_its_end(served: Triskel, clouds: Clouds) -> None:
    """On the wire: the last event is an error object, no [DONE] follows, and the response is properly ended."""
    clouds.order({"kind": "drop", "after_frames": 5})
    reply = served.chat(TEXT, model="bench", stream=True)
    assert (reply.status, reply.headers["transfer-encoding"]) == (200, "chunked")
    *_, last = [part for part in reply.body.decode().split("\n\n") if part]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_error"
    assert DONE not in reply.body


def test_a_stream_that_stalls_is_ended_in_time(served: Triskel, clouds: Clouds) -> None:
    """The caller hears of it when the time between frames is over, and the provider is told to stop."""
    clouds.order({"kind": "stall", "after_frames": 5})
    began_s = time.monotonic()
    reply = served.chat(TEXT, model="bench", stream=True)
    assert STALL_S <= time.monotonic() - began_s < STALL_S + 1.5
    assert b"upstream_timeout" in reply.body
    clouds.wait_for("cancelled")


@pytest.mark.parametrize(
    ("faults", "stream", "status", "code", "outcomes"),
    [
        (["down"] * 3, False, 502, "upstream_error", ["fault"] * 3),
        (["garbage"] * 3, True, 502, "upstream_error", ["fault"] * 3),
        ([429] * 3, True, 503, "no_capacity", ["throttled"] * 3),
        (["down", 429, 429], False, 502, "upstream_error", ["fault", "throttled", "throttled"]),
        ([429, "down", "hang"], True, 504, "upstream_timeout", ["throttled", "fault", "timeout"]),
    ],
)
def test_when_nobody_is_left(
    served: Triskel, clouds: Clouds, faults: Any, stream: bool, status: int, code: str, outcomes: list[str]
) -> None:
    """All upstreams down is 502, 503 or 504, as it fits, and the audit has every try."""
    for cloud, fault in zip(("aws", "azure", "gcp"), faults, strict=True):
        kind = {"kind": fault} if isinstance(fault, str) else {"kind": "status", "status": fault}
        clouds.order(kind, clouds=(cloud,))
    reply = served.chat(TEXT, stream=stream)
    assert (reply.status, reply.code) == (status, code)
    record = served.audit(limit=1)["data"][0]
    assert attempts(record) == list(zip(("aws", "azure", "gcp"), outcomes, strict=True))
    assert record["outcome"] == f"error:{code}"
    assert record["route"] is None
    assert ("retry-after" in reply.headers) is (status == 503)


def test_a_throttled_cloud_is_left_alone_as_long_as_it_says(served: Triskel, clouds: Clouds) -> None:
    """After a 429 with Retry-After the next calls go elsewhere at once, and come back when the time is over."""
    clouds.order({"kind": "status", "status": 429, "retry_after_s": 2, "count": 1}, clouds=("aws",))
    answered(served, served.chat(TEXT), by="azure")
    began_s = time.monotonic()
    for _ in range(5):
        record = answered(served, served.chat(TEXT), by="azure")
        assert attempts(record) == [("azure", "ok")]
    assert clouds.seen()["aws"] == 1
    eventually(lambda: served.chat(TEXT).headers["x-triskel-route"].startswith("aws/"), "aws to be asked again")
    assert 1.5 < time.monotonic() - began_s < 8


def test_a_breaker_opens_and_closes_again(fresh: Triskel, clouds: Clouds) -> None:
    """After repeated faults a dead cloud is asked no more; when it has recovered, a probe finds out and calls come back."""
    clouds.order({"kind": "down"}, clouds=("aws",))
    for _ in range(5):
        assert attempts(answered(fresh, fresh.chat(TEXT), by="azure"))[0] == ("aws", "fault")
    for _ in range(5):
        assert attempts(answered(fresh, fresh.chat(TEXT), by="azure")) == [("azure", "ok")]
    assert clouds.seen()["aws"] == 5
    ready = fresh.ask("GET", "/ready")
    assert (ready.status, ready.json["checks"]["upstreams"]["ok"]) == (200, True)
    clouds.calm()
    eventually(lambda: fresh.chat(TEXT).headers["x-triskel-route"].startswith("aws/"), "aws to be tried again")
    for _ in range(3):
        answered(fresh, fresh.chat(TEXT), by="aws")


def test_an_open_breaker_probes_with_one_call_at_a_time(fresh: Triskel, clouds: Clouds) -> None:
    """While a cloud stays dead, it sees a probe now and then, ever more seldom, and not every caller."""
    clouds.order({"kind": "down"}, clouds=("aws",))
    until_s = time.monotonic() + 3
    calls = 0
    while time.monotonic() < until_s:
        answered(fresh, fresh.chat(TEXT), by="azure")
        calls += 1
    assert calls > 20
    assert 6 <= clouds.seen()["aws"] <= 8


def test_faults_of_streams_open_the_breaker_too(fresh: Triskel, clouds: Clouds) -> None:
    """A cloud whose streams break behind their first content is as bad as one that refuses."""
    clouds.order({"kind": "drop", "after_frames": 1}, clouds=("aws",))
    for _ in range(12):
        reply = fresh.chat(TEXT, stream=True)
        if reply.headers["x-triskel-route"].startswith("azure/"):
            break
    assert reply.headers["x-triskel-route"].startswith("azure/")


def test_all_breakers_open(fresh: Triskel, clouds: Clouds) -> None:
    """With all clouds dead calls end at once with 503 no_capacity and Retry-After; readiness says so, and recovers."""
    clouds.order({"kind": "down"})
    for model in ("aws-small", "azure-small", "gcp-small"):
        for _ in range(5):
            assert fresh.chat(TEXT, model=model).status == 502
    reply = fresh.chat(TEXT)
    assert (reply.status, reply.code) == (503, "no_capacity")
    assert 1 <= int(reply.headers["retry-after"]) <= 2
    clouds.calm()
    eventually(lambda: fresh.chat(TEXT).status == 200, "a call to be answered again")


def test_a_process_that_dies_and_comes_back(served: Triskel, clouds: Clouds) -> None:
    """A provider whose process is gone is passed over; connections that were kept to it do no harm after its return."""
    answered(served, served.chat(TEXT), by="aws")
    clouds.order({"kind": "refuse", "duration_ms": 1_000}, clouds=("aws",))
    answered(served, served.chat(TEXT), by="azure")
    clouds.restart("aws")
    eventually(lambda: served.chat(TEXT).headers["x-triskel-route"].startswith("aws/"), "aws to answer again")

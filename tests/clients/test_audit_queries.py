"""`GET /v1/audit`: what is found by time, principal, decision, route and id, and page by page."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.clients.conftest import make_key
from tests.clients.issuers import Issuers
from tests.clients.simulated import Clouds
from tests.clients.triskel_process import Triskel, serve

AWS_KEY = "AKIA" + "QWERTYUIOPASDFGH"


@pytest.fixture(scope="module")
def history(running_clouds: Clouds, issuers: Issuers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triskel]:
    """A gateway with seven calls of three principals on record: two allowed, two redacted, two denied, one checked."""
    running_clouds.begin_anew()
    directory = tmp_path_factory.mktemp("history") / "data"
    running_clouds.give_keys(directory)
    with serve(directory, running_clouds.configuration(identity=issuers.configuration(a="acme"))) as served:
        served.key = make_key(directory, "acme", "ana")
        bob, token = make_key(directory, "acme", "bob"), issuers.token("a", sub="cy")
        served.chat("hi")
        served.chat("hi", model="azure-small", stream=True)
        served.chat("mail ana@example.com", key=bob)
        served.chat("mail ana@example.com", key=bob, model="gcp-small")
        served.chat(f"my key is {AWS_KEY}", key=bob)
        served.chat(f"my key is {AWS_KEY}", key=token, stream=True)
        served.ask("POST", "/v1/policy/check", {"input": "hi"}, key=token)
        yield served


def found(history: Triskel, **query: str | int) -> list[Any]:
    records: list[Any] = history.audit(**query)["data"]
    return records


def test_everything_the_newest_first(history: Triskel) -> None:
    """Without a filter all calls of the tenant come, the newest first, each whole."""
    records = found(history)
    assert len(records) == 7
    assert [record["opened_at"] for record in records] == sorted((record["opened_at"] for record in records), reverse=True)
    assert [record["outcome"] for record in records] == ["checked", "denied", "denied", "ok", "ok", "ok", "ok"]
    assert {record["state"] for record in records} == {"closed"}
    assert len({record["id"] for record in records}) == len({record["chain"]["hash"] for record in records}) == 7
    for record in records:
        assert record["id"].startswith("aud_")
        assert record["decision"]["id"].startswith("dec_")
        assert record["decision"]["bundle_hash"]
        assert record["decision"]["entities_hash"]
        assert record["content"] is None
        assert record["latency_ms"] >= 0


@pytest.mark.parametrize(("principal", "calls"), [("ana", 2), ("bob", 3), ("cy", 2), ("nobody", 0), ("AN", 0), ("an%", 0)])
def test_by_principal(history: Triskel, principal: str, calls: int) -> None:
    """Exactly the calls of a principal."""
    records = found(history, principal=principal)
    assert len(records) == calls
    assert {record["principal"]["id"] for record in records} <= {principal}


@pytest.mark.parametrize(("decision", "calls"), [("allow", 3), ("redact", 2), ("deny", 2), ("warn", 0), ("needs_approval", 0)])
def test_by_decision(history: Triskel, decision: str, calls: int) -> None:
    """Exactly the calls with a verdict."""
    records = found(history, decision=decision)
    assert len(records) == calls
    assert {record["decision"]["verdict"] for record in records} <= {decision}


def test_by_route(history: Triskel) -> None:
    """Exactly the calls that a deployment answered; what was denied was answered by none."""
    assert [record["principal"]["id"] for record in found(history, route="azure/simulated/azure-small")] == ["ana"]
    assert len(found(history, route="aws/simulated/aws-small")) == 2
    assert found(history, route="aws") == []
    assert {record["route"] for record in found(history, decision="deny")} == {None}


def test_by_id(history: Triskel) -> None:
    """One call, by its audit id, its request id or its decision id."""
    wanted = found(history)[3]
    for name, value in (("id", wanted["id"]), ("call", wanted["call_id"]), ("decision_id", wanted["decision"]["id"])):
        assert found(history, **{name: value}) == [wanted]


def test_by_time(history: Triskel) -> None:
    """From a moment on, and up to but not including one, in RFC 3339 with any zone or in milliseconds."""
    records = found(history)
    third = datetime.fromisoformat(records[2]["opened_at"])
    milliseconds = round(third.timestamp() * 1000)
    since = [record["id"] for record in records if record["opened_at"] >= records[2]["opened_at"]]
    before = [record["id"] for record in records if record["opened_at"] < records[2]["opened_at"]]
    elsewhere = (third + timedelta(hours=5)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "+05:00"
    for moment in (records[2]["opened_at"], elsewhere, milliseconds):
        assert [record["id"] for record in found(history, **{"from": moment})] == since
        assert [record["id"] for record in found(history, to=moment)] == before
    assert found(history, **{"from": milliseconds + 86_400_000}) == []
    assert found(history, to=1) == []


def test_filters_together(history: Triskel) -> None:
    """All filters must hold."""
    assert len(found(history, principal="bob", decision="redact")) == 2
    assert len(found(history, principal="bob", decision="redact", route="gcp/simulated/gcp-small")) == 1
    assert found(history, principal="ana", decision="deny") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_page_by_page(history: Triskel, limit: int) -> None:
    """Pages together are the whole, in the same order, none twice; the last one has no cursor."""
    whole = found(history)
    seen: list[Any] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = history.audit(**query)
        assert len(page["data"]) <= limit
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == whole


def test_pages_stand_still_while_calls_come_in(history: Triskel) -> None:
    """What comes in after the first page does not shift the next ones."""
    whole = found(history, principal="bob")
    first = history.audit(principal="bob", limit=1)
    history.ask("POST", "/v1/policy/check", {"input": "hi"}, key=history.key)
    second = history.audit(principal="bob", limit=2, cursor=first["next_cursor"])
    assert [*first["data"], *second["data"]] == whole


def test_a_call_is_found_as_soon_as_it_is_answered(history: Triskel) -> None:
    """No waiting: who has an answer finds its record with the next request, whole or streamed."""
    for stream in (False, True):
        reply = history.chat("hi", stream=stream)
        (record,) = found(history, id=reply.headers["x-triskel-audit"])
        assert (record["state"], record["outcome"]) == ("closed", "ok")


def test_reading_is_for_those_who_may(history: Triskel) -> None:
    """Reading the audit is decided by policy, and is not itself a call on record."""
    before = len(found(history, limit=1000))
    assert len(found(history, limit=1000)) == before
    reply = history.ask("GET", f"/v1/audit?{urlencode({'limit': 1})}", key="")
    assert reply.status == 401


def test_verification_over_http(history: Triskel) -> None:
    """`GET /v1/audit/verify` counts what it has checked, and names no fault."""
    verified = history.verify()
    assert verified == {
        "valid": True,
        "entries": len(found(history, limit=1000)),
        "heads": verified["heads"],
        "open_calls": 0,
        "abandoned_calls": 0,
        "faults": [],
    }
    assert verified["heads"] >= 2

"""`/health`, `/ready` and `/metrics`: what probes and scrapers see is true, and nobody's secret."""

import re
import sqlite3
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.clients.conftest import Start
from tests.clients.simulated import CLOUDS, Clouds
from tests.clients.triskel_process import Triskel, eventually

import triskel


def samples(served: Triskel) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels; the text is parsed as Prometheus does."""
    reply = served.ask("GET", "/metrics", key="")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(reply.body.decode()))
    assert all(family.documentation for family in families)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def test_health_says_that_it_lives_and_what_it_is(gateway: Triskel) -> None:
    """`{"status": "healthy", "version": …}` to everybody."""
    reply = gateway.ask("GET", "/health", key="")
    assert (reply.status, reply.json) == (200, {"status": "healthy", "version": triskel.__version__})


def test_ready_names_each_dependency(gateway: Triskel) -> None:
    """Ready is 200 and says of each dependency that it works; nothing of a tenant is in it."""
    reply = gateway.ask("GET", "/ready", key="")
    assert (reply.status, reply.json["status"]) == (200, "ready")
    assert {"store", "hot", "policy", "audit", "upstreams"} <= set(reply.json["checks"])
    assert all(check["ok"] is True for check in reply.json["checks"].values())
    assert b"acme" not in reply.body


def test_ready_tells_when_no_upstream_is_left(start: Start, clouds: Clouds) -> None:
    """When the providers' processes are gone and every breaker is open, readiness says so; when they are back, it is ready.

    One provider that is left is enough to be ready.
    """
    served = start()
    names = [name for name in deployments(served) if not name.startswith("gcp-")]
    clouds.order({"kind": "down"})
    exhaust(served, names)
    assert served.ask("GET", "/ready").status == 200
    exhaust(served, [name for name in deployments(served) if name.startswith("gcp-")])
    # Breakers of the first ones may be due for a probe by now, which fails again.
    ready = eventually(lambda: exhaust(served, deployments(served)) and not_ready(served), "readiness to end")
    assert ready["status"] == "not_ready"
    assert ready["checks"]["upstreams"]["ok"] is False
    assert ready["checks"]["upstreams"]["reason"]
    assert ready["checks"]["store"] == {"ok": True}
    clouds.calm()
    eventually(lambda: is_ready(served) and served.chat("hi").status == 200, "readiness to come back", within_s=40)


def deployments(served: Triskel) -> list[str]:
    """The names of deployments among the models."""
    listed = [model["id"] for model in served.ask("GET", "/v1/models").json["data"]]
    return [name for name in listed if name.startswith(tuple(f"{cloud}-" for cloud in CLOUDS)) or name == "bench-50x10"]


def exhaust(served: Triskel, names: list[str]) -> bool:
    """Let each of the deployments fail often enough."""
    for name in names:
        for _ in range(5):
            if served.chat("hi", model=name).status == 503:
                break
    return True


def not_ready(served: Triskel) -> Any:
    """What readiness says while it says no, or None."""
    reply = served.ask("GET", "/ready")
    return reply.json if reply.status == 503 else None


def is_ready(served: Triskel) -> bool:
    return served.ask("GET", "/ready").status == 200


def test_ready_tells_when_the_store_is_locked(start: Start, clouds: Clouds) -> None:
    """A store that another process keeps locked is named, within seconds, while health goes on."""
    served = start()
    thief = sqlite3.connect(served.directory / "triskel.db", isolation_level=None)
    thief.execute("BEGIN EXCLUSIVE")
    try:
        reply = served.ask("GET", "/ready")
        assert (reply.status, reply.json["checks"]["store"]["ok"]) == (503, False)
        assert reply.json["checks"]["store"]["reason"]
        assert reply.json["checks"]["upstreams"] == {"ok": True}
        assert served.ask("GET", "/health").status == 200
        # The journal is the near tier: calls go on while the chains wait.
        assert served.chat("hi").status == 200
    finally:
        thief.execute("ROLLBACK")
        thief.close()
    eventually(lambda: is_ready(served), "readiness to come back")
    assert served.verify() == {**served.verify(), "valid": True, "entries": 1}


def test_metrics_count_what_happened(gateway: Triskel, clouds: Clouds) -> None:
    """Calls by surface, outcome, decision and route; attempts, cost, tokens and latency: each grows by what was done."""
    before = samples(gateway)
    gateway.chat("repeat after me: good morning")
    gateway.chat("mail bob@example.com", stream=True)
    gateway.chat("my key is " + "AKIA" + "QWERTYUIOPASDFGH")
    gateway.ask("POST", "/v1/policy/check", {"input": "hi"})
    after = samples(gateway)
    grown = {key: value - before.get(key, 0) for key, value in after.items()}

    def calls(**labels: str) -> float:
        wanted = ("triskel_calls_total", tuple(sorted(labels.items())))
        return grown[wanted]

    route = "aws/simulated/aws-small"
    assert calls(surface="openai.chat", outcome="ok", decision="allow", route=route) == 1
    assert calls(surface="openai.chat", outcome="ok", decision="redact", route=route) == 1
    assert calls(surface="openai.chat", outcome="denied", decision="deny", route="") == 1
    assert calls(surface="triskel.policy_check", outcome="checked", decision="allow", route="") == 1
    assert grown["triskel_upstream_attempts_total", (("outcome", "ok"), ("route", route))] == 2
    assert grown["triskel_call_seconds_count", (("surface", "openai.chat"),)] == 3
    assert grown["triskel_cost_usd_total", (("route", route),)] > 0
    assert grown["triskel_tokens_total", (("route", route),)] > 15


def test_metrics_hold_nothing_of_anybody(gateway: Triskel) -> None:
    """No tenant, principal, key, model name of a caller's making, or text becomes a label, so that labels stay few."""
    for number in range(20):
        gateway.chat("hi", model=f"made-up-{number}")
        gateway.ask("GET", f"/made-up-{number}")
    text = gateway.ask("GET", "/metrics").body.decode()
    for word in ("acme", "ana", "made-up", gateway.key[3:29]):
        assert not re.search(rf"\b{word}", text)
    labelled: Any = [key for key in samples(gateway) if key[0] == "triskel_calls_total"]
    assert len(labelled) < 200

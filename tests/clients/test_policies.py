"""Publishing into a running process: calls go on, decisions change, what is bad changes nothing, and there is a way back."""

import asyncio
import os
import pwd
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.clients.conftest import Start, make_key
from tests.clients.triskel_process import Reply, Triskel, eventually, run

from triskel.adapters.sqlite_store import SqliteStore
from triskel.ports.store import StoredBundle

WITHIN_S = 2.0
OPEN = '@id("own.open")\npermit (principal, action, resource);\n'
NO_LARGE = '@id("own.no-large")\nforbid (principal, action == Triskel::Action::"chat", resource == Triskel::Model::"large");\n'


class Caller:
    """Calls without pause on a thread of its own and keeps every status, with when it came."""

    def __init__(self, served: Triskel, model: str = "large") -> None:
        self.replies: list[tuple[float, int]] = []
        self._served = served
        self._model = model
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> "Caller":
        self._thread.start()
        eventually(lambda: len(self.replies) > 5, "calls to come through")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def statuses(self) -> set[int]:
        """All that came."""
        return {status for _, status in self.replies}

    def came(self, status: int, since_s: float) -> float:
        """How long after `since_s` this status came first."""
        return eventually(
            lambda: next((at - since_s for at, each in self.replies if each == status and at >= since_s), 0), f"a {status}"
        )

    def _call(self) -> None:
        while not self._stop.is_set():
            self.replies.append((time.monotonic(), self._served.chat("hello", model=self._model).status))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of policies."""

    def written(*policies: str, name: str = "policies", cases: str = "") -> Path:
        made = tmp_path / name
        (made / "tests").mkdir(parents=True, exist_ok=True)
        (made / "own.cedar").write_text("".join(policies))
        (made / "tests" / "cases.yaml").write_text(cases or "- {action: chat, expect: {verdict: allow}}")
        return made

    return written


def policy(served: Triskel, *arguments: str | Path) -> tuple[int, str]:
    """`triskel policy …` on a running process's data directory: the status, and all that was printed."""
    done = run(["policy", *arguments, "--data-dir", served.directory], served.directory.parent)
    return done.returncode, done.stdout + done.stderr


def refused(reply: Reply) -> list[str]:
    """The policies that refuse a call."""
    assert reply.status == 403, reply.body
    policies: list[str] = reply.json["error"]["policies"]
    return policies


def test_a_running_process_takes_what_is_published(start: Start, folder: Callable[..., Path]) -> None:
    """Within two seconds and without a failed call; the tenant's own, and a rollback in the same way."""
    served = start()
    operator = f"operator:{pwd.getpwuid(os.getuid()).pw_name}"
    with Caller(served) as caller:
        status, said = policy(served, "publish", folder(OPEN, NO_LARGE), "--owner", "acme")
        published_s = time.monotonic()
        assert (status, "acme: none was active" in said) == (0, True), said
        assert caller.came(403, published_s) < WITHIN_S
        status, said = policy(served, "rollback", "--owner", "acme")
        rolled_back_s = time.monotonic()
        assert status == 0, said
        assert caller.came(200, rolled_back_s) < WITHIN_S
    assert caller.statuses == {200, 403}
    changes = [one for (_, one), (_, other) in zip(caller.replies, caller.replies[1:], strict=False) if one != other]
    assert changes == [200, 403], "each change came once, and for every call"
    listed = policy(served, "list", "--owner", "acme")[1].splitlines()
    assert [line.split()[-1] for line in listed] == [operator, operator]
    assert policy(served, "list", "--owner", "platform")[1].endswith("  triskel\n")


def test_a_bad_bundle_leaves_the_last_good_one_in_use(start: Start, folder: Callable[..., Path]) -> None:
    """Ready, with a warning; until a good one is published."""
    served = start()
    assert policy(served, "publish", folder(OPEN, NO_LARGE), "--owner", "default")[0] == 0
    eventually(lambda: served.chat("x", model="large").status == 403, "the policies to be in use")

    async def spoil() -> None:
        store = SqliteStore.open(served.directory / "triskel.db")
        bad = StoredBundle(owner="default", bundle_hash="ab" * 32, document=b"{}", published_at_ms=0)
        await store.put_bundle(bad)
        await store.activate_bundle("default", bad.bundle_hash, 0)
        await store.aclose()

    with Caller(served, "small") as caller:
        asyncio.run(spoil())
        ready = eventually(lambda: (r := served.ask("GET", "/ready").json)["policies"]["warnings"] and r, "a warning")
        assert ready["status"] == "ready"
        assert "`default` cannot be used" in ready["policies"]["warnings"][0]
        assert refused(served.chat("x", model="large")) == ["own.no-large"]
        assert policy(served, "publish", folder(OPEN), "--owner", "default")[0] == 0
        eventually(lambda: served.chat("x", model="large").status == 200, "the good policies to be in use")
    assert caller.statuses == {200}
    assert served.ask("GET", "/ready").json["policies"]["warnings"] == []


def test_what_is_wrong_is_not_published(start: Start, folder: Callable[..., Path]) -> None:
    """Faults with their places, failing cases as a difference; the status says so and nothing is activated."""
    served = start()
    for made, part in (
        (folder("permit (", name="a"), "a/own.cedar:1:"),
        (folder('@id("platform.x")\npermit (principal, action, resource);', name="b"), "`platform.x`"),
        (
            folder(OPEN, name="c", cases="- {name: odd, action: chat, expect: {verdict: deny}}"),
            "verdict: expected deny, got allow",
        ),
    ):
        status, said = policy(served, "publish", made, "--owner", "acme")
        assert status == 1
        assert part in said
    assert policy(served, "publish", folder(OPEN), "--owner", "acme", "--if-active", "0" * 64)[0] == 1
    assert policy(served, "list", "--owner", "acme") == (0, "`acme` has published no policies; those of `default` apply\n")


def test_a_decision_is_explained_after_its_policies_are_gone(start: Start, folder: Callable[..., Path]) -> None:
    """By the policies that made it, without what was said; and candidates are tried on what is on record."""
    served = start()
    card = "4111 1111 1111 1111"
    reply = served.chat(f"charge {card} please")
    served.record(reply.headers["x-triskel-audit"])
    assert policy(served, "publish", folder(OPEN, NO_LARGE), "--owner", "acme")[0] == 0
    status, said = policy(served, "explain", reply.headers["x-triskel-decision"])
    assert status == 0, said
    for part in (
        "REDACT",
        "default.models",
        "redact:payment",
        "credit_card (payment)",
        "decided again from the record: the same",
    ):
        assert part in said
    assert card not in said
    status, said = policy(served, "simulate", folder(OPEN), "--owner", "acme")
    assert (status, "1 redact -> allow, by own.open" in said) == (0, True), said
    status, said = policy(
        served, "diff", "active", folder(OPEN, NO_LARGE.replace("large", "small"), name="other"), "--audit", "--owner", "acme"
    )
    assert "1 of 1 requests change their decision" in said
    assert "+ own.no-small" in said
    assert policy(served, "explain", "dec_unknown")[0] == 1


def test_each_tenant_has_its_own(start: Start, folder: Callable[..., Path]) -> None:
    """What one publishes is nothing to the other."""
    served = start()
    other = make_key(served.directory, "other")
    assert policy(served, "publish", folder(OPEN, NO_LARGE), "--owner", "acme")[0] == 0
    eventually(lambda: served.chat("x", model="large").status == 403, "the policies to be in use")
    assert served.chat("x", model="large", key=other).status == 200

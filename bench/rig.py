"""The processes of a measurement: simulated clouds and load on some cores, the gateway alone on one.

One rule: the gateway runs as `triskel serve` runs it, with policy, audit and the log of calls on.
"""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triskel.adapters.random_ids import RandomIds
from triskel.adapters.sqlite_store import SqliteStore
from triskel.adapters.system_clock import SystemClock
from triskel.local import bootstrap
from triskel.local.clouds import RunningCloud, SimulatedClouds
from triskel.local.home import Home

ROOT = Path(__file__).parents[1]
DIRECT_CLOUD = "aws"
"""The simulated cloud that is asked without the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which cores do what. Both are None where the system does not say, or has a single core."""

    gateway: frozenset[int] | None
    rest: frozenset[int] | None

    @property
    def said(self) -> str:
        """For people."""
        if self.gateway is None or self.rest is None:
            return "cores are shared: this system has one, or does not let a process choose"
        return f"gateway on core {_listed(self.gateway)}; load and simulated clouds on {_listed(self.rest)}"


def cores() -> Cores:
    """The last core is the gateway's: the first ones serve more interrupts."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2:
        return Cores(gateway=None, rest=None)
    return Cores(gateway=frozenset(allowed[-1:]), rest=frozenset(allowed[:-1]))


@contextlib.contextmanager
def on(chosen: frozenset[int] | None) -> Iterator[None]:
    """What is started here starts on these cores and stays there."""
    if chosen is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """The processor time of a process, user and system, of all its threads, those that ended too; in seconds."""
    if not sys.platform.startswith("linux"):
        # `ps` counts in hundredths of a second.
        minutes, seconds = subprocess.check_output(["ps", "-o", "time=", "-p", str(pid)], text=True).strip().rsplit(":", 1)
        return sum(int(part) * 60**place for place, part in enumerate(reversed(minutes.split(":")), 1)) + float(seconds)
    # What clock_getcpuclockid(3) makes of a process id: the same sum as in /proc/PID/stat, but in nanoseconds.
    return time.clock_gettime((~pid << 3) | 2)


def rss_mb(pid: int) -> float:
    """Resident memory in MB."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)], text=True)) / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody who answers chats: where, and with which key."""

    port: int
    key: str
    pids: tuple[int, ...]

    def request(self, body: dict[str, Any]) -> str:
        """A chat as HTTP/1.1."""
        text = json.dumps(body)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(text.encode())}\r\n\r\n"
        )
        return head + text

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and document of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"authorization": f"Bearer {self.key}", "content-type": "application/json"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()


class Generator:
    """`bench.load` as a process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def run(self, **order: Any) -> dict[str, Any]:
        """The result of one order. Raises RuntimeError where an answer was not a whole 200: nothing else may be counted."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        if result["errors"]:
            raise RuntimeError(f"{result['errors']} calls failed, the first with: {result['first_error']}")
        return result

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """Everything, running."""

    gateway: Peer
    direct: Peer
    generator: Generator
    cores: Cores


@contextlib.asynccontextmanager
async def rig(folder: Path, profile: Path | None = None) -> AsyncIterator[Rig]:
    """Start everything, with its data in `folder`; stop it at the end. `profile`: run the gateway under cProfile, kept there."""
    chosen = cores()
    home = Home(folder / "data")
    home.prepare()
    keys = {cloud: home.kept_secret(f"simulated-{cloud}") for cloud in ("aws", "azure", "gcp")}
    clouds = SimulatedClouds(pace=0, keys=keys)
    with on(chosen.rest):
        await clouds.start()
    try:
        direct = clouds.running[DIRECT_CLOUD]
        with on(chosen.rest):
            generator = Generator()
        try:
            async with _gateway(folder, home, clouds, chosen, profile) as gateway:
                yield Rig(
                    gateway=gateway,
                    direct=Peer(port=direct.port, key=direct.key, pids=_pids(clouds.running.values())),
                    generator=generator,
                    cores=chosen,
                )
        finally:
            generator.close()
    finally:
        await clouds.stop()


@contextlib.asynccontextmanager
async def _gateway(folder: Path, home: Home, clouds: SimulatedClouds, chosen: Cores, profile: Path | None) -> AsyncIterator[Peer]:
    config = folder / "triskel.yaml"
    # JSON is YAML.
    config.write_text(json.dumps(configuration(clouds)))
    key = await demo_key(home)
    profiler = [] if profile is None else ["-m", "cProfile", "-o", str(profile)]
    command = [sys.executable, *profiler, "-m", "triskel.cli", "serve", "--port", "0", "--config", str(config)]
    with (folder / "log").open("wb") as log, on(chosen.gateway):
        process = subprocess.Popen(
            [*command, "--data-dir", str(home.directory)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield Peer(port=_port(process, folder / "log"), key=key, pids=(process.pid,))
    finally:
        process.terminate()
        process.communicate(timeout=60)


def configuration(clouds: SimulatedClouds) -> dict[str, Any]:
    """A configuration whose deployments are the simulated ones, those for benchmarks too."""
    rows = [
        {("wire" if name == "schema" else name): value for name, value in row.items()} for row in clouds.catalog(benchmarks=True)
    ]
    return {"deployments": rows, "credentials": {name: {"secret": f"secret://{name}"} for name in clouds.keys}}


async def demo_key(home: Home) -> str:
    """The key of the demo tenant of the enterprise tier, in a store that nobody has open."""
    store = SqliteStore.open(home.database)
    try:
        return await bootstrap.demo_key(home, store, RandomIds(), SystemClock())
    finally:
        await store.aclose()


def _port(process: subprocess.Popen[str], log: Path) -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    if found is None:
        raise RuntimeError(f"the gateway did not start:\n{log.read_text()[-2000:]}")
    return int(found[1])


def _pids(clouds: Iterable[RunningCloud]) -> tuple[int, ...]:
    return tuple(each.pid for each in clouds)


def _listed(chosen: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(chosen)))

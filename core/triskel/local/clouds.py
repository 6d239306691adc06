"""Three simulated clouds as processes of their own. One rule: a cloud outlives neither its owner nor its owner's patience."""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from triskel.errors import Unavailable
from triskel.local.simulator.offer import DATA_FILE, OfferedDeployment, read_offer

CLOUDS = ("aws", "azure", "gcp")
STOP_S = 5.0
"""How long a simulator may take to end when asked, before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCloud:
    """Where a simulated cloud is and what opens it. `base_url` ends in `/v1`; `credential` names its key in a configuration."""

    name: str
    address: str
    base_url: str
    port: int
    pid: int
    credential: str
    key: str = field(repr=False)


class SimulatedClouds:
    """Simulators, started and stopped together. An asynchronous context manager.

    `pace` 1 is as modelled, 0 as fast as possible; `limits_capacity` None means unless the pace is 0; `records` keeps the
    newest requests, prompts included, for `GET /simulator/calls`. `keys` and `ports` by cloud; otherwise random and free ones.
    """

    def __init__(
        self,
        *,
        clouds: Sequence[str] = CLOUDS,
        pace: float = 1.0,
        limits_capacity: bool | None = None,
        records: bool = False,
        keys: Mapping[str, str] | None = None,
        ports: Mapping[str, int] | None = None,
        data: Path = DATA_FILE,
        ready_within_s: float = 20.0,
    ) -> None:
        self._names = tuple(clouds)
        self._pace = pace
        self._capacity = "auto" if limits_capacity is None else "on" if limits_capacity else "off"
        self._records = records
        self._keys = {name: (keys or {}).get(name) or secrets.token_urlsafe(24) for name in self._names}
        self._ports = dict(ports or {})
        self._data = data
        self._ready_within_s = ready_within_s
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._running: dict[str, RunningCloud] = {}

    async def __aenter__(self) -> "SimulatedClouds":
        """Start. Raises Unavailable."""
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def running(self) -> Mapping[str, RunningCloud]:
        """The clouds by name, once started; one that died stays in it until it is restarted."""
        return {name: self._running[name] for name in self._names if name in self._running}

    @property
    def keys(self) -> Mapping[str, str]:
        """The key of each cloud by the name of its credential."""
        return {_credential(name): key for name, key in self._keys.items()}

    async def start(self) -> None:
        """Start all and wait until they answer. Raises Unavailable, and then none is left running."""
        starts = [asyncio.create_task(self._start(name)) for name in self._names]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all: ask, and kill what has not ended in time. Twice is a no-op."""
        processes, self._processes, self._running = list(self._processes.values()), {}, {}
        await asyncio.gather(*map(_end, processes))

    async def restart(self, name: str) -> None:
        """End the cloud, if it lives, and start it again at the same port with the same key. Raises Unavailable."""
        process = self._processes.pop(name, None)
        if process is not None:
            await _end(process)
        await self._start(name)

    def dead(self) -> Mapping[str, int]:
        """The clouds whose process has ended by itself, with its exit status (negative: by that signal)."""
        return {name: process.returncode for name, process in self._processes.items() if process.returncode is not None}

    async def first_death(self) -> str:
        """Wait until a cloud's process has ended by itself; its name."""
        waits = {asyncio.create_task(process.wait()): name for name, process in self._processes.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[next(iter(done))]
        finally:
            for wait in waits:
                wait.cancel()

    def catalog(self, *, benchmarks: bool = False) -> list[dict[str, Any]]:
        """The deployments of the running clouds, as documents with the fields of `model.route.Deployment`.

        `price` is in US dollars per million tokens: `input`, `output` and, where there is one, `cached_input`.
        """
        offer = read_offer(self._data)
        return [
            self._entry(self._running[name], offer.clouds[name].region, offer.clouds[name].provider, deployment)
            for name in self._names
            for deployment in offer.clouds[name].deployments
            if benchmarks or not deployment.benchmark
        ]

    def _entry(self, cloud: RunningCloud, region: str, provider: str, deployment: OfferedDeployment) -> dict[str, Any]:
        pace = 1.0 if deployment.exact else self._pace
        return {
            "name": deployment.name,
            "model": deployment.model,
            "upstream_model": deployment.upstream_model,
            "cloud": cloud.name,
            "region": region,
            "provider": provider,
            "schema": "openai_chat",
            "base_url": cloud.base_url,
            "price": msgspec.to_builtins(deployment.price),
            "context_window": deployment.context_window,
            "max_output": deployment.max_output,
            "capabilities": sorted(deployment.capabilities),
            "credential": cloud.credential,
            "first_token_ms": max(1, round(deployment.first_token_ms * pace)),
        }

    async def _start(self, name: str) -> None:
        options = ["--cloud", name, "--port", str(self._ports.get(name, 0)), "--pace", str(self._pace)]
        options += ["--capacity", self._capacity, "--data", str(self._data), "--exit-with-stdin"]
        process = await asyncio.create_subprocess_exec(
            # -P: the folder that we happen to stand in has no say in what is imported.
            *(sys.executable, "-P", "-m", "triskel.local.simulator", *options, *(["--record"] if self._records else [])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TRISKEL_SIMULATOR_KEY": self._keys[name]},
            # A Ctrl-C at the terminal reaches the owner, which stops us in its own order.
            start_new_session=True,
        )
        self._processes[name] = process
        ready = await self._ready(name, process)
        self._ports[name] = ready["port"]
        self._running[name] = RunningCloud(
            name=name,
            address=ready["address"],
            base_url=ready["base_url"],
            port=ready["port"],
            pid=ready["pid"],
            credential=_credential(name),
            key=self._keys[name],
        )

    async def _ready(self, name: str, process: asyncio.subprocess.Process) -> dict[str, Any]:
        """What the simulator says when it is ready. Raises Unavailable."""
        assert process.stdout is not None  # noqa: S101  it is a pipe; for the type checker
        try:
            line = await asyncio.wait_for(process.stdout.readline(), self._ready_within_s)
        except TimeoutError as error:
            raise Unavailable(f"the simulated cloud `{name}` was not ready within {self._ready_within_s:g} s") from error
        if not line:
            raise Unavailable(f"the simulated cloud `{name}` could not start (exit status {await process.wait()})")
        return msgspec.json.decode(line, type=dict[str, Any])


def _credential(cloud: str) -> str:
    return f"simulated-{cloud}"


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
    if process.stdin is not None:
        process.stdin.close()

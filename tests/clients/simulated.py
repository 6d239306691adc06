"""Three simulated clouds with levers: faults to order, calls to count, prompts to read. One rule: of three, aws goes first.

The simulators are processes; what is read from them is what really reached a provider.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.clients.triskel_process import eventually

from triskel.local.clouds import CLOUDS, SimulatedClouds

PRICES = {"aws": 1, "azure": 40, "gcp": 1600}
"""Dollars per million tokens of input; output costs twice as much. So far apart that no latency changes the order."""


class Clouds:
    """The simulators of one test session, for tests that are not asynchronous. A context manager."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._simulated = SimulatedClouds(pace=0, records=True)

    def __enter__(self) -> Self:
        self._runner.run(self._simulated.start())
        return self

    def __exit__(self, *exc: object) -> None:
        self._runner.run(self._simulated.stop())
        self._runner.close()

    def restart(self, cloud: str) -> None:
        """End a cloud's process and start it again at its port."""
        self._runner.run(self._simulated.restart(cloud))

    def configuration(self, **more: Any) -> dict[str, Any]:
        """A configuration with the deployments of all clouds and the credentials for them; `more` sections beside."""
        deployments = []
        for row in self._simulated.catalog(benchmarks=True):
            dearest = row["model"] == "bench"
            price = 10_000 if dearest else PRICES[row["cloud"]]
            row["price"] = {"input": price, "output": price if dearest else 2 * price}
            row["wire"] = row.pop("schema")
            deployments.append(row)
        credentials = {name: {"secret": f"secret://{name}"} for name in self._simulated.keys}
        return {"v": 1, "deployments": deployments, "credentials": credentials, **more}

    def give_keys(self, directory: Path) -> None:
        """Put the clouds' keys where `secret://` of a data directory finds them."""
        secrets = directory / "secrets"
        secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, key in self._simulated.keys.items():
            path = secrets / name
            path.touch(0o600)
            path.write_text(key)

    @property
    def keys(self) -> Mapping[str, str]:
        """The clouds' keys by the name of their credential."""
        return self._simulated.keys

    def order(self, *faults: Mapping[str, Any], clouds: tuple[str, ...] = CLOUDS) -> None:
        """These faults and no others, at each of `clouds`."""
        for cloud in clouds:
            self._ask(cloud, "PUT", "faults", {"faults": faults})

    def calm(self) -> None:
        """No faults any more."""
        for cloud in CLOUDS:
            self._ask(cloud, "DELETE", "faults")

    def begin_anew(self) -> None:
        """No faults, and nothing seen."""
        for cloud in CLOUDS:
            self._ask(cloud, "DELETE", "faults")
            self._ask(cloud, "DELETE", "calls")

    def counts(self, cloud: str) -> dict[str, int]:
        """What a cloud has seen: `seen`, `completed`, `cancelled`, `failed`, `in_flight` and others."""
        total: dict[str, int] = self._ask(cloud, "GET", "calls")["total"]
        return total

    def seen(self) -> dict[str, int]:
        """How many calls have reached each cloud."""
        return {cloud: self.counts(cloud)["seen"] for cloud in CLOUDS}

    def wait_for(self, count: str, cloud: str = "aws", least: int = 1) -> None:
        """Return when a cloud has counted so many of something."""
        eventually(lambda: self.counts(cloud)[count] >= least, f"{cloud} to count {least} {count}: {self.counts(cloud)}")

    def sent(self) -> list[dict[str, Any]]:
        """The bodies that reached the clouds, oldest first within each."""
        return [call["body"] for cloud in CLOUDS for call in self.calls(cloud)]

    def calls(self, cloud: str) -> list[dict[str, Any]]:
        """Headers and body of what reached a cloud."""
        recorded: list[dict[str, Any]] = self._ask(cloud, "GET", "calls")["recorded"]
        return recorded

    def _ask(self, cloud: str, method: str, path: str, document: Any = None) -> Any:
        running = self._simulated.running[cloud]
        body = None if document is None else json.dumps(document).encode()
        headers = {"authorization": f"Bearer {running.key}"}
        request = urllib.request.Request(f"{running.address}/simulator/{path}", body, headers, method=method)
        # A fault may keep the whole cloud from listening for a while.
        return eventually(lambda: _answered(request), f"{cloud} to listen")


def _answered(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return None

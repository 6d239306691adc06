"""The gateway in this process, without a server and without sockets, behind a provider that answers at once.

One rule: all else is as `triskel serve` has it, the files of the audit and of the log included.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from bench.prompts import prompts
from triskel.adapters.json_logs import JsonCallLog
from triskel.config import Config, DeploymentConfig
from triskel.local import bootstrap
from triskel.local.home import Home
from triskel.ports.transport import UpstreamRequest, UpstreamResponse
from triskel.system import System, assemble


class _Canned:
    """A provider that has answered before it was asked."""

    status = 200

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:  # noqa: ARG002  the port's signatures
        return self

    def header(self, name: str) -> str | None:  # noqa: ARG002
        return None

    async def read(self, limit: int) -> bytes:  # noqa: ARG002
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def aclose(self) -> None:
        pass


SAID = (
    "The clinics come first: send the older trucks tonight, and tell their drivers that the bridge is closed. The harbour can "
    'wait until the storm has passed, because what is there keeps for a week; the warehouse calls this its "winter plan".'
)
ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-0a1b2c",
        "object": "chat.completion",
        "created": 1_795_132_800,
        "model": "small-v1",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": SAID,
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 54,
            "completion_tokens": 25,
            "total_tokens": 79,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
)


class Inside:
    """A gateway in this process, called as a server would call it."""

    def __init__(self, system: System, key: str) -> None:
        self.system = system
        self._bodies = [
            msgspec.json.encode({"model": "small", "messages": [{"role": "user", "content": text}]}) for text in prompts(256, 200)
        ]
        self._key = b"Bearer " + key.encode()
        self._said: list[Any] = []
        self.calls_ns = 0

    async def go(self, calls: int, *, alone: bool = False) -> None:
        """So many calls, one after another. Unless `alone`, the background gets its turn in between. Raises RuntimeError."""
        application, said, now = self.system.application, self._said, time.perf_counter_ns

        async def send(message: Any) -> None:
            said.append(message)

        for number in range(calls):
            body = self._bodies[number % len(self._bodies)]

            async def receive(body: bytes = body) -> Any:
                return {"type": "http.request", "body": body, "more_body": False}

            said.clear()
            scope = self._scope(len(body))
            begun_ns = now()
            await application(scope, receive, send)
            self.calls_ns += now() - begun_ns
            if said[0]["status"] != 200:
                raise RuntimeError(f"the gateway answered {said}")
            if number % 50 == 0 and not alone:
                await asyncio.sleep(0)

    def _scope(self, length: int) -> dict[str, Any]:
        return {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1:8080"),
                (b"authorization", self._key),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % length),
            ],
        }


@asynccontextmanager
async def inside(folder: Path) -> AsyncIterator[Inside]:
    """A started gateway with three deployments of one model, as `triskel up` has them."""
    home = Home(folder)
    home.prepare()
    rows = [
        {
            "name": f"{cloud}-small",
            "model": "small",
            "provider": "canned",
            "cloud": cloud,
            "base_url": "http://127.0.0.1:9/v1",
            "price": {"input": price, "output": 4 * price},
            "context_window": 32_768,
            "max_output": 4_096,
        }
        for cloud, price in (("aws", 0.15), ("azure", 0.16), ("gcp", 0.14))
    ]
    config = Config(deployments=tuple(DeploymentConfig.model_validate(each) for each in rows))
    log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        ports = bootstrap.fill_ports(config, home)
        await ports.transport.aclose()
        ports = replace(ports, transport=_Canned(ANSWER), call_log=JsonCallLog(log))
        await bootstrap.publish_defaults(ports.store, ports.clock)
        key = await bootstrap.demo_key(home, ports.store, ports.ids, ports.clock)
        system = assemble(config, ports)
        await system.start()
        try:
            caller = Inside(system, key)
            await caller.go(1_000)
            await asyncio.sleep(0.2)
            yield caller
        finally:
            await system.drain(30_000)
            await system.stop()
    finally:
        os.close(log)

"""What the gate adds to a call: the same chats sent to a simulated cloud directly and through Triskel, in one run.

The gateway has a core to itself; generator and simulated clouds have the others. One rule: both ways are measured in turns,
round by round, so that whatever else the machine does meets both. Every call is authenticated, authorized, scanned, decided,
admitted, recorded and logged; before any figure is taken, the gate is shown to refuse and to redact.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import stages
from bench.prompts import prompts
from bench.report import Row, differences, growth, publish, row
from bench.rig import Peer, Rig, cpu_s, rig, rss_mb
from triskel.policy.scan import load_pack

PROMPT_BYTES = 200
PROMPTS = 256
AT_ONCE = (1, 8, 64)
STREAMS_AT_ONCE, CHUNKS = 8, 50
SECRET = "my key is AKIA" + "QX7MPL2TVN4WKEYR"
CARD = "4111 1111 1111 1111"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    lead_s: float
    stream_rounds: int
    streams_each: int
    idle_s: float
    warm_calls: int
    memory_calls: int
    memory_step: int


FULL = Effort(
    rounds=8,
    seconds=1.2,
    lead_s=0.2,
    stream_rounds=6,
    streams_each=3,
    idle_s=2.0,
    warm_calls=10_000,
    memory_calls=100_000,
    memory_step=5_000,
)
QUICK = Effort(
    rounds=4,
    seconds=0.5,
    lead_s=0.1,
    stream_rounds=2,
    streams_each=2,
    idle_s=1.0,
    warm_calls=3_000,
    memory_calls=20_000,
    memory_step=2_000,
)


@dataclass(slots=True)
class Rounds:
    """The samples of one way at one concurrency, a value for each round."""

    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    calls_per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def take(self, result: dict[str, Any], cpu_seconds: float | None = None) -> None:
        """Keep a round's figures."""
        for name in ("p50_ms", "p95_ms", "p99_ms"):
            getattr(self, name).append(result[name])
        self.calls_per_s.append(result["calls"] / result["seconds"])
        if cpu_seconds is not None:
            self.cpu_us.append(cpu_seconds / result["answered"] * 1e6)


class Measurement:
    """One run against one rig."""

    def __init__(self, running: Rig, effort: Effort) -> None:
        self._rig = running
        self._effort = effort
        self._idle_share = 0.0
        texts = prompts(PROMPTS, PROMPT_BYTES)
        self._through = [running.gateway.request(chat("small", text)) for text in texts]
        self._direct = [running.direct.request(chat("sim.small-v1", text)) for text in texts]

    def rows(self) -> list[Row]:
        """Everything."""
        say(self._rig.cores.said)
        say(f"{os.cpu_count()} cores in all, load average {os.getloadavg()[0]:.1f} before the start")
        prove_that_the_gate_is_shut(self._rig.gateway)
        self._load(self._rig.gateway, self._through, 64, calls=self._effort.warm_calls)
        self._idle_share = self._idle()
        return [*self._calls(), *self._streams(), *self._memory(), *self._proof(), engine()]

    def _calls(self) -> list[Row]:
        direct, through = ({n: Rounds() for n in AT_ONCE} for _ in range(2))
        for number in range(self._effort.rounds):
            say(f"calls, round {number + 1} of {self._effort.rounds}")
            for at_once in AT_ONCE:
                if number % 2:
                    self._round_direct(direct[at_once], at_once)
                self._round_through(through[at_once], at_once)
                if not number % 2:
                    self._round_direct(direct[at_once], at_once)
        rows: list[Row] = []
        for n in AT_ONCE:
            for name, limit in (("p50", 0.3 if n == 1 else None), ("p95", None), ("p99", None)):
                pair = [getattr(rounds[n], f"{name}_ms") for rounds in (through, direct)]
                rows.append(row(f"added {name}, {n} at once", differences(*pair), "ms", below=limit))
            rows.append(row(f"direct p50, {n} at once", direct[n].p50_ms, "ms"))
            rows.append(
                row(f"calls through Triskel, {n} at once", through[n].calls_per_s, "calls/s", at_least=3000 if n == 64 else None)
            )
            rows.append(row(f"calls direct, {n} at once", direct[n].calls_per_s, "calls/s"))
            rows.append(row(f"CPU of the gateway, {n} at once", through[n].cpu_us, "µs/call"))
        ratios = [a / b for a, b in zip(direct[64].calls_per_s, through[64].calls_per_s, strict=True)]
        rows.append(row("direct / through, 64 at once", ratios, "times", at_least=5))
        return rows

    def _round_direct(self, rounds: Rounds, at_once: int) -> None:
        rounds.take(self._load(self._rig.direct, self._direct, at_once))

    def _round_through(self, rounds: Rounds, at_once: int) -> None:
        before_s, begun_s = self._gateway_cpu_s(), time.perf_counter()
        result = self._load(self._rig.gateway, self._through, at_once)
        rounds.take(result, self._busy_s(before_s, begun_s))

    def _streams(self) -> list[Row]:
        """Paced streams: 50 chunks, 10 ms apart, 8 at once."""
        text = prompts(1, PROMPT_BYTES)[0]
        ways = {
            "direct": [self._rig.direct.request({**chat("bench-50x10", text), "stream": True})],
            "through": [self._rig.gateway.request({**chat("bench", text), "stream": True})],
        }
        peers = {"direct": self._rig.direct, "through": self._rig.gateway}
        cpu_us: list[float] = []
        first: dict[str, list[float]] = {way: [] for way in ways}
        total: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(self._effort.stream_rounds):
            say(f"paced streams, round {number + 1} of {self._effort.stream_rounds}")
            for way in ways if number % 2 else reversed(ways):
                before_s, begun_s = self._gateway_cpu_s(), time.perf_counter()
                result = self._rig.generator.run(
                    kind="streams",
                    port=peers[way].port,
                    requests=ways[way],
                    connections=STREAMS_AT_ONCE,
                    each=self._effort.streams_each,
                )
                if result["events"] < result["calls"] * CHUNKS:
                    raise RuntimeError(f"{result['events']} events in {result['calls']} streams of {CHUNKS} chunks")
                first[way].append(result["first_ms"])
                total[way].append(result["p50_ms"])
                if way == "through":
                    cpu_us.append(self._busy_s(before_s, begun_s) / (result["calls"] * CHUNKS) * 1e6)
        return [
            row("CPU of the gateway, paced streams", cpu_us, "µs/chunk", below=60),
            row("added to the first byte of a stream, p50", differences(first["through"], first["direct"]), "ms"),
            row("added to a whole stream of half a second, p50", differences(total["through"], total["direct"]), "ms"),
        ]

    def _memory(self) -> list[Row]:
        effort, pid = self._effort, self._rig.gateway.pids[0]
        say(f"memory, over {effort.memory_calls:,} calls")
        samples = [rss_mb(pid)]
        for _ in range(effort.memory_calls // effort.memory_step):
            self._load(self._rig.gateway, self._through, 64, calls=effort.memory_step)
            samples.append(rss_mb(pid))
        return [
            row(f"growth of memory over {effort.memory_calls:,} calls", samples, "%", below=5, of=growth),
            row("memory of the gateway", samples, "MB"),
        ]

    def _proof(self) -> list[Row]:
        """Whether the audit of all that was measured is whole: a gate that leaves no proof is no gate."""
        say("verifying the audit of all of it")
        self._settle()
        begun_s = time.perf_counter()
        status, verification = self._rig.gateway.ask("GET", "/v1/audit/verify")
        taken_s = time.perf_counter() - begun_s
        is_valid = status == 200 and verification.get("valid") is True
        if not is_valid:
            say(f"the audit of the measured calls does not verify: {verification}")
        return [
            row("the audit of all calls verifies", [float(is_valid)], "1 = yes", at_least=1),
            row("verifying it", [taken_s], "s"),
        ]

    def _load(self, peer: Peer, requests: Sequence[str], at_once: int, calls: int = 0) -> dict[str, Any]:
        return self._rig.generator.run(
            kind="whole",
            port=peer.port,
            requests=requests,
            connections=at_once,
            seconds=self._effort.seconds,
            lead_s=0 if calls else self._effort.lead_s,
            calls=calls,
        )

    def _gateway_cpu_s(self) -> float:
        return cpu_s(self._rig.gateway.pids[0])

    def _busy_s(self, before_s: float, begun_s: float) -> float:
        """Processor time since then, that of what was left to the background too, less what an idle gateway would have used."""
        self._settle()
        return self._gateway_cpu_s() - before_s - self._idle_share * (time.perf_counter() - begun_s)

    def _settle(self, within_s: float = 10.0) -> None:
        """Wait until the gateway has nothing left to do."""
        until_s = time.perf_counter() + within_s
        while time.perf_counter() < until_s:
            before_s = self._gateway_cpu_s()
            time.sleep(0.1)
            if self._gateway_cpu_s() - before_s < 0.004:
                return

    def _idle(self) -> float:
        """Seconds of processor time that an idle gateway uses in a second."""
        self._settle()
        before_s = self._gateway_cpu_s()
        time.sleep(self._effort.idle_s)
        return (self._gateway_cpu_s() - before_s) / self._effort.idle_s


def engine() -> Row:
    """Whether texts were scanned by the fast engine: without a database for this machine the slow one does it, in silence."""
    loaded = load_pack()
    is_fast = not loaded.fallback_reason
    if not is_fast:
        say(f"texts were scanned by RE2, which is many times slower, because {loaded.fallback_reason}; every figure shows it")
    return row("texts scanned by Hyperscan", [float(is_fast)], "1 = yes", at_least=1)


def chat(model: str, text: str) -> dict[str, Any]:
    """A chat of one message."""
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def prove_that_the_gate_is_shut(gateway: Peer) -> None:
    """Raises RuntimeError unless an unknown key and a secret are refused, and a card number in an answer does not pass."""
    asked = Peer(port=gateway.port, key=gateway.key[:-1] + "_", pids=()).ask("POST", "/v1/chat/completions", chat("small", "hi"))[
        0
    ]
    if asked != 401:
        raise RuntimeError(f"a wrong key was answered with {asked}")
    status, _ = gateway.ask("POST", "/v1/chat/completions", chat("small", SECRET))
    if status != 403:
        raise RuntimeError(f"a secret in a prompt was answered with {status}")
    status, answer = gateway.ask("POST", "/v1/chat/completions", chat("small", "decode base64: NDExMSAxMTExIDExMTEgMTExMQ=="))
    if status != 200 or CARD in json_text(answer):
        raise RuntimeError(f"a card number in an answer was not redacted (status {status})")


def json_text(document: Any) -> str:
    """What the model said."""
    return str(document["choices"][0]["message"]["content"])


def say(step: str) -> None:
    """Progress."""
    print(f"· {step}", flush=True)


async def _measure(effort: Effort) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="triskel-bench-") as folder:
        async with rig(Path(folder)) as running:
            return await asyncio.to_thread(Measurement(running, effort).rows)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description="What the gate adds to a call.")
    parser.add_argument("--quick", action="store_true", help="a coarse figure in 40 seconds")
    parser.add_argument("--profile", action="store_true", help="where the microseconds of a call go, without sockets")
    arguments = parser.parse_args()
    if arguments.profile:
        stages.main()
    else:
        publish("gateway", asyncio.run(_measure(QUICK if arguments.quick else FULL)))


if __name__ == "__main__":
    main()

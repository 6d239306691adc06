"""Where the microseconds of a call go: the gateway in this process, without sockets, behind a provider that answers at once.

Stages are timed by wrapping the functions that they consist of; a stage's time is its own, without that of stages inside it,
and the cost of the wrapping is taken off. One rule: nothing is wrapped while the whole is measured.
"""

import asyncio
import cProfile
import importlib
import inspect
import pstats
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.inside import inside
from bench.prompts import prompts
from bench.report import Row, publish, row
from bench.rig import Rig, cores, cpu_s, on, rig

BATCHES, BATCH = 40, 250
TOP = 30

STAGES: tuple[tuple[str, str, str], ...] = (
    ("1 identity: whose key is it", "triskel.http.chat", "principal_of"),
    ("2 json: read and decode the body", "triskel.http.exchange", "Exchange.json"),
    ("3 parts: check the body, find its texts", "triskel.http.chat", "check_chat"),
    ("3 parts: check the body, find its texts", "triskel.http.chat", "chat_parts"),
    ("4 call: make the call and its passage", "triskel.http.calls", "CallMaker.model_call"),
    ("4 call: make the call and its passage", "triskel.gateway.passage", "Passage.__init__"),
    ("4 call: make the call and its passage", "triskel.http.disconnect", "CancelOnDisconnect.__aenter__"),
    ("4 call: make the call and its passage", "triskel.http.disconnect", "CancelOnDisconnect.__aexit__"),
    ("5 authorize: policy before the text", "triskel.policy.guard", "Guard.authorize"),
    ("6 scan: the input", "triskel.policy.guard", "Guard.inspect"),
    ("6 scan: the input", "triskel.policy.guard", "Guard.redact"),
    ("7 quote: candidates and cost bound", "triskel.inference", "Inference.quote"),
    ("8 decide: policy with the facts", "triskel.policy.guard", "Guard.decide"),
    ("9 admit: reserve, and settle at the end", "triskel.gateway.passage", "Passage.admit"),
    ("9 admit: reserve, and settle at the end", "triskel.gateway.passage", "Passage._settle"),
    ("10 intent: make and encode", "triskel.gateway.passage", "Passage._intent"),
    ("10 intent: make and encode", "triskel.audit.writer", "AuditWriter.open"),
    ("11 journal: two appends", "triskel.adapters.file_journal", "FileJournal.append"),
    ("12 perform: rank, try, hold", "triskel.inference", "Inference.perform"),
    ("13 provider's wire: encode, decode", "triskel.providers.openai_chat", "OpenAIChat.encode"),
    ("13 provider's wire: encode, decode", "triskel.providers.openai_chat", "OpenAIChat.decode"),
    ("14 health: note the attempt", "triskel.inference", "Inference.observe"),
    ("15 output: scan the answer", "triskel.policy.guard", "Guard.output"),
    ("15 output: scan the answer", "triskel.policy.output", "OutputGate.admit"),
    ("15 output: scan the answer", "triskel.policy.output", "OutputGate.fingerprint"),
    ("16 close: make and encode the outcome", "triskel.gateway.passage", "Passage._record"),
    ("17 metrics", "triskel.adapters.prometheus_meter", "PrometheusMeter.call_ended"),
    ("17 metrics", "triskel.adapters.prometheus_meter", "PrometheusMeter.upstream_attempt"),
    ("18 log: one line", "triskel.adapters.json_logs", "JsonCallLog.write"),
    ("19 reply: headers and body", "triskel.http.exchange", "Exchange.reply"),
    ("19 reply: headers and body", "triskel.http.chat", "_headers"),
    ("20 rest: what joins the stages", "triskel.http.application", "Application.__call__"),
)
"""A stage, and a function that is part of it. The last is the root: what no other stage claims."""


class Stopwatch:
    """Exclusive times by stage, in nanoseconds."""

    def __init__(self) -> None:
        self.own_ns: dict[str, int] = defaultdict(int)
        self.entered: dict[str, int] = defaultdict(int)
        self.inner: dict[str, int] = defaultdict(int)
        self._open: list[list[Any]] = []

    def wrapped(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed as part of `stage`. A coroutine that suspends would be timed wrongly; here none does."""
        now, enter, leave = time.perf_counter_ns, self._enter, self._leave
        if inspect.iscoroutinefunction(function):

            async def timed_coroutine(*arguments: Any, **named: Any) -> Any:
                enter(stage, now())
                try:
                    return await function(*arguments, **named)
                finally:
                    leave(now())

            return timed_coroutine

        def timed(*arguments: Any, **named: Any) -> Any:
            enter(stage, now())
            try:
                return function(*arguments, **named)
            finally:
                leave(now())

        return timed

    def _enter(self, stage: str, at_ns: int) -> None:
        self._open.append([stage, at_ns, 0])

    def _leave(self, at_ns: int) -> None:
        stage, since_ns, inside_ns = self._open.pop()
        taken_ns = at_ns - since_ns
        self.own_ns[stage] += taken_ns - inside_ns
        self.entered[stage] += 1
        if self._open:
            outer = self._open[-1]
            outer[2] += taken_ns
            self.inner[outer[0]] += 1

    def clear(self) -> None:
        """Forget all."""
        for counts in (self.own_ns, self.entered, self.inner):
            counts.clear()

    def us(self, stage: str, calls: int, cost: "WrappingCost") -> float:
        """A stage's own microseconds for each of `calls`, without the cost of timing it and the stages inside it."""
        wrapping_ns = self.entered[stage] * cost.inside_ns + self.inner[stage] * cost.outside_ns
        return max(self.own_ns[stage] - wrapping_ns, 0) / calls / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingCost:
    """What timing one call of a function adds: to its own stage, and to the stage around it."""

    inside_ns: float
    outside_ns: float


def wrapping_cost(calls: int = 20_000) -> WrappingCost:
    """Measured on a coroutine that does nothing."""

    async def nothing() -> None:
        pass

    async def loop(function: Callable[[], Awaitable[None]]) -> None:
        for _ in range(calls):
            await function()

    def drive(coroutine: Any) -> None:
        try:
            coroutine.send(None)
        except StopIteration:
            return

    watch = Stopwatch()
    begun_ns = time.perf_counter_ns()
    drive(loop(nothing))
    bare_ns = time.perf_counter_ns() - begun_ns
    drive(watch.wrapped("outer", loop)(watch.wrapped("nothing", nothing)))
    return WrappingCost(inside_ns=max(watch.own_ns["nothing"] - bare_ns, 0) / calls, outside_ns=watch.own_ns["outer"] / calls)


def wrap_stages(watch: Stopwatch) -> list[str]:
    """Time every function of `STAGES` from now on. Returns those that are not there any more."""
    missing = []
    for stage, module, path in STAGES:
        holder: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        try:
            for step in outer:
                holder = getattr(holder, step)
            function = vars(holder)[name]
        except (AttributeError, KeyError):
            missing.append(f"{module}.{path}")
            continue
        setattr(holder, name, watch.wrapped(stage, function))
    return missing


async def _whole(folder: Path) -> tuple[list[Row], pstats.Stats]:
    """The call as a whole, and the background that it causes; then again under cProfile."""
    async with inside(folder) as caller:
        call_us, loop_us, all_us = [], [], []
        for _ in range(BATCHES // 4):
            caller.calls_ns = 0
            loop_s, all_s = time.thread_time(), time.process_time()
            await caller.go(BATCH * 4)
            await caller.system.drain(30_000)
            call_us.append(caller.calls_ns / (BATCH * 4) / 1000)
            loop_us.append((time.thread_time() - loop_s) / (BATCH * 4) * 1e6)
            all_us.append((time.process_time() - all_s) / (BATCH * 4) * 1e6)
        profile = cProfile.Profile()
        profile.enable()
        await caller.go(BATCH * 20)
        profile.disable()
    rows = [
        row("a call, from ASGI to ASGI (wall)", call_us, "µs/call"),
        row("CPU of the event loop's thread, background included", loop_us, "µs/call"),
        row("CPU of all threads, the chaining of the audit included", all_us, "µs/call"),
    ]
    return rows, pstats.Stats(profile)


async def _stages(folder: Path) -> tuple[list[Row], list[str]]:
    cost, watch = wrapping_cost(), Stopwatch()
    missing = wrap_stages(watch)
    names = list(dict.fromkeys(stage for stage, _, _ in STAGES))
    samples: dict[str, list[float]] = {name: [] for name in names}
    async with inside(folder) as caller:
        for _ in range(BATCHES):
            await caller.system.drain(30_000)
            watch.clear()
            await caller.go(BATCH, alone=True)
            for name in names:
                samples[name].append(watch.us(name, BATCH, cost))
    rows = [row(name, samples[name], "µs/call") for name in names]
    total = [sum(batch) for batch in zip(*samples.values(), strict=True)]
    return [*rows, row("all stages", total, "µs/call")], missing


def _over_sockets(running: Rig, seconds: float) -> Row:
    """CPU of a real gateway for a call at 64 at once: what it is more than the above is the server, sockets and transport."""
    gateway, generator = running.gateway, running.generator
    requests = [
        gateway.request({"model": "small", "messages": [{"role": "user", "content": text}]}) for text in prompts(256, 200)
    ]
    order: dict[str, Any] = {"kind": "whole", "port": gateway.port, "requests": requests, "connections": 64, "lead_s": 0}
    generator.run(**order, seconds=1)
    samples = []
    for _ in range(5):
        before_s = cpu_s(gateway.pids[0])
        result = generator.run(**order, seconds=seconds)
        time.sleep(0.5)
        samples.append((cpu_s(gateway.pids[0]) - before_s) / result["answered"] * 1e6)
    return row("CPU of a gateway behind sockets, 64 at once", samples, "µs/call")


def _streams(running: Rig, rounds: int) -> Row:
    """CPU of a real gateway for a chunk of a paced stream, 8 at once, its share of beginning and end included."""
    gateway = running.gateway
    chat = {"model": "bench", "messages": [{"role": "user", "content": prompts(1, 200)[0]}], "stream": True}
    samples = []
    for _ in range(rounds):
        before_s = cpu_s(gateway.pids[0])
        result = running.generator.run(kind="streams", port=gateway.port, requests=[gateway.request(chat)], connections=8, each=4)
        samples.append((cpu_s(gateway.pids[0]) - before_s) / (result["calls"] * 50) * 1e6)
    return row("CPU of a gateway behind sockets, paced streams", samples, "µs/chunk")


async def _behind_sockets(folder: Path, profile: Path | None, measure: Callable[[Rig], Row]) -> Row:
    folder.mkdir()
    async with rig(folder, profile) as running:
        return await asyncio.to_thread(measure, running)


def _top(stats: pstats.Stats, title: str) -> None:
    print(f"\n{title}\n")
    stats.sort_stats("cumulative").print_stats(TOP)
    print("by own time\n")
    stats.sort_stats("tottime").print_stats(TOP)


def _run(work: Any) -> Any:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def main() -> None:
    """Print the stages and the profiles; `bench/out/gateway-profile.json` has the figures."""
    calls, streams = partial(_over_sockets, seconds=1.0), partial(_streams, rounds=3)
    with tempfile.TemporaryDirectory(prefix="triskel-bench-") as name:
        folder = Path(name)
        with on(cores().gateway):
            rows, inner = _run(_whole(folder / "whole"))
        rows.append(asyncio.run(_behind_sockets(folder / "calls", None, calls)))
        rows.append(row("of which server, sockets and transport to the provider", [rows[-1].value - rows[2].value], "µs/call"))
        rows.append(asyncio.run(_behind_sockets(folder / "streams", None, streams)))
        asyncio.run(_behind_sockets(folder / "profiled-calls", folder / "calls.profile", calls))
        asyncio.run(_behind_sockets(folder / "profiled-streams", folder / "streams.profile", streams))
        with on(cores().gateway):
            stages, missing = _run(_stages(folder / "stages"))
        print("cProfile makes Python's own code look slower than it is, and native code faster.")
        _top(inner, f"calls without sockets ({BATCH * 20} of them)")
        _top(pstats.Stats(str(folder / "calls.profile")), "calls behind sockets: the event loop's thread")
        _top(pstats.Stats(str(folder / "streams.profile")), "paced streams behind sockets: the event loop's thread")
    publish("gateway-profile", [*stages, *rows])
    for each in missing:
        print(f"not found any more, so its time is in the stage around it: {each}")

"""What policy costs: 1,000 policies and all detectors on texts that never repeat, authorization alone, streams, the worst input.

One thread, wall-clock time; beside it the processor's own, which other processes do not lengthen. One rule: what is
remembered between two calls alike is no help here; every call has a text, a caller and a quote of its own, and the policies
read what differs.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

from bench import policy_sets
from bench.cold import Fresh
from bench.policy_texts import adversarial, pieces, texts
from bench.report import Row, percentile, publish, row
from triskel.adapters.random_ids import RandomIds
from triskel.adapters.system_clock import SystemClock
from triskel.model.call import Action, Call, CallKind, Surface, Target
from triskel.model.decision import Decision, Verdict
from triskel.model.principal import Principal
from triskel.model.units import EpochMs, MicroUsd, Tokens
from triskel.policy.bundle import Bundle, bundle_hash
from triskel.policy.guard import Guard
from triskel.policy.packs import load_pack as load_policies
from triskel.policy.scan import Scanner, load_pack
from triskel.policy.verdict import Layers
from triskel.ports.performer import Quote
from triskel.providers.chat import chat_parts

POLICIES = 1_000
ADVERSARIAL_BYTES = 20_000
CHUNK_CHARS = 12
BLOCK = 250
"""Requests that go through one evaluator before the other has its turn."""
P95 = partial(percentile, percent=95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure. `texts` are by their size in bytes."""

    texts: dict[int, int]
    requests: int
    compared: int
    cold_runs: int
    repeats: int
    streams: int


FULL = Effort(
    texts={200: 4_000, 2_000: 2_000, 20_000: 300}, requests=10_000, compared=1_000, cold_runs=15, repeats=5, streams=300
)
QUICK = Effort(texts={200: 600, 2_000: 400, 20_000: 60}, requests=2_000, compared=150, cold_runs=5, repeats=2, streams=50)

_LIMITS_MS = {2_000: 0.5, 20_000: 5.0}

_COLD_LOAD = """
import sys, time
begun = time.perf_counter()
from triskel.policy.bundle import load_bundle
imported = time.perf_counter()
document = open(sys.argv[1], "rb").read()
read = time.perf_counter()
load_bundle(document, sys.argv[2])
done = time.perf_counter()
print((imported - begun) * 1000, (done - read) * 1000)
"""
_COLD_PACK = """
import sys, time
from triskel.model.call import Surface
from triskel.policy.scan import Scanner, load_pack
begun = time.perf_counter()
scanner = Scanner(load_pack())
loaded = time.perf_counter()
scanner.scan("the first text, with a card 4111 1111 1111 1111", Surface.PROMPT)
done = time.perf_counter()
print((loaded - begun) * 1000, (done - loaded) * 1000)
"""


class Fixed:
    """The bundles in use: always the same."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers

    def layers(self, tenant_id: str) -> Layers:  # noqa: ARG002  what the guard asks
        """The platform's and the tenant's."""
        return self._layers


class Gate:
    """The platform's policies above a tenant's, and the scanner, as the gateway uses them."""

    def __init__(self, tenant: Bundle, scanner: Scanner) -> None:
        self.layers = Layers(load_policies("platform"), tenant)
        if self.layers.steady:
            raise RuntimeError("these policies read nothing that changes, so that outcomes would be remembered")
        self._guard = Guard(Fixed(self.layers), scanner, ids=RandomIds(), clock=SystemClock(), salt=b"bench")

    def decide(self, call: Call, quote: Quote) -> tuple[Decision, Call]:
        """All of it: normalise, scan, validate, evaluate, redact; the decision is the record, with a hash of each value."""
        guard = self._guard
        denial = guard.authorize(call)
        if denial is not None:
            return denial, call
        inspection = guard.inspect(call)
        decision = guard.decide(call, inspection, quote)
        if decision.verdict is Verdict.DENY:
            return decision, call
        return decision, guard.redact(call, inspection, decision)


def a_call(text: str, caller: Principal, model: str, number: int) -> Call:
    """A chat of one message."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return Call(
        call_id=f"call_{number}",
        kind=CallKind.MODEL,
        action=Action.CHAT,
        principal=caller,
        target=Target(kind="Model", name=model),
        payload=body,
        parts=chat_parts(body),
        effect_key=f"call_{number}",
        received_at_ms=EpochMs(1_790_000_000_000 + number * 1_000),
        deadline_ms=EpochMs(1_790_000_060_000 + number * 1_000),
        surface="openai.chat",
    )


def timed_us(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[float]:
    """Microseconds of each call of `work`, in order. What it returns is dropped outside of the time."""
    now, taken = time.perf_counter_ns, []
    for each in arguments:
        begun_ns = now()
        result = work(*each)
        taken.append((now() - begun_ns) / 1000)
        del result
    return taken


def set_aside() -> None:
    """What was made ready for a measurement is not searched for garbage by what is measured."""
    gc.collect()
    gc.freeze()


def whole_rows(gate: Gate, effort: Effort) -> list[Row]:
    """The whole evaluation, by size."""
    rows: list[Row] = []
    callers = policy_sets.principals(200)
    for size, count in effort.texts.items():
        say(f"whole evaluation of {count:,} texts of {size:,} bytes")
        source = Random(size)
        calls = []
        for number, text in enumerate(texts(count + 50, size)):
            quote = Quote(
                cost_bound=MicroUsd(source.randrange(1_000_000)), tokens_bound=Tokens(size // 3), clouds=frozenset({"aws"})
            )
            calls.append((a_call(text, source.choice(callers), source.choice(policy_sets.MODELS), number), quote))
        set_aside()
        verdicts = Counter(gate.decide(*call)[0].verdict.value for call in calls[:50])
        samples, cpu = [], []
        for call in calls[50:]:
            begun_ns, worked_ns = time.perf_counter_ns(), time.thread_time_ns()
            gate.decide(*call)
            cpu.append((time.thread_time_ns() - worked_ns) / 1e6)
            samples.append((time.perf_counter_ns() - begun_ns) / 1e6)
        verdicts += Counter(gate.decide(*call)[0].verdict.value for call in calls[50:])
        say("  verdicts: " + ", ".join(f"{count} {name}" for name, count in verdicts.most_common()))
        rows.append(row(f"whole evaluation, {size:,} bytes", samples, "ms"))
        rows.append(row(f"whole evaluation, {size:,} bytes, p95", samples, "ms", below=_LIMITS_MS.get(size), of=P95))
        rows.append(row(f"whole evaluation, {size:,} bytes, p95 of the processor's time", cpu, "ms", of=P95))
    return rows


def authorization_rows(gate: Gate, tenant: Bundle, text: str, effort: Effort) -> list[Row]:
    """Authorization alone: both layers; the tenant's policies alone, and Cedar's evaluator on the same in turns."""
    say(f"authorization alone, {effort.requests:,} requests under {POLICIES:,} policies")
    asked = [(each,) for each in policy_sets.requests(effort.requests * 2)]
    unknown = [(each,) for each in policy_sets.strangers(effort.compared)]
    set_aside()
    timed_us(gate.layers.evaluate, asked[: effort.requests])
    both = timed_us(gate.layers.evaluate, asked[effort.requests :])
    first = timed_us(gate.layers.evaluate, unknown)
    say(f"{effort.compared:,} of these requests through cedarpy with parsed handles")
    engine = policy_sets.CedarEngine(text)
    compared = [(request, engine.question(request)) for (request,) in asked[: effort.compared]]
    timed_us(tenant.evaluator.evaluate, asked)
    set_aside()
    ours, theirs = [], []
    for at in range(0, effort.compared, BLOCK):
        theirs += timed_us(engine.decide, [(question,) for _, question in compared[at : at + BLOCK]])
        ours += timed_us(tenant.evaluator.evaluate, [(request,) for request, _ in compared[at : at + BLOCK]])
    broad = policy_sets.loaded(policy_sets.document(policy_sets.broad_policies(POLICIES)))
    all_tried = timed_us(broad.evaluator.evaluate, asked[: effort.compared])
    title = f"authorization with {POLICIES:,} policies"
    return [
        row(title, ours, "µs", below=10),
        row(f"{title}, p95", ours, "µs", below=10, of=P95),
        row(f"{title}, the platform's beside them", both, "µs", below=10),
        row(f"{title}, the platform's beside them, p95", both, "µs", below=10, of=P95),
        row(f"{title}, a caller's first request", first, "µs"),
        row("cedarpy with parsed handles, the same requests", theirs, "µs"),
        row("cedarpy / Triskel", [median(theirs) / median(ours)], "times", at_least=50),
        row("cedarpy / Triskel, p95", [P95(theirs) / P95(ours)], "times", at_least=50),
        row(
            "decisions and determining policies equal to cedarpy's",
            policy_sets.agreed(tenant, engine, compared),
            "share",
            at_least=1,
            of=mean,
        ),
        row(f"authorization where all {POLICIES:,} policies must be tried", all_tried, "µs"),
    ]


def cold_rows(stored: bytes, effort: Effort) -> list[Row]:
    """Loading in processes that have done nothing else."""
    say(f"loading in {effort.cold_runs} fresh processes")
    imports, loads, packs, scans = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="triskel-bench-") as folder:
        path = Path(folder) / "bundle.json"
        path.write_bytes(stored)
        fresh = Fresh(folder)
        for number in range(effort.cold_runs + 1):
            imported, loaded = map(float, fresh.run("-c", _COLD_LOAD, str(path), bundle_hash(stored)).stdout.split())
            pack, scan = map(float, fresh.run("-c", _COLD_PACK).stdout.split())
            if number:  # the first run compiles, and warms the caches
                imports.append(imported)
                loads.append(loaded)
                packs.append(pack)
                scans.append(scan)
    return [
        row(f"loading a bundle of {POLICIES:,} policies, cold process", loads, "ms", below=30),
        row(f"loading a bundle of {POLICIES:,} policies, cold process, p95", loads, "ms", of=P95),
        row("importing what loads it", imports, "ms"),
        row("size of that bundle", [len(stored) / 1024], "KiB"),
        row("loading the detectors, cold process", packs, "ms"),
        row("the first scan, cold process", scans, "ms"),
    ]


def adversarial_rows(gate: Gate, scanner: Scanner, effort: Effort) -> list[Row]:
    """The worst input: each shape evaluated whole as a prompt, or scanned as a tool's argument where that takes longer."""
    shapes = adversarial(ADVERSARIAL_BYTES)
    say(f"{len(shapes)} adversarial shapes of {ADVERSARIAL_BYTES:,} bytes")
    caller, quote = (
        policy_sets.principals(1)[0],
        Quote(cost_bound=MicroUsd(5), tokens_bound=Tokens(7_000), clouds=frozenset({"aws"})),
    )
    taken: dict[str, list[float]] = {}
    streamed: dict[str, list[float]] = {}
    for number, (name, text) in enumerate(shapes.items()):
        call = a_call(text, caller, policy_sets.MODELS[0], number)
        ways: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
            f"{name}, prompt": (gate.decide, (call, quote)),
            f"{name}, tool argument": (scanner.scan, (text, Surface.TOOL_ARGUMENT)),
        }
        for way, (work, arguments) in ways.items():
            taken[way] = [us / 1000 for us in timed_us(work, [arguments] * effort.repeats)]
        chunks = pieces(Random(number), text, CHUNK_CHARS)
        streamed[name], _ = _streamed_us(scanner, chunks)
        worse = max(ways, key=lambda way: median(taken[way]))
        taken = {way: us for way, us in taken.items() if way == worse or way not in ways}
    ranked = sorted(taken, key=lambda way: -median(taken[way]))
    slowest = max(streamed, key=lambda name: mean(streamed[name]))
    return [
        row(f"worst adversarial input: {ranked[0]}", taken[ranked[0]], "ms", below=20),
        *(row(f"adversarial: {way}", taken[way], "ms", below=20) for way in ranked[1:]),
        row(f"worst adversarial stream, a chunk: {slowest}", streamed[slowest], "µs", of=mean),
    ]


def stream_rows(scanner: Scanner, effort: Effort) -> list[Row]:
    """A scan of what a model says, piece by piece."""
    say(f"{effort.streams} streams of 2,000 bytes in chunks of 1 to {CHUNK_CHARS} characters")
    source = Random(17)
    each_us: list[float] = []
    of_a_stream: list[float] = []
    held: list[float] = []
    for text in texts(effort.streams, 2_000, seed=19):
        us, kept = _streamed_us(scanner, pieces(source, text, CHUNK_CHARS))
        each_us += us
        of_a_stream.append(mean(us))
        held += kept
    return [
        row("stream, a chunk", each_us, "µs", below=10),
        row("stream, a chunk, p95", each_us, "µs", below=10, of=P95),
        row("stream, all chunks of a text by their number", of_a_stream, "µs", below=10),
        row("held back after a chunk", held, "characters"),
        row("held back after a chunk, p95", held, "characters", of=P95),
        row("held back after a chunk, most", held, "characters", of=max),
    ]


def _streamed_us(scanner: Scanner, chunks: Sequence[str]) -> tuple[list[float], list[float]]:
    """Microseconds of each chunk, the closing taken with the last; and the characters held after each."""
    now, taken, held = time.perf_counter_ns, [], []
    stream = scanner.stream(Surface.OUTPUT)
    for chunk in chunks:
        begun_ns = now()
        stream.feed(chunk)
        taken.append((now() - begun_ns) / 1000)
        held.append(float(stream.held))
    begun_ns = now()
    stream.close()
    taken[-1] += (now() - begun_ns) / 1000
    return taken, held


def say(step: str) -> None:
    """Progress."""
    print(f"· {step}", flush=True)


def measure(effort: Effort) -> list[Row]:
    """Everything."""
    pack = load_pack()
    say(f"{len(pack.pack.detectors)} detectors on {pack.engines.kind}; load average {os.getloadavg()[0]:.1f} before the start")
    scanner = Scanner(pack)
    scanner.warm(Surface.PROMPT, Surface.TOOL_ARGUMENT, Surface.OUTPUT)
    text = policy_sets.policies(POLICIES)
    stored = policy_sets.document(text)
    tenant = policy_sets.loaded(stored)
    gate = Gate(tenant, scanner)
    return [
        *whole_rows(gate, effort),
        *authorization_rows(gate, tenant, text, effort),
        *cold_rows(stored, effort),
        *adversarial_rows(gate, scanner, effort),
        *stream_rows(scanner, effort),
        row("texts scanned by Hyperscan", [float(pack.engines.kind == "hyperscan")], "1 = yes", at_least=1),
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.policy", description="What policy costs.")
    parser.add_argument("--quick", action="store_true", help="fewer texts, fewer processes: a coarse figure")
    try:
        publish("policy", measure(QUICK if parser.parse_args().quick else FULL))
    except ImportError as error:
        sys.exit(f"{parser.prog}: {error}; the comparison needs cedarpy")


if __name__ == "__main__":
    main()

"""What a cold start costs: imports, each run in a process of its own.

Wall time of the import alone, by the process's own clock, with the interpreter already up; in a function the interpreter is
the provider's. One rule: the files are warm in the system's cache and byte-compiled, as they are in a deployed package.
"""

import argparse
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from bench.report import Row, percentile, publish, row

RUNS, QUICK_RUNS = 25, 15
TOP = 10
APPLICATION = "triskel.http.application"

_TIMED = """
import sys, time
before = len(sys.modules)
begun = time.perf_counter()
import {module}
taken = time.perf_counter() - begun
print(taken * 1000, len(sys.modules) - before)
"""
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


def imported(module: str) -> tuple[float, int]:
    """Milliseconds and modules that importing `module` takes in a fresh process. -P: this folder has no say in it."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _TIMED.format(module=module)], check=True, capture_output=True, text=True
    )
    taken_ms, modules = ran.stdout.split()
    return float(taken_ms), int(modules)


def helped() -> float:
    """Milliseconds of the whole `triskel --help`, from the start of the process to its end."""
    timed = "import subprocess, sys, time; begun = time.perf_counter(); "
    timed += "subprocess.run([sys.executable, '-P', '-m', 'triskel.cli', '--help'], check=True, stdout=subprocess.DEVNULL); "
    timed += "print((time.perf_counter() - begun) * 1000)"
    return float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True).stdout)


def self_times_ms(module: str) -> dict[str, float]:
    """Milliseconds of each module that importing `module` brings in, without what it imports itself. Slower than without."""
    command = [sys.executable, "-P", "-X", "importtime", "-c", f"import {module}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    return {found[3]: int(found[1]) / 1000 for line in lines if (found := _LINE.match(line))}


def rows(runs: int) -> list[Row]:
    """Everything."""
    taken: dict[str, list[float]] = {}
    modules: dict[str, int] = {}
    helps: list[float] = []
    for number in range(runs + 1):
        for module in (APPLICATION, "triskel.system"):
            taken_ms, modules[module] = imported(module)
            if number:  # the first run warms the caches
                taken.setdefault(module, []).append(taken_ms)
        if number:
            helps.append(helped())
    figures = []
    for module, samples in taken.items():
        limit = 200 if module == APPLICATION else None
        figures.append(row(f"import {module}", samples, "ms", below=limit))
        figures.append(row(f"import {module}, p95", samples, "ms", of=partial(percentile, percent=95)))
        figures.append(row(f"modules that import {module} loads", [modules[module]], "modules"))
    figures.append(row("the whole of triskel --help", helps, "ms"))
    return figures + heaviest(APPLICATION)


def heaviest(module: str, runs: int = 5) -> list[Row]:
    """The modules with the longest time of their own under -X importtime, which about doubles short ones."""
    traced = [self_times_ms(module) for _ in range(runs)]
    names = set.intersection(*(set(each) for each in traced))
    own = {name: [each[name] for each in traced] for name in names}
    return [row(f"own time of {name}", own[name], "ms") for name in sorted(names, key=lambda name: -_median(own[name]))[:TOP]]


def _median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description="What a cold start costs.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs instead of {RUNS}")
    publish("cold", rows(QUICK_RUNS if parser.parse_args().quick else RUNS))


if __name__ == "__main__":
    main()

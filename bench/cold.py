"""What a cold start costs: imports, each run in a process of its own.

Wall time of the import alone, by the process's own clock, with the interpreter already up; in a function the interpreter is
the provider's. One rule: files are warm in the system's cache and byte-compiled, as in a deployed package.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from statistics import median

from bench.report import Row, percentile, publish, row

RUNS, QUICK_RUNS = 25, 15
TOP = 10
APPLICATION = "triskel.http.application"

_TIMED = """
import sys, time
before = len(sys.modules)
begun, worked = time.perf_counter(), time.process_time()
import {module}
taken, work = time.perf_counter() - begun, time.process_time() - worked
print(taken * 1000, work * 1000, len(sys.modules) - before)
"""
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")


class Fresh:
    """Runs Python in fresh processes that keep what they byte-compiled in `folder`."""

    def __init__(self, folder: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._environment = {**kept, "PYTHONPYCACHEPREFIX": folder}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One process. -P: the folder that we stand in has no say in what is imported."""
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment)

    def imported(self, module: str) -> tuple[float, float, int]:
        """Milliseconds of wall and of processor time, and modules, that importing `module` takes."""
        wall_ms, cpu_ms, modules = self.run("-c", _TIMED.format(module=module)).stdout.split()
        return float(wall_ms), float(cpu_ms), int(modules)

    def helped(self) -> float:
        """Milliseconds of the whole `triskel --help`, from the start of the process to its end."""
        begun_s = time.perf_counter()
        self.run("-m", "triskel.cli", "--help")
        return (time.perf_counter() - begun_s) * 1000

    def self_times_ms(self, module: str) -> dict[str, float]:
        """Milliseconds of each module that importing `module` brings in, without what it imports itself."""
        lines = self.run("-X", "importtime", "-c", f"import {module}").stderr.splitlines()
        return {found[3]: int(found[1]) / 1000 for line in lines if (found := _LINE.match(line))}


def rows(fresh: Fresh, runs: int) -> list[Row]:
    """Everything."""
    wall: dict[str, list[float]] = {APPLICATION: [], "triskel.system": []}
    cpu: dict[str, list[float]] = {module: [] for module in wall}
    modules: dict[str, int] = {}
    helps: list[float] = []
    for number in range(runs + 1):
        for module, samples in wall.items():
            wall_ms, cpu_ms, modules[module] = fresh.imported(module)
            if number:  # the first run compiles, and warms the caches
                samples.append(wall_ms)
                cpu[module].append(cpu_ms)
        help_ms = fresh.helped()
        if number:
            helps.append(help_ms)
    figures = []
    for module, samples in wall.items():
        figures.append(row(f"import {module}", samples, "ms", below=200 if module == APPLICATION else None))
        figures.append(row(f"import {module}, p95", samples, "ms", of=partial(percentile, percent=95)))
        figures.append(row(f"import {module}, processor time", cpu[module], "ms"))
        figures.append(row(f"modules that import {module} loads", [modules[module]], "modules"))
    figures.append(row("the whole of triskel --help", helps, "ms"))
    return figures + heaviest(fresh, APPLICATION)


def heaviest(fresh: Fresh, module: str, runs: int = 5) -> list[Row]:
    """The modules with the longest time of their own under -X importtime, which makes the short ones look longer."""
    traced = [fresh.self_times_ms(module) for _ in range(runs)]
    names = set.intersection(*(set(each) for each in traced))
    own = {name: [each[name] for each in traced] for name in names}
    return [row(f"own time of {name}", own[name], "ms") for name in sorted(names, key=lambda name: -median(own[name]))[:TOP]]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description="What a cold start costs.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs instead of {RUNS}")
    runs = QUICK_RUNS if parser.parse_args().quick else RUNS
    with tempfile.TemporaryDirectory(prefix="triskel-bench-") as folder:
        publish("cold", rows(Fresh(folder), runs))


if __name__ == "__main__":
    main()

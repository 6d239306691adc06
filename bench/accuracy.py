"""What the detectors find and miss: on the project's own generated sets, or on labelled files of yours.

A set's name says what is in it: `pii_`, `secrets_`, `sqli_`, `shell_`, `pi_` (prompt injection) or `benign_` (nothing).
One rule: harmless texts meet every detector, on the surface where it is strongest; what is found in them is shown.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path

import yaml

from bench.accuracy_sets import Labelled, generated
from bench.labelled_files import read_folder
from bench.report import Row, percentile, publish, row
from bench.scoring import Entities, Score, lowest_threshold, score_spans, score_text
from triskel.model.call import Surface
from triskel.model.finding import Category
from triskel.policy.scan import Scan, Scanner, load_pack

RISK = 700
"""From here on, in permille, a text counts as an injection: where the policies that ship begin to warn."""

SHOWN = 6
"""Errors of each kind that are printed for a set."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is looked for in a set, and where its texts stand."""

    name: str
    surface: Surface
    categories: frozenset[Category]


KINDS = {
    "pii": Kind("pii", Surface.PROMPT, frozenset({Category.PII, Category.PAYMENT})),
    "secrets": Kind("secrets", Surface.PROMPT, frozenset({Category.SECRET})),
    "sqli": Kind("sqli", Surface.TOOL_ARGUMENT, frozenset({Category.SQL_INJECTION})),
    "shell": Kind("shell", Surface.TOOL_ARGUMENT, frozenset({Category.SHELL})),
    "pi": Kind("pi", Surface.PROMPT, frozenset({Category.PROMPT_INJECTION})),
    "benign": Kind("benign", Surface.PROMPT, frozenset()),
}
_PROMPT_KINDS = frozenset({"pi", "benign"})
"""Their harmless texts are prompts, and meet all other detectors too."""


@dataclass(slots=True)
class Result:
    """A set, measured."""

    name: str
    kind: Kind
    score: Score = field(default_factory=Score)
    taken_us: list[float] = field(default_factory=list)
    risks: list[tuple[int, int]] = field(default_factory=list)
    """(label, risk) of each text, where injections are looked for."""


class Measurement:
    """Sets on one scanner."""

    def __init__(self, scanner: Scanner, entities: Entities, risk: int = RISK) -> None:
        self._scanner = scanner
        self._entities = entities
        self._risk = risk
        self.harmless = {name: Score() for name in KINDS if name != "benign"}
        """What each kind of detector makes of harmless prompts, of all sets together."""

    def measure(self, name: str, kind: Kind, texts: Sequence[Labelled], surface: Surface | None = None) -> Result:
        """One set. `surface`: another than the kind's own."""
        result = Result(name, kind)
        place = surface or kind.surface
        self._scanner.scan("to make the surface ready", place)
        for each in texts:
            begun_ns = time.perf_counter_ns()
            scan = self._scanner.scan(each.text, place)
            result.taken_us.append((time.perf_counter_ns() - begun_ns) / 1000)
            self._judge(result, each, scan)
            if kind.name in _PROMPT_KINDS and each.label == 0:
                self._judge_harmless(result, each.text)
        return result

    def _judge(self, result: Result, each: Labelled, scan: Scan) -> None:
        kind = result.kind
        if kind.name == "pi":
            label = each.label if isinstance(each.label, int) else int(bool(each.label))
            result.risks.append((label, scan.injection_risk))
            score_text(result.score, label, self._types(scan, kind), "prompt injection")
            return
        if kind.name == "benign":
            return
        wanted = [finding for finding in scan.findings if finding.category in kind.categories]
        if isinstance(each.label, tuple) and kind.name == "pii":
            score_spans(result.score, each.label, wanted, self._entities)
            return
        label = each.label if isinstance(each.label, int) else int(bool(each.label))
        types = [finding.type for finding in wanted]
        missed_as = kind.name
        if each.entities and kind.name == "pii":
            meant = frozenset().union(*(self._entities.meant(entity) for entity in each.entities))
            missed_as = " or ".join(each.entities)
            if not meant:
                result.score.unclaimed[missed_as] += 1
                return
            types = [found for found in types if found in meant]
        score_text(result.score, label, types, missed_as)

    def _judge_harmless(self, result: Result, text: str) -> None:
        scans = {surface: self._scanner.scan(text, surface) for surface in (Surface.PROMPT, Surface.TOOL_ARGUMENT)}
        for name, total in self.harmless.items():
            kind = KINDS[name]
            one = Score()
            score_text(one, 0, self._types(scans[kind.surface], kind), name)
            total.add(one)
            if result.kind.name == "benign":
                result.score.errors.update(one.errors)
        if result.kind.name == "benign":
            result.risks.append((0, scans[Surface.PROMPT].injection_risk))
            found = any(self._types(scans[KINDS[name].surface], KINDS[name]) for name in self.harmless)
            result.score.wrong += found
            result.score.passed += not found

    def _types(self, scan: Scan, kind: Kind) -> list[str]:
        """The types that were found of a kind. An injection counts by the text's risk."""
        types = [finding.type for finding in scan.findings if finding.category in kind.categories]
        if kind.name == "pi":
            return (types or ["sum of signs"]) if scan.injection_risk >= self._risk else []
        return types


def rows(results: Sequence[Result], harmless: Mapping[str, Score], risk: int) -> list[Row]:
    """The goals, over all sets of a kind together; then the time that each set took."""
    found: list[Row] = []
    mean = statistics.mean
    totals = {name: Score() for name in KINDS}
    for result in results:
        totals[result.kind.name].add(result.score)
    for name, title, goals in (
        ("pii", "personal and payment data", (0.99, None, 0.95)),
        ("sqli", "SQL injection in tool arguments", (None, 0.95, None)),
        ("secrets", "secrets", (None, 0.90, None)),
        ("shell", "shell and code in tool arguments", (None, None, None)),
        ("pi", f"prompt injection, risk of {risk} and more", (None, None, None)),
    ):
        score = totals[name]
        if score.right + score.missed:
            flags = (score.found_flags(), score.asked_flags(), score.f1_flags())
            for what, samples, goal in zip(("precision", "recall", "F1"), flags, goals, strict=True):
                found.append(row(f"{title}: {what}", samples, "share", at_least=goal, of=mean))
    for name, title, goal in (
        ("sqli", "harmless prompts without SQL injection, as tool arguments", 0.998),
        ("secrets", "harmless prompts without a secret", 1.0),
        ("pi", f"harmless prompts below a risk of {risk}", 0.99),
        ("shell", "harmless prompts without shell or code, as tool arguments", None),
        ("pii", "harmless prompts without personal or payment data", None),
    ):
        if samples := harmless[name].clean_flags():
            found.append(row(title, samples, "share", at_least=goal, of=mean))
    return [*found, *_at_one_in_a_hundred(results), *_times(results)]


def _at_one_in_a_hundred(results: Sequence[Result]) -> list[Row]:
    """Prompt injection where one harmless prompt in a hundred is taken for one."""
    risks = [each for result in results for each in result.risks]
    safe = [risk for label, risk in risks if not label]
    if not safe or len(safe) == len(risks):
        return []
    least = lowest_threshold(safe, 0.01)
    flags = [float(risk >= least) for label, risk in risks if label]
    return [
        row("lowest risk that 1 % of harmless prompts reach at most", [least], "permille"),
        row("prompt injection: recall at that risk", flags, "share", of=statistics.mean),
    ]


def _times(results: Sequence[Result]) -> list[Row]:
    found = []
    for result in results:
        found.append(row(f"{result.name}: a text", result.taken_us, "µs"))
        found.append(row(f"{result.name}: a text, p95", result.taken_us, "µs", of=partial(percentile, percent=95)))
    return found


def sets_table(results: Sequence[Result]) -> str:
    """A line for each set, and below it what went wrong most often."""
    lines = [f"{'set':28}{'right':>7}{'wrong':>7}{'missed':>7}{'passed':>8}{'precision':>11}{'recall':>8}{'F1':>8}"]
    for result in results:
        score = result.score
        shares = [_share(score.found_flags()), _share(score.asked_flags()), _share(score.f1_flags())]
        if result.kind.name == "benign":
            shares = ["–"] * 3
        lines.append(
            f"{result.name[:27]:28}{score.right:>7}{score.wrong:>7}{score.missed:>7}{score.passed:>8}"
            f"{shares[0]:>11}{shares[1]:>8}{shares[2]:>8}"
        )
        for start in ("missed ", "false "):
            worst = [(what, count) for what, count in score.errors.most_common() if what.startswith(start)]
            lines += [f"    {count:>5}  {what}" for what, count in worst[:SHOWN]]
            if rest := sum(count for _, count in worst[SHOWN:]):
                lines.append(f"    {rest:>5}  {start}others")
        if score.unclaimed:
            lines.append("           not claimed: " + ", ".join(f"{n} {what}" for what, n in score.unclaimed.most_common()))
    return "\n".join(lines)


def _share(flags: Sequence[float]) -> str:
    return f"{statistics.mean(flags):.4f}" if flags else "–"


def kind_of(name: str) -> Kind:
    """The kind that a set's name begins with. Raises ValueError where it begins with none."""
    kind = KINDS.get(name.partition("_")[0])
    if kind is None:
        raise ValueError(f"`{name}` begins with none of {', '.join(KINDS)}; say --kind")
    return kind


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description="What the detectors find and miss.")
    parser.add_argument("folder", nargs="?", type=Path, help="labelled *.jsonl of yours, instead of the generated sets")
    parser.add_argument("--kind", choices=sorted(KINDS), help="what every file holds, whatever its name")
    parser.add_argument("--surface", choices=[each.value for each in Surface], help="where every text stands")
    parser.add_argument("--risk", type=int, default=RISK, help=f"permille from which a text is an injection (default {RISK})")
    arguments = parser.parse_args()
    try:
        sets = generated() if arguments.folder is None else read_folder(arguments.folder)
        kinds = {name: KINDS[arguments.kind] if arguments.kind else kind_of(name) for name in sets}
    except (ValueError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")
    loaded = load_pack()
    table = yaml.safe_load((files("bench.accuracy_sets") / "entities.yaml").read_text("utf-8"))
    entities = Entities(table["names"], table["may_be"], [detector.type for detector in loaded.pack.detectors])
    measurement = Measurement(Scanner(loaded), entities, arguments.risk)
    surface = Surface(arguments.surface) if arguments.surface else None
    print(f"{len(loaded.pack.detectors)} detectors on {loaded.engines.kind}, pack {loaded.pack.hash[:12]}")
    results = []
    for name, texts in sets.items():
        print(f"· {name}, {len(texts):,} texts", flush=True)
        results.append(measurement.measure(name, kinds[name], texts, surface))
    print(f"\n{sets_table(results)}\n")
    where = "accuracy" if arguments.folder is None else f"accuracy-{arguments.folder.resolve().name}"
    publish(where, rows(results, measurement.harmless, arguments.risk))


if __name__ == "__main__":
    main()

"""What was found against what is there. One rule: what is not sure to be right counts as wrong, and is named.

Spans: a finding is right where it shares at least half of all characters that it or the label covers (intersection over
union) and has a type that the label's entity stands for. Whole texts: found or not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.accuracy_sets import Span
from triskel.model.finding import Finding

OVERLAP = 0.5


@dataclass(slots=True)
class Score:
    """Counts over a set. `errors` are what was missed and what was wrongly found, by type; `unclaimed` what nobody asked for."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    passed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unclaimed: Counter[str] = field(default_factory=Counter)

    def found_flags(self) -> list[float]:
        """For precision: 1 for each finding that is right, 0 for each that is wrong."""
        return [1.0] * self.right + [0.0] * self.wrong

    def asked_flags(self) -> list[float]:
        """For recall: 1 for each that was found, 0 for each that was missed."""
        return [1.0] * self.right + [0.0] * self.missed

    def f1_flags(self) -> list[float]:
        """For F1, which is their mean: those that are right count twice, 2R / (2R + W + M)."""
        return [1.0] * (2 * self.right) + [0.0] * (self.wrong + self.missed)

    def clean_flags(self) -> list[float]:
        """For the share of harmless texts that pass: 1 for each that did."""
        return [1.0] * self.passed + [0.0] * self.wrong

    def add(self, other: "Score") -> None:
        """Take the counts of another set in."""
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed
        self.passed += other.passed
        self.errors.update(other.errors)
        self.unclaimed.update(other.unclaimed)


class Entities:
    """What the entities of labels stand for among our types."""

    def __init__(self, names: Mapping[str, Sequence[str]], may_be: Mapping[str, Sequence[str]], types: Sequence[str]) -> None:
        known = frozenset(types)
        self._names = {name: frozenset(meant) & known for name, meant in names.items()}
        self._may_be = {name: frozenset(meant) for name, meant in may_be.items()}
        self._types = known

    def meant(self, entity: str) -> frozenset[str]:
        """The types that an entity stands for; none where we do not claim to find it."""
        named = self._names.get(entity)
        if named is None:
            named = frozenset({entity.lower()}) & self._types
        return named

    def may_be(self, entity: str) -> frozenset[str]:
        """The types that may be found at an entity and need not be."""
        return self._may_be.get(entity, frozenset())


def overlap(finding: Finding, span: Span) -> float:
    """Characters that both cover, of those that either covers."""
    shared = min(finding.end, span.end) - max(finding.start, span.start)
    return max(shared, 0) / (max(finding.end, span.end) - min(finding.start, span.start))


def score_spans(score: Score, labels: Sequence[Span], findings: Sequence[Finding], entities: Entities) -> None:
    """Add one text. Each finding answers to one label at most."""
    left = list(findings)
    for label in labels:
        meant = entities.meant(label.entity)
        taken = _best(label, left, meant or entities.may_be(label.entity))
        if taken is not None:
            left.remove(taken)
        if not meant:
            score.unclaimed[label.entity] += 1
        elif taken is not None:
            score.right += 1
        else:
            score.missed += 1
            score.errors[f"missed {label.entity}{_instead(label, findings)}"] += 1
    for finding in left:
        score.wrong += 1
        score.errors[f"false {finding.type}{_within(finding, labels)}"] += 1


def _best(label: Span, findings: Sequence[Finding], types: frozenset[str]) -> Finding | None:
    fitting = [finding for finding in findings if finding.type in types and overlap(finding, label) >= OVERLAP]
    return max(fitting, key=lambda finding: overlap(finding, label), default=None)


def _instead(label: Span, findings: Sequence[Finding]) -> str:
    others = sorted({finding.type for finding in findings if overlap(finding, label) > 0})
    return f", found as {' and '.join(others)}" if others else ""


def _within(finding: Finding, labels: Sequence[Span]) -> str:
    others = sorted({label.entity for label in labels if overlap(finding, label) > 0})
    return f" at {' and '.join(others)}" if others else ""


def score_text(score: Score, label: int, types: Sequence[str], missed_as: str) -> None:
    """Add one text of which only is known whether something should be found. `types` are what was."""
    if label and types:
        score.right += 1
    elif label:
        score.missed += 1
        score.errors[f"missed {missed_as}"] += 1
    elif types:
        score.wrong += 1
        score.errors.update(f"false {each}" for each in sorted(set(types)))
    else:
        score.passed += 1


def lowest_threshold(risks: Sequence[int], share: float) -> int:
    """The lowest risk, in permille, that at most `share` of the harmless texts reach; 1001 where there is none."""
    return next((risk for risk in range(1, 1001) if sum(each >= risk for each in risks) <= share * len(risks)), 1001)

"""What a scan says: findings in characters of the original text, the injection risk, and whether it could be finished.

One rule: findings never overlap and stand in order. Where a phrase and a value meet, the value keeps its place and the
phrase is reported at what is left of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from triskel.model.finding import Finding
from triskel.policy.scan.normal import Origins
from triskel.policy.scan.rules import Kept, Match, Rule

TEXT_LIMIT = "text_limit"
"""The text is longer than `MAX_TEXT_CHARS`."""
HIT_LIMIT = "hit_limit"
"""More detectors' gates matched than are believed of honest text."""


@dataclass(frozen=True, slots=True)
class Scan:
    """All that was found in a text.

    `injection_risk` is in permille. `incomplete` is empty, or says why the scan was given up: then `findings` prove
    nothing and the text must not pass.
    """

    findings: tuple[Finding, ...] = ()
    injection_risk: int = 0
    incomplete: str = ""


NOTHING_FOUND = Scan()


class Released(NamedTuple):
    """The next piece of a stream's original text that may be let go, with the findings in it.

    Findings count from the start of `text`, which stands at `offset` in the whole; no finding reaches out of it. With
    `incomplete` the stream is over: nothing more is released, and what was held must not pass.
    """

    text: str
    findings: tuple[Finding, ...] = ()
    offset: int = 0
    incomplete: str = ""


def merged(values: list[Match], phrases: list[Match]) -> list[Match]:
    """Values and the phrases between them, in order, without overlap."""
    spoken = [phrase for phrase in phrases if not phrase.rule.silent]
    if not spoken:
        return values
    kept = Kept(values)
    for phrase in sorted(spoken, key=lambda m: (m.rank, m.start - m.end, m.start, m.rule.id)):
        pieces = kept.uncovered(phrase.start, phrase.end)
        if pieces:
            start, end = max(pieces, key=lambda piece: (piece[1] - piece[0], -piece[0]))
            kept.add(phrase._replace(start=start, end=end))
    return kept.matches


def findings_of(matches: Iterable[Match], origins: Origins | list[int] | None, base: int = 0) -> tuple[Finding, ...]:
    """Matches as findings that count from byte `base`, mapped to characters by `origins`."""
    if origins is None:
        return tuple(
            [Finding(m.rule.type, m.rule.category, m.start - base, m.end - base, m.confidence, m.rule.validator) for m in matches]
        )
    findings: list[Finding] = []
    least = 0
    for match in matches:
        # One character may fold to several bytes, and two findings may meet inside it.
        start, end, rule = max(least, origins[match.start - base]), origins[match.end - base - 1] + 1, match.rule
        if start < end:
            least = end
            findings.append(Finding(rule.type, rule.category, start, end, match.confidence, rule.validator))
    return tuple(findings)


def note_risks(risks: dict[str, int], phrases: Iterable[Match]) -> None:
    """Adds what the phrases say about injection. Each detector counts once."""
    for phrase in phrases:
        rule: Rule = phrase.rule
        if rule.risk:
            risks[rule.id] = rule.risk


def risk_of(risks: Mapping[str, int]) -> int:
    """The joint risk in permille: independent signs, `1 - product(1 - risk)`, in integers."""
    safe = 1_000_000
    for detector in sorted(risks):
        safe = safe * (1000 - risks[detector]) // 1000
    return 1000 - -(-safe // 1000)

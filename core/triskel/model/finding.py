"""What a scan found in a text, and the facts about it that policy may use. Never the text itself."""

from dataclasses import dataclass, field
from enum import StrEnum


class Category(StrEnum):
    """The kind of danger a finding is, also the data class that policies name."""

    PII = "pii"
    PAYMENT = "payment"
    SECRET = "secret"
    SQL_INJECTION = "sql_injection"
    SHELL = "shell"
    PROMPT_INJECTION = "prompt_injection"


@dataclass(frozen=True, slots=True)
class Finding:
    """One match. `start` and `end` count characters of the original text; `confidence` is in permille.

    `validator` names the check that the value passed (`luhn`, `mod97`, ...), or is empty where none exists.
    """

    type: str
    category: Category
    start: int
    end: int
    confidence: int
    validator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What policy is told about the content of a call, at one stage (`input` or `output`).

    `data_classes` and `finding_types` are sorted and without repeats; `finding_count` counts every match;
    `injection_risk` is in permille.
    """

    data_classes: tuple[str, ...] = ()
    finding_types: tuple[str, ...] = ()
    finding_count: int = 0
    injection_risk: int = 0

    def merged(self, other: "Facts") -> "Facts":
        """The facts of two texts taken together."""
        if other == NO_FACTS:
            return self
        return Facts(
            data_classes=tuple(sorted({*self.data_classes, *other.data_classes})),
            finding_types=tuple(sorted({*self.finding_types, *other.finding_types})),
            finding_count=self.finding_count + other.finding_count,
            injection_risk=max(self.injection_risk, other.injection_risk),
        )


NO_FACTS = Facts()
"""A text in which nothing was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord:
    """A finding as proof keeps it: where it was, what it was, and a salted hash of the value, never the value."""

    part: str
    finding: Finding
    value_hash: str = field(default="", repr=False)

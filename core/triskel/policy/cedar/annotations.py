"""What a policy says about itself beside its effect. One rule: an annotation that is not known here is refused.

@id("team.no-secrets")          required, unique in its bundle
@mode("shadow")                 evaluated and reported, never enforced; `enforce` where it is not given
@obligation("redact:pii, warn:check the figures")     permits only; several, separated by `,` or `;`
@approval("finance, legal")     permits only: it holds when somebody of each team has approved
@severity("high")   @description("…")                 for people
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from triskel.policy.cedar.expression import UnsupportedPolicy
from triskel.policy.cedar.policy import Obliged

DATA_CLASSES = ("pii", "payment", "secret", "sql_injection", "shell", "prompt_injection")
"""What `redact:` may name: the values of `model.finding.Category`."""

SEVERITIES = ("low", "medium", "high", "critical")
KNOWN = ("id", "mode", "obligation", "approval", "severity", "description")

_ID = re.compile(r"[a-z0-9._-]{1,64}")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_TEXT = 1_000


class Annotations(NamedTuple):
    """What the annotations of one policy mean."""

    id: str
    enforced: bool
    obligations: tuple[Obliged, ...]
    approval_teams: tuple[str, ...]
    severity: str
    description: str


def read_annotations(annotations: Mapping[str, Any], *, permits: bool) -> Annotations:
    """The meaning of a policy's annotations. Raises UnsupportedPolicy."""
    for name, value in annotations.items():
        if name not in KNOWN:
            raise UnsupportedPolicy(f"`@{name}` is not an annotation; known are {', '.join('@' + known for known in KNOWN)}")
        if not isinstance(value, str) or not value or len(value) > _MAX_TEXT:
            raise UnsupportedPolicy(f"`@{name}` must have a text of 1 to {_MAX_TEXT} characters")
    if "id" not in annotations:
        raise UnsupportedPolicy('every policy needs an `@id("…")`')
    if not permits and (wrong := {"obligation", "approval"} & annotations.keys()):
        raise UnsupportedPolicy(f"`@{min(wrong)}` stands on permits only: a forbid denies")
    return Annotations(
        id=_matching(_ID, annotations["id"], "@id", "lower-case letters, digits, `.`, `_` and `-`, at most 64"),
        enforced=_one_of(annotations.get("mode", "enforce"), "@mode", ("enforce", "shadow")) == "enforce",
        obligations=tuple(dict.fromkeys(_obligation(item) for item in _items(annotations.get("obligation", "")))),
        approval_teams=tuple(
            dict.fromkeys(
                _matching(_TEAM, item, "@approval", "letters, digits, `.`, `_` and `-`, at most 64")
                for item in _items(annotations.get("approval", ""))
            )
        ),
        severity=_one_of(annotations["severity"], "@severity", SEVERITIES) if "severity" in annotations else "",
        description=annotations.get("description", ""),
    )


def _items(text: str) -> list[str]:
    """The parts of a list, without empty ones."""
    return [item.strip() for item in re.split("[,;]", text) if item.strip()]


def _obligation(item: str) -> Obliged:
    kind, _, argument = item.partition(":")
    if kind.strip() == "redact":
        return Obliged("redact", _one_of(argument.strip(), "@obligation redact", DATA_CLASSES))
    if kind.strip() == "warn" and argument.strip():
        return Obliged("warn", argument.strip())
    raise UnsupportedPolicy(f"`{item}` is no obligation: write `redact:<data class>` or `warn:<text>`")


def _one_of(value: str, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UnsupportedPolicy(f"`{name}` must be one of {', '.join(known)}, not `{value}`")
    return value


def _matching(pattern: re.Pattern[str], value: str, name: str, form: str) -> str:
    if not pattern.fullmatch(value):
        raise UnsupportedPolicy(f"`{name}` must be {form}: `{value}` is not")
    return value

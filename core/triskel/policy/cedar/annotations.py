"""What a policy says about itself beside its effect. One rule: an annotation that is not known here is refused.

@id("team.no-secrets")          required, unique in its bundle
@mode("shadow")                 evaluated and reported, never enforced; `enforce` where it is not given
@obligation("redact:pii, warn:check the figures")     permits only; several, separated by `,` or `;`
@approval("finance, legal")     permits only: it holds when somebody of each team has approved
@severity("high")   @description("…")                 for people
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from triskel.policy.cedar.expression import UnsupportedPolicy

DATA_CLASSES = ("pii", "payment", "secret", "sql_injection", "shell", "prompt_injection")
"""What `redact:` may name: the values of `model.finding.Category`."""

SEVERITIES = ("low", "medium", "high", "critical")
KNOWN = ("id", "mode", "obligation", "approval", "severity", "description")

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_TEAM_CHARACTERS = _ID_CHARACTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_MAX_TEXT = 1_000


class Obliged(NamedTuple):
    """One obligation of a permit, as `model.decision.Obligation` has it."""

    kind: str
    argument: str


class Meaning(NamedTuple):
    """What the annotations of a policy mean, but for its id."""

    enforced: bool = True
    obligations: tuple[Obliged, ...] = ()
    approval_teams: tuple[str, ...] = ()
    severity: str = ""
    description: str = ""


def read_id(annotations: Mapping[str, Any]) -> str:
    """The `@id`. Raises UnsupportedPolicy."""
    name = annotations.get("id")
    if not isinstance(name, str):
        raise UnsupportedPolicy('every policy needs an `@id("…")`')
    if not 0 < len(name) <= 64 or not _ID_CHARACTERS.issuperset(name):
        raise UnsupportedPolicy(f"`@id` must be lower-case letters, digits, `.`, `_` and `-`, at most 64: `{name[:80]}` is not")
    return name


def read_meaning(annotations: Mapping[str, Any], *, permits: bool) -> Meaning:
    """The meaning of the annotations other than `@id`. Raises UnsupportedPolicy."""
    return _meaning(tuple([item for item in annotations.items() if item[0] != "id"]), permits)


@lru_cache(maxsize=1024)
def _meaning(items: tuple[tuple[str, Any], ...], permits: bool) -> Meaning:
    annotations = dict(items)
    for name, value in items:
        if name not in KNOWN:
            raise UnsupportedPolicy(f"`@{name}` is not an annotation; known are {', '.join('@' + known for known in KNOWN)}")
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
            raise UnsupportedPolicy(f"`@{name}` must have a text of 1 to {_MAX_TEXT} characters")
    if not permits and (wrong := {"obligation", "approval"} & annotations.keys()):
        raise UnsupportedPolicy(f"`@{min(wrong)}` stands on permits only: a forbid denies")
    return Meaning(
        enforced=_one_of(annotations.get("mode", "enforce"), "@mode", ("enforce", "shadow")) == "enforce",
        obligations=tuple(dict.fromkeys(_obligation(item) for item in _items(annotations.get("obligation", "")))),
        approval_teams=tuple(dict.fromkeys(_team(item) for item in _items(annotations.get("approval", "")))),
        severity=_one_of(annotations["severity"], "@severity", SEVERITIES) if "severity" in annotations else "",
        description=annotations.get("description", ""),
    )


def _items(text: str) -> list[str]:
    """The parts of a list, without empty ones."""
    return [item.strip() for item in text.replace(";", ",").split(",") if item.strip()]


def _obligation(item: str) -> Obliged:
    kind, _, argument = item.partition(":")
    if kind.strip() == "redact":
        if argument.strip() not in DATA_CLASSES:
            raise UnsupportedPolicy(f"`@obligation` can redact {', '.join(DATA_CLASSES)}, not `{argument.strip()}`")
        return Obliged("redact", argument.strip())
    if kind.strip() == "warn" and argument.strip():
        return Obliged("warn", argument.strip())
    if (kind.strip(), argument.strip()) == ("record", "content"):
        return Obliged("record", "content")
    raise UnsupportedPolicy(f"`@obligation` holds `{item}`: write `redact:<data class>`, `warn:<text>` or `record:content`")


def _one_of(value: str, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UnsupportedPolicy(f"`{name}` must be one of {', '.join(known)}, not `{value}`")
    return value


def _team(name: str) -> str:
    if len(name) > 64 or not _TEAM_CHARACTERS.issuperset(name):
        raise UnsupportedPolicy(
            f"`@approval` must name teams by letters, digits, `.`, `_` and `-`, at most 64: `{name}` is not one"
        )
    return name

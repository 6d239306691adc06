"""Faults that somebody ordered. One rule: which call meets which fault follows from the order and the sequence of calls."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from triskel.local.simulator.refusal import malformed

FAULTS_AT_MOST = 100


class FaultKind(StrEnum):
    """What goes wrong."""

    DOWN = "down"
    """The connection closes without an answer."""
    REFUSE = "refuse"
    """No connection is accepted and all are closed, for `duration_ms`, which it needs; of a whole cloud only."""
    STATUS = "status"
    """An error with `status`, and with `retry-after` where `retry_after_s` is given."""
    SLOW = "slow"
    """The first token, or the whole answer, comes `delay_ms` late."""
    HANG = "hang"
    """No answer ever, not even a status; the connection stays open."""
    DROP = "drop"
    """The connection closes behind `after_frames` tokens of a stream, or in the middle of a whole answer."""
    STALL = "stall"
    """As `drop`, but the connection stays open and nothing more comes."""
    CUT = "cut"
    """A stream ends as if it were complete behind `after_frames` tokens: no finish reason, no [DONE]."""
    GARBAGE = "garbage"
    """Behind `after_frames` tokens, or instead of a whole answer, comes what is no JSON. The status is 200."""
    ERROR_EVENT = "error_event"
    """Behind `after_frames` tokens of a stream comes an error object as an event, then the end; else a 500."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One order.

    It meets the calls to `deployment` (a name of the catalog), or all of the cloud where none is given: the next `count` of
    them, or those of the next `duration_ms`, whichever ends first; without both, all until it is deleted.
    """

    kind: FaultKind
    deployment: str | None = None
    count: int | None = None
    duration_ms: int | None = None
    status: int = 503
    retry_after_s: int | None = None
    delay_ms: int = 1000
    after_frames: int = 0


class StandingFault:
    """A fault and how much of it is left."""

    __slots__ = ("fault", "left", "met", "until_s")

    def __init__(self, fault: Fault, now_s: float) -> None:
        self.fault = fault
        self.left = fault.count
        self.until_s = None if fault.duration_ms is None else now_s + fault.duration_ms / 1000
        self.met = 0

    def is_over(self, now_s: float) -> bool:
        """Whether it meets no more calls."""
        return self.left == 0 or (self.until_s is not None and now_s >= self.until_s)


class FaultBoard:
    """The standing faults of a cloud, in the order in which they were given; the first that fits meets a call."""

    def __init__(self) -> None:
        self.standing: list[StandingFault] = []

    def replace(self, faults: Sequence[Fault], now_s: float) -> None:
        """These faults and no others."""
        self.standing = [StandingFault(fault, now_s) for fault in faults]

    def add(self, faults: Sequence[Fault], now_s: float) -> None:
        """These faults behind the ones that stand. Raises Refusal where they become too many."""
        self.forget_over(now_s)
        if len(self.standing) + len(faults) > FAULTS_AT_MOST:
            raise malformed(f"At most {FAULTS_AT_MOST} faults can stand.", "faults")
        self.standing += [StandingFault(fault, now_s) for fault in faults]

    def take(self, deployment: str, now_s: float) -> Fault | None:
        """The fault that meets the next call to `deployment`, counted."""
        self.forget_over(now_s)
        for standing in self.standing:
            if standing.fault.deployment in (None, deployment):
                standing.met += 1
                if standing.left is not None:
                    standing.left -= 1
                return standing.fault
        return None

    def of_whole_cloud(self, now_s: float) -> Fault | None:
        """The fault that also meets what is no model call: one of the whole cloud and not counted in calls."""
        self.forget_over(now_s)
        return next((one.fault for one in self.standing if one.fault.deployment is None and one.fault.count is None), None)

    def listed(self, now_s: float) -> list[dict[str, Any]]:
        """The faults that stand, each with `met` calls and what is left."""
        self.forget_over(now_s)
        return [
            {
                **msgspec.to_builtins(one.fault),
                "met": one.met,
                "left": one.left,
                "left_ms": None if one.until_s is None else round((one.until_s - now_s) * 1000),
            }
            for one in self.standing
        ]

    def forget_over(self, now_s: float) -> None:
        """Drop what meets no more calls."""
        if any(one.is_over(now_s) for one in self.standing):
            self.standing = [one for one in self.standing if not one.is_over(now_s)]


def read_faults(body: bytes, deployments: frozenset[str]) -> tuple[Fault, ...]:
    """The faults in an order: `{"faults": [...]}` or one fault alone. Raises Refusal."""
    try:
        document = msgspec.json.decode(body)
        items = document["faults"] if isinstance(document, dict) and "faults" in document else [document]
        faults = msgspec.convert(items, tuple[Fault, ...])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise malformed(f"This is no order of faults: {error}.", "faults") from error
    if len(faults) > FAULTS_AT_MOST:
        raise malformed(f"At most {FAULTS_AT_MOST} faults can stand.", "faults")
    for fault in faults:
        _check(fault, deployments)
    return faults


def _check(fault: Fault, deployments: frozenset[str]) -> None:
    if fault.deployment is not None and fault.deployment not in deployments:
        raise malformed(f"This cloud has no deployment `{fault.deployment}`.", "deployment")
    if not 400 <= fault.status <= 599:
        raise malformed("`status` must be from 400 to 599.", "status")
    for name in ("count", "duration_ms", "retry_after_s", "delay_ms", "after_frames"):
        value = getattr(fault, name)
        if value is not None and not 0 <= value <= 1_000_000_000:
            raise malformed(f"`{name}` must not be negative or huge.", name)
    if fault.kind is FaultKind.REFUSE and (fault.deployment is not None or fault.duration_ms is None or fault.count is not None):
        raise malformed("`refuse` is of a whole cloud, with `duration_ms` and without `count`.", "duration_ms")

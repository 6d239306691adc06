"""How deployments are doing, learnt from what attempts at them taught. Its one rule: no state is for ever.

Pure: everything happens at a moment that the caller names, and chance comes from outside. Each deployment has

- an expected time to the first token and a share of faults, both weighted by age (they halve every `half_life_ms`) and
  drawn towards the catalog's expectation, so that what is not measured any more is forgotten and tried again;
- a breaker: closed, open (nobody is sent there), half open (one call at a time is, as a probe). It opens after
  `consecutive_faults`, or when of enough recent calls too large a share failed; a probe that succeeds closes it, one
  that fails opens it for twice as long;
- a time until which it is set aside, because it said that it has no room (429, Retry-After). That is not a fault.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log

from triskel.model.route import AttemptOutcome, Deployment, HealthSignal
from triskel.model.units import DurationMs, Permille


class Breaker(StrEnum):
    """Whether calls are sent: all, none, or one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRules:
    """When to stop, and for how long.

    An open breaker stays open for `open_ms`, twice that after each probe that fails, at most `max_open_ms`; a random
    part of up to `jitter_permille` is added, so that instances do not come back together. A probe whose end is never
    heard of is given up after `probe_ttl_ms`, which should be longer than an attempt may take. A provider that has no
    room and says no time is set aside like a breaker is opened, from `throttle_ms` up; no word of a provider sets it
    aside for more than `max_aside_ms`.
    """

    consecutive_faults: int = 5
    fault_share_permille: int = 500
    fault_share_calls: int = 10
    open_ms: DurationMs = DurationMs(1_000)
    max_open_ms: DurationMs = DurationMs(30_000)
    jitter_permille: int = 500
    probe_ttl_ms: DurationMs = DurationMs(60_000)
    throttle_ms: DurationMs = DurationMs(1_000)
    max_aside_ms: DurationMs = DurationMs(120_000)
    half_life_ms: DurationMs = DurationMs(30_000)


DEFAULT_RULES = HealthRules()

_FORGOTTEN_HALF_LIVES = 10
"""A signal that is older teaches nothing: it would weigh less than a thousandth."""

_SLACK_MS = 10
"""How much earlier an attempt may seem to have begun than it did: its end and its length are read from two clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """How one deployment is doing. `first_token_ms` is what to expect; `measured` is how many recent calls say so."""

    deployment: str
    breaker: Breaker
    wait_ms: DurationMs
    first_token_ms: int
    measured: int
    fault_share: Permille


class _Track:
    """What is known of one deployment. Counts and sums are weighted by age, as of `at_ms`."""

    __slots__ = (
        "aside_until_ms",
        "at_ms",
        "calls",
        "consecutive_faults",
        "faults",
        "latency_sum",
        "latency_weight",
        "open_until_ms",
        "opened",
        "prior_ms",
        "probe_until_ms",
        "throttled",
    )

    def __init__(self, prior_ms: int) -> None:
        self.prior_ms = prior_ms
        self.at_ms = 0
        self.calls = self.faults = self.latency_sum = self.latency_weight = 0.0
        self.consecutive_faults = 0
        self.opened = 0  # how often in a row; 0 is closed
        self.open_until_ms = 0
        self.probe_until_ms = 0
        self.throttled = 0  # how often in a row
        self.aside_until_ms = 0


class Health:
    """Knows the deployments that it was made for; of others it learns nothing, so it cannot grow."""

    def __init__(
        self, deployments: Iterable[Deployment], fraction: Callable[[], float], rules: HealthRules = DEFAULT_RULES
    ) -> None:
        """`fraction` gives numbers in [0, 1), for jitter: `Ids.fraction`."""
        self._tracks = {d.name: _Track(d.first_token_ms) for d in deployments}
        self._fraction = fraction
        self._rules = rules
        self._decay_per_ms = log(2) / rules.half_life_ms
        self._longest_open_ms = rules.max_open_ms * (1_000 + rules.jitter_permille) // 1_000
        self._longest_aside_ms = max(rules.max_aside_ms, self._longest_open_ms)
        self._unwell: set[str] = set()

    @property
    def unwell(self) -> AbstractSet[str]:
        """The deployments that may have to wait: every one for which `wait_ms` is not 0 is among them."""
        return self._unwell

    def observe(self, signal: HealthSignal, now_ms: int | None = None) -> None:
        """Learn from an attempt, here or on another instance.

        For signals of other instances pass `now_ms`: their clocks may be ahead, what is too old to matter is dropped,
        and they are not about this instance's probe. `latency_ms` is taken for the time that the attempt took so far.
        """
        track = self._tracks.get(signal.deployment)
        if track is None:
            return
        at_ms = signal.at_ms
        if now_ms is not None:
            at_ms = min(at_ms, now_ms)
            if now_ms - at_ms > self._rules.half_life_ms * _FORGOTTEN_HALF_LIVES:
                return
        outcome = signal.outcome
        if outcome is AttemptOutcome.OK:
            self._record(track, at_ms, 0, signal.latency_ms)
            self._succeeded(track, signal.deployment, at_ms)
        elif outcome is AttemptOutcome.FAULT or outcome is AttemptOutcome.TIMEOUT:
            # A timeout says how long is not enough; a refused connection is quick, and says nothing of speed.
            self._record(track, at_ms, 1, signal.latency_ms if outcome is AttemptOutcome.TIMEOUT else None)
            self._failed(track, signal, at_ms)
        else:
            # Neither proves nor disproves that it can answer. Was it the probe, then the next caller's call is.
            if now_ms is None and self._is_probe(track, at_ms - signal.latency_ms):
                track.probe_until_ms = 0
            if outcome is AttemptOutcome.THROTTLED:
                self._set_aside(track, signal, at_ms)

    def wait_ms(self, deployment: str, now_ms: int) -> int:
        """Milliseconds until a call may be sent, 0 for now. While a probe is out, at most a second: it may end."""
        track = self._tracks[deployment]
        wait_ms = 0
        if track.opened:
            wait_ms = self._left(track.open_until_ms, now_ms, self._longest_open_ms)
            if not wait_ms:
                wait_ms = min(1_000, self._left(track.probe_until_ms, now_ms, self._rules.probe_ttl_ms))
        if track.aside_until_ms:
            wait_ms = max(wait_ms, self._left(track.aside_until_ms, now_ms, self._longest_aside_ms))
        if not wait_ms and not track.opened:
            track.aside_until_ms = 0
            self._unwell.discard(deployment)
        return wait_ms

    def try_probe(self, deployment: str, now_ms: int) -> bool:
        """Whether a call may be sent now. To be asked directly before sending, and then heeded.

        Always, while the breaker is closed and nothing is set aside. Where it is half open, for one caller, until the
        outcome of its attempt is observed; a caller that does not send after all lets a CANCELLED signal be observed.
        """
        if deployment not in self._unwell:
            return True
        if self.wait_ms(deployment, now_ms):
            return False
        track = self._tracks[deployment]
        if track.opened:
            track.probe_until_ms = now_ms + self._rules.probe_ttl_ms
        return True

    def expected_ms(self, deployment: str, now_ms: int) -> float:
        """The time to the first token to reckon with, in milliseconds.

        The age-weighted mean with the catalog's expectation as one more measurement of now, longer by what faults cost:
        where a share f of the attempts fails, an answer takes 1 / (1 - f) of them.
        """
        track = self._tracks[deployment]
        if not track.calls:
            return track.prior_ms
        age_ms = now_ms - track.at_ms
        weight = exp(-self._decay_per_ms * age_ms) if age_ms > 0 else 1.0
        mean_ms = (track.latency_sum * weight + track.prior_ms) / (track.latency_weight * weight + 1.0)
        # With one success of now added, so that the share is never 1.
        return mean_ms / (1.0 - track.faults * weight / (track.calls * weight + 1.0))

    def state(self, deployment: str, now_ms: int) -> HealthState:
        """Everything about one deployment, to be shown. Raises KeyError for one that it was not made for."""
        track = self._tracks[deployment]
        age_ms = max(0, now_ms - track.at_ms)
        weight = exp(-self._decay_per_ms * age_ms)
        breaker = Breaker.CLOSED
        if track.opened:
            is_open = self._left(track.open_until_ms, now_ms, self._longest_open_ms)
            breaker = Breaker.OPEN if is_open else Breaker.HALF_OPEN
        return HealthState(
            deployment=deployment,
            breaker=breaker,
            wait_ms=DurationMs(self.wait_ms(deployment, now_ms)),
            first_token_ms=round((track.latency_sum * weight + track.prior_ms) / (track.latency_weight * weight + 1.0)),
            measured=round(track.calls * weight),
            fault_share=Permille(round(1_000 * track.faults / track.calls) if track.calls else 0),
        )

    def _record(self, track: _Track, at_ms: int, fault: int, latency_ms: int | None) -> None:
        age_ms = track.at_ms - at_ms
        if age_ms > self._rules.half_life_ms * _FORGOTTEN_HALF_LIVES:
            age_ms = -age_ms  # the clock was set back: what was known is of no known age
        weight = 1.0
        if age_ms > 0:
            weight = exp(-self._decay_per_ms * age_ms)
        else:
            keep = exp(self._decay_per_ms * age_ms)
            track.calls *= keep
            track.faults *= keep
            track.latency_sum *= keep
            track.latency_weight *= keep
            track.at_ms = at_ms
        track.calls += weight
        track.faults += weight * fault
        if latency_ms is not None:
            track.latency_sum += weight * max(0, latency_ms)
            track.latency_weight += weight

    def _succeeded(self, track: _Track, name: str, at_ms: int) -> None:
        track.consecutive_faults = track.throttled = 0
        # A late success of a call from before it opened does not cut the open time short.
        if track.opened and not self._left(track.open_until_ms, at_ms, self._longest_open_ms):
            track.opened = track.probe_until_ms = 0
            track.faults, track.calls = 0.0, 1.0
            self.wait_ms(name, at_ms)

    def _failed(self, track: _Track, signal: HealthSignal, at_ms: int) -> None:
        rules = self._rules
        track.consecutive_faults += 1
        if not track.opened:
            often = track.calls >= rules.fault_share_calls and track.faults * 1_000 >= track.calls * rules.fault_share_permille
            if track.consecutive_faults < rules.consecutive_faults and not often:
                return
        elif self._left(track.open_until_ms, at_ms, self._longest_open_ms):
            return
        elif at_ms - signal.latency_ms + _SLACK_MS < track.open_until_ms:
            return  # half open, but this is the late end of a call from before it opened
        track.open_until_ms = at_ms + self._backed_off(rules.open_ms, track.opened)
        track.opened += 1
        track.probe_until_ms = 0
        self._unwell.add(signal.deployment)

    def _set_aside(self, track: _Track, signal: HealthSignal, at_ms: int) -> None:
        if signal.retry_after_ms > 0:
            aside_ms = min(signal.retry_after_ms, self._rules.max_aside_ms)
        else:
            aside_ms = self._backed_off(self._rules.throttle_ms, track.throttled)
        track.throttled += 1
        track.aside_until_ms = max(track.aside_until_ms, at_ms + aside_ms)
        self._unwell.add(signal.deployment)

    def _backed_off(self, first_ms: int, times: int) -> int:
        """`first_ms`, doubled for each of `times`, bounded, with jitter."""
        base_ms = min(first_ms << min(times, 30), self._rules.max_open_ms)
        return base_ms + int(base_ms * self._rules.jitter_permille * self._fraction() / 1_000)

    def _is_probe(self, track: _Track, begun_at_ms: int) -> bool:
        return begun_at_ms + _SLACK_MS >= track.probe_until_ms - self._rules.probe_ttl_ms

    @staticmethod
    def _left(until_ms: int, now_ms: int, longest_ms: int) -> int:
        """What is left of a wait. More than it can have been at first means that the clock was set back: it is over."""
        left_ms = until_ms - now_ms
        return left_ms if 0 < left_ms <= longest_ms else 0

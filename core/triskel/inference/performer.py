"""The performer of model calls: rank, encode, authorize, send, decode.

Its one rule: until the first frame of content has come, the next candidate may be tried; after it, never.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from triskel.errors import NoCapacity, Retry, UpstreamError, UpstreamThrottled
from triskel.inference.attempt import OUTCOMES, ModelPerformance, Providers, Timeouts, Try
from triskel.model.call import Call
from triskel.model.route import Attempt, AttemptOutcome, Deployment, HealthSignal
from triskel.model.units import MicroUsd, Tokens
from triskel.ports.clock import Clock
from triskel.ports.hot import HealthBoard
from triskel.ports.performer import Quote
from triskel.ports.telemetry import Meter
from triskel.providers.chat import max_output_tokens, needed_capabilities
from triskel.routing.candidates import Need, available, feasible
from triskel.routing.health import Health
from triskel.routing.ranking import rank
from triskel.routing.tokens import estimated_tokens, upper_bound_tokens

MAX_UNSHARED_SIGNALS = 1_000

DEFAULT_OUTPUT_TOKENS = 1024
"""What an answer is taken to need, for ranking, where the caller sets no bound."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a quote found out, so that performing need not find it out again."""

    candidates: tuple[Deployment, ...]
    input_tokens: int
    output_tokens: int


class Inference:
    """Performs chats. Stateless but for what `health` has learnt."""

    def __init__(
        self,
        providers: Providers,
        *,
        health: Health,
        timeouts: Timeouts,
        clock: Clock,
        meter: Meter,
        instance: str,
    ) -> None:
        """`instance` names this life of this process among the others."""
        self.instance = instance
        self.providers = providers
        self._health = health
        self.timeouts = timeouts
        self.clock = clock
        self.meter = meter
        self._unshared: deque[HealthSignal] = deque(maxlen=MAX_UNSHARED_SIGNALS)
        self._read_until_ms: int = clock.now_ms()

    def quote(self, call: Call) -> Quote:
        """The dearest candidate's price for the most that the call can use. Raises ModelNotFound or InvalidRequest."""
        input_tokens = estimated_tokens(call.parts)
        input_bound = upper_bound_tokens(call.parts)
        asked = max_output_tokens(call.payload)
        need = Need(
            model=call.target.name,
            capabilities=needed_capabilities(call.payload),
            input_tokens=input_tokens,
            max_output=asked,
        )
        candidates = feasible(self.providers.catalog, need)
        replies = call.payload.get("n") or 1
        cost_bound = sunk_cost = most_output = 0
        for deployment in candidates:
            output = (asked or deployment.max_output) * replies
            most_output = max(most_output, output)
            cost_bound = max(cost_bound, deployment.price.bound(input_bound, output))
            sunk_cost = max(sunk_cost, deployment.price.bound(input_tokens, 0))
        plan = _Plan(candidates, input_tokens, min(asked or DEFAULT_OUTPUT_TOKENS, DEFAULT_OUTPUT_TOKENS))
        return Quote(
            cost_bound=MicroUsd(cost_bound),
            tokens_bound=Tokens(input_bound + most_output),
            input_tokens=input_tokens,
            sunk_cost=MicroUsd(sunk_cost),
            clouds=frozenset([deployment.cloud.value for deployment in candidates]),
            plan=plan,
        )

    async def perform(self, call: Call, quote: Quote) -> "ModelPerformance":
        """Try the candidates in order until one answers.

        Raises UpstreamError with every attempt: the last one's own where one was left, NoCapacity where all are full.
        """
        plan: _Plan = quote.plan
        attempts: list[Attempt] = []
        errors: list[UpstreamError] = []
        now_ms = self.clock.now_ms()
        ready = available(plan.candidates, self._health, now_ms)
        if len(ready) > 1:
            ranked = rank(ready, self._health, now_ms, input_tokens=plan.input_tokens, output_tokens=plan.output_tokens)
            ready = [row[4] for row in ranked]
        for deployment in ready:
            if not self._health.try_probe(deployment.name, self.clock.now_ms()):
                continue
            attempt = Try(self, call, deployment)
            try:
                performance = await attempt.begin()
            except UpstreamError as error:
                attempts.append(attempt.ended(OUTCOMES.get(type(error), AttemptOutcome.FAULT), error))
                error.attempts = tuple(attempts)
                if error.retry is not Retry.ELSEWHERE or self.clock.now_ms() >= call.deadline_ms:
                    raise
                errors.append(error)
                continue
            except BaseException:
                attempt.ended(AttemptOutcome.CANCELLED)
                raise
            attempts.append(attempt.ended(AttemptOutcome.OK))
            performance.attempts = tuple(attempts)
            return performance
        raise self._exhausted(errors, tuple(attempts), plan)

    def _exhausted(self, errors: Sequence[UpstreamError], attempts: tuple[Attempt, ...], plan: _Plan) -> UpstreamError:
        """What to tell the caller when nobody is left."""
        if errors and not all(isinstance(error, UpstreamThrottled) for error in errors):
            last_fault = next(error for error in reversed(errors) if not isinstance(error, UpstreamThrottled))
            last_fault.attempts = attempts
            return last_fault
        now_ms = self.clock.now_ms()
        waits = [self._health.wait_ms(deployment.name, now_ms) for deployment in plan.candidates]
        error = NoCapacity(
            f"none of {len(plan.candidates)} deployments that could answer has room now",
            retry_after_ms=min((wait for wait in waits if wait > 0), default=1_000),
        )
        error.attempts = attempts
        return error

    def check(self) -> None:
        """Return if at least one deployment may be tried now. Raises NoCapacity."""
        deployments = self.providers.catalog.deployments
        if not deployments:
            raise NoCapacity("the catalog holds no deployment")
        available(deployments, self._health, self.clock.now_ms())

    def observe(self, signal: HealthSignal) -> None:
        """Learn from one attempt, and keep it for the other instances."""
        self._health.observe(signal)
        self._unshared.append(signal)

    async def share_signals(self, board: HealthBoard) -> None:
        """Tell the other instances what was learnt here, and learn what they did. Called now and then, never by a call."""
        mine = tuple(self._unshared)
        self._unshared.clear()
        if mine:
            await board.post(mine)
        for signal in await board.signals(self._read_until_ms):
            self._read_until_ms = max(self._read_until_ms, signal.at_ms)
            if signal.instance != self.instance:
                self._health.observe(signal, self.clock.now_ms())

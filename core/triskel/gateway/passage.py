"""One call on its way through the gate. Its one rule: what was opened is closed and what was reserved is given back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from triskel.audit.record import Intent, Outcome
from triskel.audit.writer import AuditWriter, Opened
from triskel.errors import ApprovalRequired, PolicyDenied, TriskelError, Unavailable, UpstreamError
from triskel.model.admission import Admission, Limit, Reservation, Settlement
from triskel.model.call import Call
from triskel.model.decision import Decision, Verdict
from triskel.model.principal import Principal
from triskel.model.route import Attempt, AttemptOutcome
from triskel.model.units import CHARACTERS_PER_TOKEN, DurationMs, MicroUsd, Tokens
from triskel.model.usage import Usage
from triskel.policy.guard import NOTHING_INSPECTED, Guard
from triskel.policy.output import MAX_KEPT_CHARACTERS, OutputGate
from triskel.ports.clock import Clock
from triskel.ports.hot import AdmissionControl
from triskel.ports.ids import Ids
from triskel.ports.performer import Performance, Performer, Quote
from triskel.ports.telemetry import CallLog, Meter, Span, Tracer

_log = logging.getLogger("triskel.gateway")

SETTLE_GRACE_MS = 30_000
"""How long a reservation outlives its call's deadline, so that a slow settlement still finds it."""

NO_USAGE = Usage()
NO_QUOTE = Quote(cost_bound=MicroUsd(0), tokens_bound=Tokens(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """What the gateway is made of."""

    guard: Guard
    admission: AdmissionControl
    limits: Callable[[Principal], tuple[Limit, ...]]
    audit: AuditWriter
    clock: Clock
    ids: Ids
    meter: Meter
    tracer: Tracer
    call_log: CallLog | None = None


class Passage:
    """One call on its way through the gate, and what must be undone or closed when it ends."""

    def __init__(self, gates: Gates, call: Call, traceparent: str | None) -> None:
        self.call = call
        self.audit_id = gates.ids.new("aud")
        self.quote = NO_QUOTE
        self.inspection = NOTHING_INSPECTED
        self.cost = MicroUsd(0)
        self.span: Span = gates.tracer.start(f"{call.action} {call.target.name}", traceparent)
        self._gates = gates
        self._started_ns = gates.clock.monotonic_ns()
        self._input_decision: Decision | None = None
        self._output: OutputGate | None = None
        self._reservation: Reservation | None = None
        self._opened: Opened | None = None
        self._ended = False
        self._usage: Usage | None = None
        self._route = ""
        self._attempts: tuple[Attempt, ...] = ()

    @property
    def decision(self) -> Decision:
        """The strictest decision so far."""
        if self._output is not None:
            return self._output.decision
        if self._input_decision is None:  # pragma: no cover - authorize comes before anything that asks
            raise AssertionError("nothing was decided yet")
        return self._input_decision

    async def enter(self, performer: Performer) -> Quote:
        """Everything before the effect."""
        self.decide(performer)
        await self.admit()
        self._opened = await self._gates.audit.open(self._intent())
        self.span.event("intent recorded")
        self._output = self._gates.guard.output(self.call, self.decision)
        return self.quote

    def decide(self, performer: Performer | None) -> None:
        """Authorize, scan, evaluate; edit the call as the decision obliges. Raises PolicyDenied or ApprovalRequired."""
        guard = self._gates.guard
        denial = guard.authorize(self.call)
        if denial is not None:
            self._input_decision = denial
            self._enforce()
        self.inspection = guard.inspect(self.call)
        if performer is not None:
            self.quote = performer.quote(self.call)
        self._input_decision = guard.decide(self.call, self.inspection, self.quote)
        self._enforce()
        self.call = guard.redact(self.call, self.inspection, self._input_decision)
        self.span.event("decided")

    def _enforce(self) -> None:
        decision = self.decision
        if decision.verdict is Verdict.DENY:
            raise denied(decision, self.audit_id)
        if decision.verdict is Verdict.NEEDS_APPROVAL:
            raise ApprovalRequired(
                f"this call needs the approval of {' and '.join(decision.approval_teams)}",
                decision_id=decision.decision_id,
                policy_ids=decision.policy_ids,
                audit_id=self.audit_id,
            )

    async def admit(self) -> None:
        """Reserve everything the call may use. Raises RateLimited, BudgetExceeded or Unavailable."""
        call, now_ms = self.call, self._gates.clock.now_ms()
        self._reservation = await self._gates.admission.admit(
            Admission(
                tenant_id=call.principal.tenant_id,
                call_id=call.call_id,
                limits=self._gates.limits(call.principal),
                cost_bound=self.quote.cost_bound,
                tokens_bound=self.quote.tokens_bound,
                at_ms=now_ms,
                ttl_ms=DurationMs(max(call.deadline_ms - now_ms, 0) + SETTLE_GRACE_MS),
            )
        )
        self.span.event("admitted")

    async def chunks(self, performance: Performance) -> AsyncIterator[bytes]:
        """What may pass of the reply. The call is closed before its last chunk is handed over."""
        output = self._output
        if output is None:  # pragma: no cover - enter() has made it
            raise AssertionError("not entered")
        self._route, self._attempts = performance.route, performance.attempts
        try:
            async for frame in performance.frames():
                if frame.usage is not None:
                    self._usage = frame.usage
                passed = output.admit(frame)
                if "" in frame.ends:
                    self.cost = performance.cost(self._used(output))
                    await performance.aclose()
                    await self.end("ok")
                for each in passed:
                    if each.body:
                        yield each.body
        except TriskelError as error:
            self.cost = performance.cost(self._used(output))
            await performance.aclose()
            await self.end(outcome_of(error), error)
            raise
        except BaseException:
            await asyncio.shield(performance.aclose())
            raise

    def _used(self, output: OutputGate) -> Usage:
        """What the provider says was used, or an estimate where it did not come to say it."""
        if self._usage is None:
            self._usage = Usage(
                input_tokens=self.quote.input_tokens,
                output_tokens=Tokens(-(-output.characters // CHARACTERS_PER_TOKEN)),
                estimated=True,
            )
        return self._usage

    async def abandon(self, performance: Performance) -> None:
        """The caller takes no more."""
        await performance.aclose()
        if not self._ended and self._output is not None:
            self.cost = performance.cost(self._used(self._output))
            await asyncio.shield(self.end("cancelled"))

    async def end(self, outcome: str, error: TriskelError | None = None, *, proof_needed: bool = False) -> None:
        """Close the record, settle or release what was reserved, count the call. A second time is a no-op.

        Raises Unavailable only where `proof_needed`: elsewhere the effect is done, or the call is refused anyway, and an
        intent that cannot be closed is reported as open by every verification.
        """
        if self._ended:
            return
        self._ended = True
        if isinstance(error, UpstreamError) and error.attempts:
            self._attempts = error.attempts
        if self._opened is not None and self._usage is None and outcome != "ok" and self._was_sent(outcome):
            self.cost = max(self.cost, self.quote.sunk_cost)
        latency_ns = self._gates.clock.monotonic_ns() - self._started_ns
        try:
            await self._record(outcome, latency_ns // 1_000_000)
        except Unavailable as failure:
            _log.error("the record of a call could not be closed", extra={"audit_id": self.audit_id, "reason": failure.message})
            if proof_needed:
                raise
        finally:
            await self._settle(outcome)
            self._count(outcome, latency_ns)

    def _was_sent(self, outcome: str) -> bool:
        """Whether a provider may have begun to work, though nothing came of it."""
        return outcome == "cancelled" or any(attempt.outcome is AttemptOutcome.TIMEOUT for attempt in self._attempts)

    async def _record(self, outcome: str, latency_ms: int) -> None:
        output = self._output
        record = Outcome(
            closed_at_ms=self._gates.clock.now_ms(),
            outcome=outcome,
            decision=None if output is None or output.decision is self._input_decision else output.decision,
            findings=() if output is None else output.findings,
            route=self._route,
            attempts=self._attempts,
            usage=self._usage or NO_USAGE,
            cost_micro_usd=self.cost,
            latency_ms=latency_ms,
            response_hash="" if output is None else output.fingerprint(),
            content=None if output is None else self._content(output),
        )
        if self._opened is not None:
            await self._gates.audit.close(self._opened, record)
        else:
            await self._gates.audit.refuse(self._intent(), record)

    def _content(self, output: OutputGate) -> dict[str, dict[str, str]] | None:
        """The texts as they passed, redacted, where policy wants them on record."""
        if output.kept is None:
            return None
        request: dict[str, str] = {}
        room = MAX_KEPT_CHARACTERS
        for part in self.call.parts:
            request[".".join(map(str, part.path))] = part.text[:room]
            room = max(0, room - len(part.text))
        return {"request": request, "response": output.kept}

    def _intent(self) -> Intent:
        call, guard = self.call, self._gates.guard
        return Intent(
            audit_id=self.audit_id,
            call_id=call.call_id,
            principal=call.principal,
            surface=call.surface,
            kind=call.kind,
            action=call.action,
            target=call.target,
            effect_key=call.effect_key,
            opened_at_ms=call.received_at_ms,
            deadline_ms=call.deadline_ms,
            decision=self._input_decision or guard.undecided(call),
            request_hash=self.inspection.request_hash,
            findings=self.inspection.findings,
            token_estimate=self.quote.tokens_bound,
            cost_estimate=self.quote.cost_bound,
            clouds=tuple(sorted(self.quote.clouds)),
        )

    async def _settle(self, outcome: str) -> None:
        """A hot store that is away must not spoil an answer: reservations lapse by themselves."""
        if self._reservation is None:
            return
        try:
            if self.cost or self._usage is not None or outcome in ("ok", "checked"):
                settlement = Settlement(usage=self._usage or NO_USAGE, cost=self.cost, at_ms=self._gates.clock.now_ms())
                await self._gates.admission.settle(self._reservation, settlement)
            else:
                await self._gates.admission.release(self._reservation)
        except Unavailable as failure:
            _log.warning("a reservation was left to lapse", extra={"audit_id": self.audit_id, "reason": failure.message})

    def _count(self, outcome: str, latency_ns: int) -> None:
        gates, usage = self._gates, self._usage or NO_USAGE
        verdict = self.decision.verdict if self._input_decision is not None else ""
        gates.meter.call_ended(
            surface=self.call.surface,
            outcome=outcome,
            verdict=verdict,
            route=self._route,
            latency_ms=latency_ns / 1e6,
            cost_micro_usd=self.cost,
            tokens=usage.input_tokens + usage.output_tokens,
        )
        if gates.tracer.enabled:
            self.span.end(self._attributes(usage, verdict), None if outcome in ("ok", "checked") else outcome)
        if gates.call_log is not None:
            gates.call_log.write(
                {
                    "time_ms": gates.clock.now_ms(),
                    "level": "info",
                    "logger": "triskel.calls",
                    "message": "call",
                    "request_id": self.call.call_id,
                    "audit_id": self.audit_id,
                    "tenant": self.call.principal.tenant_id,
                    "outcome": outcome,
                    "decision": verdict,
                    "route": self._route,
                    "latency_ms": latency_ns // 10_000 / 100,
                }
            )

    def _attributes(self, usage: Usage, verdict: str) -> dict[str, str | int]:
        """https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/"""
        return {
            "gen_ai.operation.name": self.call.action.value,
            "gen_ai.request.model": self.call.target.name,
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "triskel.call_id": self.call.call_id,
            "triskel.audit_id": self.audit_id,
            "triskel.tenant": self.call.principal.tenant_id,
            "triskel.decision": verdict,
            "triskel.route": self._route,
            "triskel.cost_micro_usd": self.cost,
        }


def denied(decision: Decision, audit_id: str) -> PolicyDenied:
    """The error of a denied call: which policies, and never what they matched."""
    because = f" by {', '.join(decision.policy_ids)}" if decision.policy_ids else ": no policy permits it"
    return PolicyDenied(f"denied{because}", decision_id=decision.decision_id, policy_ids=decision.policy_ids, audit_id=audit_id)


def outcome_of(error: TriskelError) -> str:
    """What the record of a call says that ended in `error`."""
    if isinstance(error, PolicyDenied):
        return "denied"
    if isinstance(error, ApprovalRequired):
        return "needs_approval"
    return f"error:{error.code}"

"""The gate: one call, top to bottom, whatever its kind.

    authorize → scan → decide → admit → intent → perform → scan the output → close → settle

Every step of a plan, every tool call and every message between agents goes through `Gateway.answer`, as does every call
that came in by HTTP. Its one rule: what was reserved is given back and what was opened is closed, on every way out.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from triskel.errors import ApprovalRequired, PolicyDenied, TriskelError
from triskel.gateway.passage import Gates, Passage, outcome_of
from triskel.model.call import Call
from triskel.model.decision import Decision, Verdict
from triskel.model.units import MicroUsd
from triskel.policy.guard import Inspection
from triskel.ports.performer import Performance, Performer


class Answer:
    """An admitted call's reply. `body` is all of it, or None where it comes as a stream of `chunks()`.

    `cost` and `usage` are final once the last chunk has been taken. A stream must be closed, read to its end or not.
    """

    def __init__(self, passage: Passage, performance: Performance, body: bytes | None) -> None:
        self._passage = passage
        self._performance = performance
        self.body = body
        self.content_type = performance.content_type
        self.route = performance.route
        self.audit_id = passage.audit_id
        self.cost_bound = passage.quote.cost_bound

    @property
    def decision(self) -> Decision:
        """The strictest decision so far: of the input, and of the output as far as it has come."""
        return self._passage.decision

    @property
    def cost(self) -> MicroUsd:
        """Micro-dollars."""
        return self._passage.cost

    def chunks(self) -> AsyncIterator[bytes]:
        """The stream. Raises UpstreamError where it breaks off and PolicyDenied where policy stops it."""
        return self._passage.chunks(self._performance)

    async def aclose(self) -> None:
        """End the call. Where chunks were left, it is recorded as cancelled and the provider is told."""
        await self._passage.abandon(self._performance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the gate would do with a call, for a caller that performs it on its own. `call` is as edited by the decision."""

    call: Call
    decision: Decision
    inspection: Inspection
    audit_id: str

    @property
    def passes(self) -> bool:
        """Whether the call, as edited, may be performed."""
        return self.decision.verdict not in (Verdict.DENY, Verdict.NEEDS_APPROVAL)


class Gateway:
    """The one gate. Stateless but for its parts."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates

    async def answer(self, call: Call, performer: Performer, traceparent: str | None = None) -> Answer:
        """Perform `call` if it may be performed.

        Raises PolicyDenied, ApprovalRequired, RateLimited, BudgetExceeded, Unavailable, or what the performer raises.
        Cancelling it cancels the effect; the audit says so.
        """
        passage = Passage(self._gates, call, traceparent)
        try:
            quote = await passage.enter(performer)
            performance = await performer.perform(passage.call, quote)
            passage.span.event("performed")
            if call.stream:
                return Answer(passage, performance, None)
            body = b"".join([chunk async for chunk in passage.chunks(performance)])
            return Answer(passage, performance, body)
        except asyncio.CancelledError:
            await asyncio.shield(passage.end("cancelled"))
            raise
        except TriskelError as error:
            await passage.end(outcome_of(error), error)
            raise
        except Exception:
            await passage.end("error:internal_error")
            raise

    async def check(self, call: Call) -> Check:
        """Decide about `call` without performing it, and leave proof of the decision.

        Raises RateLimited, BudgetExceeded or Unavailable; a denial is a result here, not an error.
        """
        passage = Passage(self._gates, call, None)
        try:
            await passage.admit()
            passage.decide(None)
            await passage.end("checked", proof_needed=True)
        except (PolicyDenied, ApprovalRequired) as error:
            await passage.end(outcome_of(error), proof_needed=True)
        except asyncio.CancelledError:
            await asyncio.shield(passage.end("cancelled"))
            raise
        except TriskelError as error:
            await passage.end(outcome_of(error), error)
            raise
        return Check(call=passage.call, decision=passage.decision, inspection=passage.inspection, audit_id=passage.audit_id)

    async def permit(self, call: Call) -> None:
        """Return if policy permits a call that has no content and no effect outside. A refusal is put on record.

        Raises PolicyDenied or ApprovalRequired.
        """
        passage = Passage(self._gates, call, None)
        try:
            passage.decide(None)
        except TriskelError as error:
            await passage.end(outcome_of(error), error)
            raise

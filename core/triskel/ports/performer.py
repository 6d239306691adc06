"""What makes a call's effect happen, once the gate has let it through."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from triskel.model.call import Call
from triskel.model.frame import Frame
from triskel.model.route import Attempt
from triskel.model.units import MicroUsd, Tokens
from triskel.model.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a call may need at most, before anything is sent. `plan` is the performer's own and opaque to the gate.

    `input_tokens` is an estimate. `sunk_cost` is what is owed if the effect is broken off before its first frame.
    """

    cost_bound: MicroUsd
    tokens_bound: Tokens
    input_tokens: Tokens = Tokens(0)
    sunk_cost: MicroUsd = MicroUsd(0)
    clouds: frozenset[str] = frozenset()
    plan: Any = None


class Performance(Protocol):
    """An effect under way. Its first frame has come, so the route is final."""

    @property
    def route(self) -> str:
        """Who answers: `cloud/provider/deployment`."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every try so far, the last one being the one that answers."""

    @property
    def content_type(self) -> str:
        """Media type of the frames together, as the caller receives them."""

    def frames(self) -> AsyncIterator[Frame]:
        """The frames, the first included. Raises UpstreamError when they break off."""

    def cost(self, usage: Usage) -> MicroUsd:
        """The price of `usage` on the route taken."""

    async def aclose(self) -> None:
        """End it. Where frames are left, the effect is cancelled at its provider."""


class Performer(Protocol):
    """One kind of effect: a model, a tool, a message."""

    def quote(self, call: Call) -> Quote:
        """The most it can cost, over every candidate. Raises ModelNotFound, NoCapacity or InvalidRequest."""

    async def perform(self, call: Call, quote: Quote) -> Performance:
        """Begin the effect and wait for its first frame of content. Raises UpstreamError with `attempts`."""

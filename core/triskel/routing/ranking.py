"""In which order to try the candidates. Its one rule: how two candidates compare does not depend on who else is there.

The score of a candidate is a weighted mean of logarithms, lower being better:

    score = price_weight * ln(cost + COST_FLOOR) + latency_weight * ln(latency + LATENCY_FLOOR)

so what counts are ratios: at the default weights of 0.6 and 0.4, half the price is worth the same as a first token
that takes 2.8 times as long (2 ** (0.6 / 0.4)). No sum or maximum over the candidates enters it, so adding or removing
one never swaps two others. The floors say below what a ratio means nothing: a thousandth of a cent, and 50 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from triskel.model.route import Deployment
from triskel.routing.health import Health

COST_FLOOR = 10.0
"""Micro-dollars added to the cost of a call, so that free deployments compare too."""

LATENCY_FLOOR = 50.0
"""Milliseconds added to the expected latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What matters, in relation to each other. Only their ratio counts."""

    price: float = 0.6
    latency: float = 0.4


DEFAULT_WEIGHTS = Weights()

Ranked = tuple[float, int, float, float, Deployment]
"""A candidate's score, its place in the input (which decides between equals), its cost in micro-dollars, its expected
milliseconds to the first token, and itself. A plain tuple, because a hundred of them are made for every call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Why a candidate stands where it does, to be shown: the score is the sum of its two terms."""

    deployment: str
    route: str
    score: float
    cost_micro_usd: float
    price_term: float
    first_token_ms: float
    latency_term: float


def rank(
    candidates: Sequence[Deployment],
    health: Health,
    now_ms: int,
    *,
    input_tokens: int,
    output_tokens: int,
    weights: Weights = DEFAULT_WEIGHTS,
) -> list[Ranked]:
    """The candidates, best first, each with its terms. Equal scores keep their order."""
    price_weight, latency_weight = weights.price, weights.latency
    expected_ms = health.expected_ms
    ranked: list[Ranked] = []
    for place, deployment in enumerate(candidates):
        price = deployment.price
        cost = (input_tokens * price.input + output_tokens * price.output) / 1_000_000
        latency_ms = expected_ms(deployment.name, now_ms)
        score = price_weight * log(cost + COST_FLOOR) + latency_weight * log(latency_ms + LATENCY_FLOOR)
        ranked.append((score, place, cost, latency_ms, deployment))
    ranked.sort()
    return ranked


def terms(ranked: Sequence[Ranked], weights: Weights = DEFAULT_WEIGHTS) -> tuple[Terms, ...]:
    """What `rank` found, spelled out."""
    return tuple(
        Terms(
            deployment=deployment.name,
            route=deployment.route,
            score=score,
            cost_micro_usd=cost,
            price_term=weights.price * log(cost + COST_FLOOR),
            first_token_ms=latency_ms,
            latency_term=weights.latency * log(latency_ms + LATENCY_FLOOR),
        )
        for score, _, cost, latency_ms, deployment in ranked
    )

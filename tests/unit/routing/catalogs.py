"""Deployments to route between."""

from typing import Any

from triskel.model.route import AttemptOutcome, Cloud, Deployment, HealthSignal
from triskel.model.units import MicroUsd, Tokens
from triskel.model.usage import Price


def deployment(name: str, *, price: tuple[int, int] = (1_000_000, 4_000_000), **changed: Any) -> Deployment:
    """A deployment with ordinary properties; `price` is micro-dollars for a million tokens in and out."""
    row: dict[str, Any] = {
        "name": name,
        "model": "small",
        "upstream_model": "sim-small",
        "cloud": Cloud.AWS,
        "region": "eu-central-1",
        "provider": "sim",
        "schema": "openai_chat",
        "base_url": "http://127.0.0.1:1",
        "price": Price(input=MicroUsd(price[0]), output=MicroUsd(price[1])),
        "context_window": Tokens(8_000),
        "max_output": Tokens(1_000),
        "capabilities": frozenset({"chat", "tools"}),
    }
    return Deployment(**{**row, **changed})


def signal(name: str, outcome: AttemptOutcome, at_ms: int, *, latency_ms: int = 100, retry_after_ms: int = 0) -> HealthSignal:
    """What an attempt that ended at `at_ms` teaches."""
    return HealthSignal(deployment=name, outcome=outcome, latency_ms=latency_ms, at_ms=at_ms, retry_after_ms=retry_after_ms)

"""Which deployments can answer a request at all. Its one rule: when none can, the caller learns what to change.

A deployment is feasible when it can do what the request needs, holds the prompt and the answer in its context window,
may give an answer of that length, and is allowed for this call. Whether it is well is asked later, and apart: a request
that nobody can ever answer is the caller's fault, one that nobody can answer now is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from triskel.errors import InvalidRequest, NoCapacity, PolicyDenied
from triskel.model.route import Deployment
from triskel.routing.catalog import Catalog
from triskel.routing.health import Health

_FIELD_OF = {"tools": "tools", "json": "response_format", "vision": "messages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a request asks of a deployment.

    `input_tokens` is an estimate (`tokens.estimated_tokens`), not an upper bound: refusing what would have fitted is
    worse than letting a provider refuse what did not. `max_output` is the caller's own limit, None where it set none.
    `allowed` says of each deployment whether this call may go there; None allows all.
    """

    model: str
    capabilities: frozenset[str]
    input_tokens: int
    max_output: int | None = None
    allowed: Callable[[Deployment], bool] | None = None


def feasible(catalog: Catalog, need: Need) -> tuple[Deployment, ...]:
    """The deployments that could answer, at least one, in the catalog's order.

    Raises ModelNotFound for a name that the catalog does not know, InvalidRequest (with `field`) where the request asks
    too much of all that the name stands for, and PolicyDenied where none that could answer is allowed.
    """
    group = catalog.capable(need.model, need.capabilities)
    found = group.deployments
    output = 1 if need.max_output is None else need.max_output
    if need.input_tokens + output > group.least_context or output > group.least_output:
        total = need.input_tokens + output
        found = tuple(d for d in found if total <= d.context_window and output <= d.max_output)
    if not found:
        raise _infeasible(catalog, need, group.deployments, output)
    if need.allowed is not None:
        found = tuple(filter(need.allowed, found))
        if not found:
            raise PolicyDenied(f"no deployment of `{need.model}` that could answer is allowed for this call")
    return found


def available(candidates: Sequence[Deployment], health: Health, now_ms: int) -> Sequence[Deployment]:
    """Those that may be tried now, at least one, in the same order.

    Raises NoCapacity when each has an open breaker or is set aside, with the milliseconds until the first may be tried.
    """
    unwell = health.unwell
    if not unwell:
        return candidates
    ready = [d for d in candidates if d.name not in unwell or not health.wait_ms(d.name, now_ms)]
    if not ready:
        wait_ms = min((health.wait_ms(d.name, now_ms) for d in candidates), default=0)
        raise NoCapacity("no deployment that can answer is available at the moment", retry_after_ms=wait_ms)
    return ready


def _infeasible(catalog: Catalog, need: Need, able: tuple[Deployment, ...], output: int) -> InvalidRequest:
    """Why there is no candidate, in terms of the field that the caller can change."""
    if not able:
        missing = _missing(catalog, need)
        names = ", ".join(f"`{name}`" for name in missing)
        return InvalidRequest(f"`{need.model}` does not offer {names}", field=_FIELD_OF.get(missing[0], "model"))
    context = max(d.context_window for d in able)
    if need.input_tokens + 1 > context:
        return InvalidRequest(
            f"the prompt has about {need.input_tokens} tokens; `{need.model}` holds at most {context}", field="messages"
        )
    longest = max((min(d.max_output, d.context_window - need.input_tokens) for d in able), default=0)
    return InvalidRequest(
        f"an answer of {output} tokens behind a prompt of about {need.input_tokens} is more than `{need.model}` can give;"
        f" at most {longest} fit",
        field="max_tokens",
    )


def _missing(catalog: Catalog, need: Need) -> list[str]:
    """The capabilities that no deployment of the name has, or else all: no one deployment has them together."""
    offered = frozenset[str]().union(*(d.capabilities for d in catalog.named(need.model)))
    return sorted(need.capabilities - offered) or sorted(need.capabilities)

"""What can be called: deployments, by the names that callers use. Its one rule: a name means one thing.

`model` of a request is looked up as a deployment first, then as a model (all its deployments), then as `auto` (all).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from triskel.errors import ConfigurationInvalid, ModelNotFound
from triskel.model.route import Deployment

AUTO = "auto"
"""The name that leaves the choice to routing."""

CAPABILITIES = frozenset({"chat", "tools", "json", "vision", "embed"})
"""What a deployment may be able to do."""

# Names stand in headers, in the audit and between the slashes of a route.
_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}").fullmatch
_is_model = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,127}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Deployments under one name that can do the same, in the catalog's order, and the tightest of their limits.

    Whatever fits within the least of all fits each, so that most requests need no look at every deployment.
    """

    deployments: tuple[Deployment, ...]
    least_context: int
    least_output: int


class Catalog:
    """Every deployment. Never changes: a new catalog takes the place of the old one."""

    def __init__(self, deployments: Iterable[Deployment]) -> None:
        """Raises ConfigurationInvalid, naming every fault."""
        self.deployments = tuple(deployments)
        """All, in the order of the configuration."""
        faults = _faults(self.deployments)
        if faults:
            raise ConfigurationInvalid("; ".join(faults), faults=faults)
        # Later entries win: a deployment's own name goes before a model's.
        self._by_name: dict[str, tuple[Deployment, ...]] = {AUTO: self.deployments} if self.deployments else {}
        for model in sorted({d.model for d in self.deployments}):
            self._by_name[model] = tuple(d for d in self.deployments if d.model == model)
        for deployment in self.deployments:
            self._by_name[deployment.name] = (deployment,)
        self._names = tuple(self._by_name)
        # Filled as capabilities are asked for; known names times the subsets of CAPABILITIES is all that it can hold.
        self._groups: dict[tuple[str, frozenset[str]], Group] = {}

    def names(self) -> tuple[str, ...]:
        """Every name that a request may hold: `auto`, the models, the deployments. None twice."""
        return self._names

    def named(self, name: str) -> tuple[Deployment, ...]:
        """The deployments that `name` stands for, at least one. Raises ModelNotFound."""
        found = self._by_name.get(name)
        if found is None:
            raise ModelNotFound(f"there is no model or deployment `{name[:256]}`", field="model")
        return found

    def capable(self, name: str, capabilities: frozenset[str]) -> Group:
        """Those of `named` that can do all of `capabilities`, perhaps none. Raises ModelNotFound."""
        group = self._groups.get((name, capabilities))
        if group is None:
            able = tuple(d for d in self.named(name) if capabilities <= d.capabilities)
            group = Group(
                deployments=able,
                least_context=min((d.context_window for d in able), default=0),
                least_output=min((d.max_output for d in able), default=0),
            )
            if capabilities <= CAPABILITIES:
                self._groups[name, capabilities] = group
        return group


def _faults(deployments: tuple[Deployment, ...]) -> tuple[str, ...]:
    """What is wrong with the rows, one line each, naming deployment and field."""
    faults: list[str] = []
    models = {d.model for d in deployments}
    seen: set[str] = set()
    for d in deployments:
        # Asking for the model would reach a deployment of another model.
        usurps = d.name in models and d.name != d.model
        row = (
            (d.name in seen, "`name` is given twice"),
            (_is_name(d.name) is None, "`name` must be letters, digits and ._:@+- (at most 128)"),
            (_is_model(d.model) is None, "`model` must be letters, digits and ._:@+/- (at most 128)"),
            (AUTO in (d.name, d.model), f"`{AUTO}` is the name for all deployments"),
            (usurps, "`name` is that of a model which this deployment does not serve"),
            (not d.capabilities, "`capabilities` must name at least one"),
            (not d.capabilities <= CAPABILITIES, f"`capabilities` may hold only {', '.join(sorted(CAPABILITIES))}"),
            (d.context_window < 1, "`context_window` must be positive"),
            (d.max_output < 1, "`max_output` must be positive"),
            (d.first_token_ms < 1, "`first_token_ms` must be positive"),
            (min(d.price.input, d.price.output, d.price.cached_input or 0) < 0, "`price` must not be negative"),
        )
        faults.extend(f"deployment `{d.name}`: {fault}" for wrong, fault in row if wrong)
        seen.add(d.name)
    return tuple(faults)

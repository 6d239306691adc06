"""What is asked of an evaluator: two entities, an action, a context.

One rule: nothing is looked up while policies run; whoever asks brings the ancestors and the attributes along.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from triskel.policy.cedar.values import Uid

NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Entity(NamedTuple):
    """Somebody or something. `ancestors` is the transitive closure of its parents, itself not included.

    Immutable: keep one for each principal and resource, and share it between requests.
    """

    uid: Uid
    attributes: Mapping[str, Any] = NOTHING
    ancestors: frozenset[Uid] = frozenset()
    tags: Mapping[str, Any] = NOTHING


class Request(NamedTuple):
    """One question. `others` are entities that attributes refer to and whose own attributes policies read."""

    principal: Entity
    action: Uid
    resource: Entity
    context: Mapping[str, Any] = NOTHING
    others: Mapping[Uid, Entity] = NOTHING

    def entity(self, uid: Uid) -> Entity | None:
        """What the request says about an entity, or None."""
        if uid == self.principal.uid:
            return self.principal
        if uid == self.resource.uid:
            return self.resource
        return self.others.get(uid)

"""Many policies and the requests they decide: the same for Triskel and for Cedar's own evaluator.

One rule: both are given what they like best. Cedar gets policies and entities as parsed handles, and no schema to check.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from triskel.model.finding import Facts
from triskel.model.principal import Principal, PrincipalKind
from triskel.policy.bundle import Bundle, bundle_hash, compile_bundle, load_bundle
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.source import Source
from triskel.policy.cedar.values import Uid
from triskel.policy.packs import schema_source
from triskel.policy.subjects import ACTIONS, INPUT, call_context, early_context, principal_entity, resource_entity

TENANT = "acme"
_TEAMS = tuple(f"team-{n}" for n in range(20))
_USERS = tuple(f"user-{n}" for n in range(200))
MODELS = tuple(f"model-{n}" for n in range(40))
_TIERS = ("pilot", "scale", "enterprise")
_CLASSES = ("payment", "pii", "secret")

GENERAL = """@id("bench.members")
@obligation("redact:pii, redact:payment")
permit (principal, action in [Triskel::Action::"chat", Triskel::Action::"embed"], resource);
"""


def policies(count: int, seed: int = 7) -> str:
    """So many policies: one that lets members in and obliges to redact, and others for teams, users and models."""
    source = Random(seed)
    return GENERAL + "\n".join(_policy(source, number) for number in range(1, count))


def broad_policies(count: int, seed: int = 7) -> str:
    """So many policies whose scope holds every call: each has its conditions tried, each time."""
    source = Random(seed)
    head = 'permit (principal, action in [Triskel::Action::"chat", Triskel::Action::"embed"], resource)'
    return GENERAL + "\n".join(f'@id("bench.broad-{n}") {head} when {{ {_condition(source)} }};' for n in range(1, count))


def _policy(source: Random, number: int) -> str:
    forbids = source.random() < 0.15
    principal = (
        f'principal in Triskel::Team::"{source.choice(_TEAMS)}"'
        if source.random() < 0.8
        else f'principal == Triskel::User::"{source.choice(_USERS)}"'
    )
    action = (
        f'action == Triskel::Action::"{source.choice(("chat", "embed"))}"'
        if source.random() < 0.6
        else 'action in [Triskel::Action::"chat", Triskel::Action::"embed"]'
    )
    resource = "resource" if source.random() < 0.1 else f'resource == Triskel::Model::"{source.choice(MODELS)}"'
    conditions = [
        f"{source.choice(('when', 'when', 'unless'))} {{ {_condition(source)} }}"
        for _ in range(3 if forbids else source.randint(1, 3))
    ]
    effect = "forbid" if forbids else "permit"
    return f'@id("bench.{number}") {effect} ({principal}, {action}, {resource}) {" ".join(conditions)};'


def _condition(source: Random) -> str:
    return source.choice(
        (
            f"context.injection_risk > {source.randrange(300, 1000)}",
            f'context.data_classes.contains("{source.choice(_CLASSES)}")',
            f"context.cost_estimate > {source.randrange(1000) * 1000}",
            f'principal.tier == "{source.choice(_TIERS)}"',
            f'context has region && context.region == "region-{source.randrange(5)}"',
            f"context.hour_utc >= {source.randrange(24)}",
            f'context.surface like "{source.choice(("openai", "native"))}.*"',
            "resource has tenant && resource.tenant == principal.tenant",
        )
    )


def document(text: str) -> bytes:
    """The bundle of these policies for a tenant, as it is stored."""
    return compile_bundle([Source("bench.cedar", text)], schema_source())


def loaded(stored: bytes) -> Bundle:
    """The bundle, ready to decide."""
    return load_bundle(stored, bundle_hash(stored))


def principals(count: int, seed: int = 11) -> list[Principal]:
    """Users in one to three teams."""
    source = Random(seed)
    return [
        Principal(
            tenant_id=TENANT,
            principal_id=_USERS[number % len(_USERS)],
            kind=PrincipalKind.USER,
            tier=source.choice(_TIERS),
            credential="key:bench",
            teams=tuple(source.sample(_TEAMS, source.randint(1, 3))),
        )
        for number in range(count)
    ]


def requests(count: int, seed: int = 13) -> list[Request]:
    """Requests of 200 callers, each to two models of 40; each request has a context of its own."""
    source = Random(seed)
    callers = [(caller, source.sample(MODELS, 2)) for caller in principals(len(_USERS))]
    return [_request(source, caller, source.choice(models)) for caller, models in source.choices(callers, k=count)]


def strangers(count: int, seed: int = 23) -> list[Request]:
    """Requests of callers who have never called before, in teams of their own choice."""
    source = Random(seed)
    return [
        _request(source, replace(caller, principal_id=f"stranger-{number}"), source.choice(MODELS))
        for number, caller in enumerate(principals(count, seed))
    ]


def _request(source: Random, caller: Principal, model: str) -> Request:
    surface = source.choice(("openai.chat", "native.chat"))
    early = early_context(stage=INPUT, surface=surface, tier=caller.tier, now_ms=source.randrange(1, 2 * 10**12))
    facts = Facts(data_classes=tuple(sorted(source.sample(_CLASSES, source.randrange(3)))), injection_risk=source.randrange(1000))
    context = call_context(
        early,
        facts,
        cost_estimate=source.randrange(1_000_000),
        token_estimate=source.randrange(8_000),
        clouds=frozenset({"aws"}),
        region=source.choice((None, "region-1", "region-2")),
    )
    action = ACTIONS[source.choice(("chat", "embed"))]
    return Request(principal_entity(caller), action, resource_entity("Model", model), context)


@dataclass(frozen=True, slots=True)
class Question:
    """A request as `cedarpy` takes it: entities as a parsed handle, the context as JSON text."""

    request: Mapping[str, Any]
    entities: Any


class CedarEngine:
    """Cedar's own evaluator behind `cedarpy`, with the policies as a parsed handle."""

    def __init__(self, text: str) -> None:
        import cedarpy

        self._cedar = cedarpy
        self._policies = cedarpy.PolicySet.from_str(text)

    def question(self, request: Request) -> Question:
        """The request, made ready: none of this is measured."""
        known = [_entity(request.principal), _entity(request.resource)]
        asked = {
            "principal": _uid(request.principal.uid),
            "action": _uid(request.action),
            "resource": _uid(request.resource.uid),
            "context": json.dumps({name: _value(value) for name, value in request.context.items()}),
        }
        return Question(asked, self._cedar.Entities.from_json_str(json.dumps(known)))

    def decide(self, question: Question) -> Any:
        """Cedar's result."""
        return self._cedar.is_authorized(question.request, self._policies, question.entities)

    def decision(self, question: Question) -> tuple[bool, tuple[str, ...]]:
        """Allowed or not, and the ids of the determining policies, sorted. Raises RuntimeError where a policy erred."""
        result = self.decide(question)
        if result.diagnostics.errors:
            raise RuntimeError(f"Cedar could not evaluate: {result.diagnostics.errors}")
        return result.allowed, tuple(sorted(result.diagnostics.id_annotations_by_reason.values()))


def agreed(bundle: Bundle, engine: CedarEngine, asked: Sequence[tuple[Request, Question]]) -> list[float]:
    """For each request 1 where decision and determining policies are the same, else 0."""
    same = []
    for request, question in asked:
        ours = bundle.evaluator.evaluate(request)
        same.append(float((ours.allowed, ours.policy_ids) == engine.decision(question)))
    return same


def _uid(uid: Uid) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}


def _value(value: Any) -> Any:
    if isinstance(value, Uid):
        return {"__entity": _uid(value)}
    return sorted(value) if isinstance(value, frozenset) else value


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "uid": _uid(entity.uid),
        "attrs": {name: _value(value) for name, value in entity.attributes.items()},
        "parents": [_uid(parent) for parent in sorted(entity.ancestors)],
    }

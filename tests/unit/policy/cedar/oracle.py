"""The reference implementation beside ours: one request to both, and what each made of it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cedarpy

from triskel.policy.cedar.annotations import read_meaning
from triskel.policy.cedar.codegen import compile_atom
from triskel.policy.cedar.evaluator import Evaluation, Evaluator
from triskel.policy.cedar.expression import parse, reads_any, split_conditions, uid
from triskel.policy.cedar.json_form import entities_from_json, uid_from_json, value_from_json
from triskel.policy.cedar.policy import ANY, Condition, Policy, Scope
from triskel.policy.cedar.request import Entity, Request
from triskel.policy.cedar.schema import ActionType, Schema
from triskel.policy.cedar.values import Fault, Uid

ACTIONS = {Uid("Action", "read"): frozenset({Uid("Action", "all")}), Uid("Action", "all"): frozenset()}
SCHEMA = Schema({}, {action: ActionType((), (), {}, ancestors) for action, ancestors in ACTIONS.items()})


class Answer(NamedTuple):
    """A decision, the determining policies and the policies that erred, by position."""

    allowed: bool
    determining: tuple[str, ...]
    errors: tuple[str, ...]


def evaluator_of(text: str, late: frozenset[str] = frozenset()) -> Evaluator:
    """Our evaluator of policies that nobody has validated, named by position."""
    document = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return Evaluator(SCHEMA, [_policy(f"policy{i}", document[f"policy{i}"], late) for i in range(len(document))])


def _policy(name: str, est: Mapping[str, Any], late: frozenset[str]) -> Policy:
    expressions = [parse(part) for part in split_conditions(est["conditions"])]
    annotations = est.get("annotations", {})
    return Policy(
        annotations.get("id", name),
        est["effect"] == "permit",
        *(_scope(est[part]) for part in ("principal", "action", "resource")),
        tuple(Condition(e, reads_any(e, late), compile_atom(e, ACTIONS)) for e in expressions),
        read_meaning({name: value for name, value in annotations.items() if name != "id"}, permits=est["effect"] == "permit"),
    )


def _scope(part: Mapping[str, Any]) -> Scope:
    if part["op"] == "All":
        return ANY
    if part["op"] == "is":
        return Scope("is", part["entity_type"], (uid(part["in"]["entity"]),) if "in" in part else ())
    return Scope(part["op"], "", tuple(uid(e) for e in part.get("entities") or [part["entity"]]))


def request_of(document: Mapping[str, Any]) -> Request:
    """Our request of a document `{"principal", "action", "resource", "context", "entities"}` in Cedar's JSON form."""
    entities = entities_from_json(document["entities"])
    principal, resource = uid_from_json(document["principal"]), uid_from_json(document["resource"])
    return Request(
        entities.get(principal, Entity(principal)),
        uid_from_json(document["action"]),
        entities.get(resource, Entity(resource)),
        value_from_json(document["context"]),
        entities,
    )


def ours(text: str, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """What our evaluator says of each request."""
    evaluator = evaluator_of(text)
    return [_answer(evaluator.evaluate_untyped(request_of(request))) for request in requests]


def _answer(evaluation: Evaluation) -> Answer:
    errors = tuple(sorted(error.partition(":")[0] for error in evaluation.errors))
    return Answer(evaluation.allowed, evaluation.policy_ids, errors)


def theirs(text: str, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """What Cedar says, as ours must say it: an error denies, and then only forbids determine."""
    answers = []
    for allowed, determining, errors in _asked(text, requests):
        answers.append(Answer(allowed and not errors, () if errors and allowed else determining, errors))
    return answers


def each_of_ours(text: str, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Which permits hold and which err, by our conditions, of permits without forbids."""
    evaluator = evaluator_of(text)
    answers = []
    for document in requests:
        request = request_of(document)
        attributes = request.principal.attributes, request.resource.attributes, request.context, request
        held, errors = [], []
        for policy in evaluator.candidates(request):
            try:
                if all(condition.holds(*attributes) for condition in policy.conditions):
                    held.append(policy.id)
            except (Fault, KeyError):
                errors.append(policy.id)
        answers.append(Answer(bool(held), tuple(sorted(held)), tuple(sorted(errors))))
    return answers


def each_of_theirs(text: str, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """Which permits hold and which err, by Cedar."""
    return list(_asked(text, requests))


def _asked(text: str, requests: Sequence[Mapping[str, Any]]) -> Iterator[Answer]:
    policies = cedarpy.PolicySet.from_str(text)
    actions = [
        {"uid": {"type": a.type, "id": a.id}, "attrs": {}, "parents": [{"type": p.type, "id": p.id} for p in ancestors]}
        for a, ancestors in ACTIONS.items()
    ]
    for request in requests:
        question = {part: request[part] for part in ("principal", "action", "resource", "context")}
        result = cedarpy.is_authorized(question, policies, [*request["entities"], *actions])
        assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors
        errors = tuple(sorted(re.search(r"policy `(\w+)`", error)[1] for error in result.diagnostics.errors))
        yield Answer(result.allowed, tuple(sorted(result.diagnostics.reasons)), errors)

"""Bundles: everything that one owner's policy is, as one immutable document under its hash.

One rule: a document is data. Loading reads it through typed expressions and needs neither the source nor `cedarpy`; what
runs was written by this package, whatever the document says.

A document is two lines of canonical JSON (sorted keys, no white space, UTF-8): what runs, and what people read. The same
policies give the same bytes and hash. Conditions and scopes that several policies share stand in it once.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Any, NamedTuple

from triskel.errors import ConfigurationInvalid
from triskel.policy.cedar.annotations import read_id, read_meaning
from triskel.policy.cedar.codegen import compile_atom
from triskel.policy.cedar.evaluator import Evaluator
from triskel.policy.cedar.expression import UnsupportedPolicy, parse, reads_any, split_conditions, uid
from triskel.policy.cedar.policy import ANY, Condition, Policy, Scope
from triskel.policy.cedar.schema import Schema, SchemaInvalid
from triskel.policy.cedar.source import Source

FORMAT = 1
"""Of the document. A reader refuses what it does not know."""

LAYERS = ("platform", "tenant")
MAX_DOCUMENT_BYTES = 64_000_000
MAX_POLICIES = 10_000


class Bundle(NamedTuple):
    """A loaded bundle. `hash` is the SHA-256 of `document`, in hexadecimal; `layer` is `platform` or `tenant`.

    `detectors` are the settings for the scanner and `detector_pack` the hash of the pack that they were made for, or
    empty for the one of this package; both are opaque here.
    """

    hash: str
    document: bytes
    layer: str
    schema_hash: str
    evaluator: Evaluator
    detectors: Mapping[str, Any]
    detector_pack: str


class Origin(NamedTuple):
    """Where a policy was written, and how."""

    file: str
    line: int
    text: str


def compile_bundle(
    sources: Sequence[Source],
    schema: Source,
    *,
    layer: str = "tenant",
    detectors: Mapping[str, Any] | None = None,
    detector_pack: str = "",
) -> bytes:
    """The document of these policies for a layer: `platform` or `tenant`. Needs `cedarpy`.

    Raises ConfigurationInvalid with one line for each fault, `file:line:column: message`: what does not parse, does not
    fit the schema, breaks a limit or cannot be compiled.
    """
    from triskel.policy.cedar.authoring import read_policies, read_schema  # noqa: PLC0415 publishing only

    types = read_schema(schema)
    written = read_policies(sources, schema)
    atoms, scopes = _Table(), _Table()
    policies, faults = [], []
    for policy in written:
        try:
            _check_layer(policy.id, layer)
            parts = split_conditions(policy.est["conditions"])
            for part in parts:
                _condition(part, types)
        except UnsupportedPolicy as error:
            faults.append(f"{policy.source.name}:{policy.line}:1: {error}")
            continue
        policies.append(
            {
                "effect": policy.est["effect"],
                "annotations": policy.est["annotations"],
                "scope": [scopes.place(policy.est[part]) for part in ("principal", "action", "resource")],
                "when": [atoms.place(part) for part in parts],
            }
        )
    if faults:
        raise ConfigurationInvalid("the policies cannot be compiled", faults=tuple(faults))
    runs = {
        "v": FORMAT,
        "layer": layer,
        "schema": types.to_document(),
        "atoms": atoms.rows(),
        "scopes": scopes.rows(),
        "policies": policies,
        "detectors": dict(detectors or {}),
        "detector_pack": detector_pack,
    }
    names = {source.name: position for position, source in enumerate(sources)}
    reads = {
        "schema": list(schema),
        "sources": [list(source) for source in sources],
        "places": {policy.id: [names[policy.source.name], policy.line, policy.start, policy.end] for policy in written},
    }
    return f"{_canonical(runs)}\n{_canonical(reads)}\n".encode()


class _Table:
    """JSON values, each once, in the order in which they came."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        """Where the value stands, from 0; a new one is put at the end."""
        return self._places.setdefault(_canonical(value), len(self._places))

    def rows(self) -> list[Any]:
        """The values in order."""
        return [json.loads(row) for row in self._places]


def load_bundle(document: bytes, expected_hash: str) -> Bundle:
    """The bundle of a stored document. Raises ConfigurationInvalid where it is not what `expected_hash` names, or malformed."""
    found = bundle_hash(document)
    if not compare_digest(found, expected_hash):
        raise ConfigurationInvalid("the bundle is not what its hash says", faults=(f"bundle {expected_hash}: hash mismatch",))
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ConfigurationInvalid(f"the bundle has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        return _loaded(document, found)
    except (UnsupportedPolicy, SchemaInvalid) as error:
        reason = str(error)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        reason = "it is malformed"
    raise ConfigurationInvalid("the bundle cannot be loaded", faults=(f"bundle {expected_hash}: {reason}",))


def bundle_hash(document: bytes) -> str:
    """The name of a document: its SHA-256 in hexadecimal."""
    return sha256(document).hexdigest()


def origins(bundle: Bundle) -> dict[str, Origin]:
    """Where each policy was written, by id. Decodes the sources; not for the hot path."""
    reads = json.loads(bundle.document.partition(b"\n")[2])
    sources = [Source(*source) for source in reads["sources"]]
    return {
        name: Origin(sources[source].name, line, sources[source].text[start:end])
        for name, (source, line, start, end) in reads["places"].items()
    }


def _loaded(document: bytes, name: str) -> Bundle:
    content = json.loads(document.partition(b"\n")[0])
    if content["v"] != FORMAT:
        raise UnsupportedPolicy(f"its format is {str(content['v'])[:20]}, and this version reads {FORMAT}")
    if len(content["policies"]) > MAX_POLICIES:
        raise UnsupportedPolicy(f"it has more than {MAX_POLICIES} policies")
    schema = Schema.from_document(content["schema"])
    conditions = [_condition(atom, schema) for atom in content["atoms"]]
    scopes = [_scope(scope) for scope in content["scopes"]]
    policies = [_policy(body, conditions, scopes) for body in content["policies"]]
    for policy in policies:
        _check_layer(policy.id, content["layer"])
    if len({policy.id for policy in policies}) != len(policies):
        raise UnsupportedPolicy("two policies have one id")
    return Bundle(
        hash=name,
        document=document,
        layer=content["layer"],
        schema_hash=bundle_hash(_canonical(content["schema"]).encode()),
        evaluator=Evaluator(schema, policies),
        detectors=content["detectors"],
        detector_pack=str(content["detector_pack"]),
    )


def _check_layer(policy_id: str, layer: str) -> None:
    """Ids that begin with `platform.` are the platform's, and no others are, so that a record cannot mislead."""
    if layer not in LAYERS:
        raise UnsupportedPolicy("a layer must be platform or tenant")
    if policy_id.startswith("platform.") != (layer == "platform"):
        kept = "the platform's" if layer == "tenant" else "for tenants"
        raise UnsupportedPolicy(f"`{policy_id}`: ids {'with' if layer == 'tenant' else 'without'} `platform.` are {kept}")


def _condition(atom: Any, schema: Schema) -> Condition:
    expression = parse(atom)
    return Condition(expression, reads_any(expression, schema.late_attributes), compile_atom(expression, schema.action_ancestors))


def _policy(body: Any, conditions: Sequence[Condition], scopes: Sequence[Scope]) -> Policy:
    if body["effect"] not in ("permit", "forbid"):
        raise UnsupportedPolicy("an effect must be permit or forbid")
    permits = body["effect"] == "permit"
    annotations = body["annotations"]
    principal, action, resource = body["scope"]
    return Policy(
        read_id(annotations),
        permits,
        scopes[principal],
        scopes[action],
        scopes[resource],
        tuple([conditions[position] for position in body["when"]]),
        read_meaning(annotations, permits=permits),
    )


def _scope(part: Any) -> Scope:
    op = part["op"]
    if op == "All":
        return ANY
    if op == "is":
        inside = part.get("in")
        return Scope("is", str(part["entity_type"]), () if inside is None else (uid(inside["entity"]),))
    if op not in ("==", "in"):
        raise UnsupportedPolicy("a scope must be open, `==`, `in` or `is`")
    entities = part["entities"] if "entities" in part else [part["entity"]]
    return Scope(op, "", tuple(uid(entity) for entity in entities))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

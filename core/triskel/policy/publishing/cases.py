"""Golden cases: what somebody expects of the policies, as YAML beside them.

    - name: card numbers do not pass in clear
      principal: {kind: user, id: ana, tenant: acme, teams: [research], tier: enterprise}
      action: chat
      resource: {kind: Model, name: small}
      text: "my card is 4111 1111 1111 1111"     # scanned as the gate scans it; or the facts themselves:
      context: {stage: input, injection_risk: 0}
      expect:
        verdict: redact
        policies: [default.models]
        obligations: ["redact:pii", "redact:payment"]

Whatever is left out of `principal`, `resource` and `context` has a harmless value; whatever is left out of `expect` is
not looked at. One rule: a word that is not known here is a fault, so that no expectation is passed over in silence.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from triskel.errors import ConfigurationInvalid
from triskel.model.call import Surface, Target
from triskel.model.decision import Verdict
from triskel.model.principal import Principal, PrincipalKind
from triskel.policy.cedar.request import Request
from triskel.policy.cedar.source import Source
from triskel.policy.cedar.values import LONG_MAX, LONG_MIN, set_of
from triskel.policy.publishing.limited_yaml import read_yaml
from triskel.policy.publishing.question import CONTROL, ask, facts_of
from triskel.policy.scan import Scan
from triskel.policy.subjects import ACTIONS, INPUT, OUTPUT

RESOURCES = ("Model", "Deployment", "Tool", "Connector", "Agent", "Plan", "AuditLog", "Tenant")
NOON_MS = 1_704_110_400_000
"""When a case plays that says nothing of time: Monday, 2024-01-01T12:00:00Z."""

_CASE = {"name", "principal", "action", "resource", "context", "text", "surface"}
_EXPECT = {"verdict", "policies", "obligations", "approval_teams", "shadow_policies"}
_FACTS = {"data_classes", "finding_types", "finding_count", "injection_risk"}
_QUOTE = {"token_estimate", "cost_estimate", "clouds", "budget_left", "region"}

ScanText = Callable[[str, Surface], Scan]
"""Reads a text as the gate does."""


class Expectation(NamedTuple):
    """What is expected; None where it is not said."""

    verdict: Verdict
    policies: frozenset[str] | None = None
    obligations: frozenset[str] | None = None
    approval_teams: frozenset[str] | None = None
    shadow_policies: frozenset[str] | None = None


class Case(NamedTuple):
    """One question, with its place (`file:line`), and what is expected of it, if anything. `text` needs a scan."""

    name: str
    place: str
    principal: Principal
    action: str
    target: Target
    tenant_id: str | None
    context: Mapping[str, Any]
    text: str | None
    surface: Surface
    expect: Expectation | None

    def request(self, scan: ScanText) -> Request:
        """The question. Raises ConfigurationInvalid where the text cannot be scanned to its end."""
        given = dict(self.context)
        at_ms = given.pop("time_ms", NOON_MS)
        stage = given.pop("stage", INPUT)
        entry = given.pop("surface", "test")
        if self.action in CONTROL:
            return self._asked(entry, at_ms, given)
        found: dict[str, Any] = {name: given.pop(name) for name in _FACTS & given.keys()}
        quote = {name: given.pop(name) for name in _QUOTE & given.keys()}
        if self.text is not None:
            seen = scan(self.text, self.surface)
            if seen.incomplete:
                raise ConfigurationInvalid(
                    "a text cannot be scanned", faults=(f"{self.place}:1: {self.name}: {seen.incomplete}",)
                )
            found = {
                "data_classes": [finding.category.value for finding in seen.findings],
                "finding_types": [finding.type for finding in seen.findings],
                "finding_count": len(seen.findings),
                "injection_risk": seen.injection_risk,
            }
        classes, types = found.get("data_classes", ()), found.get("finding_types", ())
        count = found.get("finding_count", max(len(classes), len(types)))
        facts = facts_of(classes, types, count, found.get("injection_risk", 0))
        return self._asked(entry, at_ms, given, stage=stage, facts=facts, **quote)

    def _asked(self, entry: str, at_ms: int, more: Mapping[str, Any], **rest: Any) -> Request:
        whose = self.tenant_id
        return ask(self.principal, self.action, self.target, surface=entry, at_ms=at_ms, tenant_id=whose, more=more, **rest)


def read_cases(sources: Sequence[Source], *, most: int, expecting: bool = True) -> list[Case]:
    """The cases of some files, in order; requests alone where not `expecting`.

    Raises ConfigurationInvalid with one line for each fault, `file:line:column: case: message`.
    """
    cases: list[Case] = []
    faults: list[str] = []
    for source in sources:
        try:
            document, lines = read_yaml(source)
        except ConfigurationInvalid as error:
            faults += error.faults
            continue
        if not isinstance(document, list):
            faults.append(f"{source.name}:1:1: the file must be a list of cases")
            continue
        for number, (body, line) in enumerate(zip(document, lines, strict=True), 1):
            name = body.get("name") if isinstance(body, dict) else None
            label = name if isinstance(name, str) and 0 < len(name) <= 200 else f"case {number}"
            try:
                cases.append(_case(body, label, f"{source.name}:{line}", expecting=expecting))
            except _Unclear as error:
                faults.append(f"{source.name}:{line}:1: {label}: {error}")
    if len(cases) > most:
        faults.append(f"there are {len(cases)} cases; {most} are allowed")
    if faults:
        raise ConfigurationInvalid("the cases cannot be read", faults=tuple(faults))
    return cases


class _Unclear(Exception):
    """Something in a case. The message names the field."""


def _case(body: Any, name: str, place: str, *, expecting: bool) -> Case:
    fields = _mapping(body, "the case", _CASE | {"expect"})
    _text(fields.get("name", name), "name")  # YAML reads an unquoted `no` as false
    action = fields.get("action")
    if action not in ACTIONS:
        raise _Unclear(f"`action` must be one of {', '.join(ACTIONS)}")
    principal = _principal(fields.get("principal", {}))
    target, tenant_id = _resource(fields.get("resource", {}), action, principal)
    context = _context(fields.get("context", {}))
    text, surface = fields.get("text"), fields.get("surface", Surface.PROMPT.value)
    if text is not None and (not isinstance(text, str) or action in CONTROL):
        raise _Unclear("`text` must be a string, and `approve`, `read_audit` and `administer` have none")
    if text is not None and (both := sorted(_FACTS & context.keys())):
        raise _Unclear(f"`{both[0]}` of the context is what the scan of `text` says; give one of both")
    if surface not in set(Surface):
        raise _Unclear(f"`surface` must be one of {', '.join(Surface)}")
    if expecting and "expect" not in fields:
        raise _Unclear("`expect` is missing")
    expect = _expectation(fields["expect"]) if expecting else None
    return Case(name, place, principal, action, target, tenant_id, context, text, Surface(surface), expect)


def _principal(given: Any) -> Principal:
    fields = _mapping(given, "principal", {"kind", "id", "tenant", "teams", "tier"})
    kind = _text(fields.get("kind", "user"), "principal.kind")
    if kind not in set(PrincipalKind):
        raise _Unclear(f"`principal.kind` must be one of {', '.join(PrincipalKind)}")
    return Principal(
        tenant_id=_text(fields.get("tenant", "tenant"), "principal.tenant"),
        principal_id=_text(fields.get("id", "someone"), "principal.id"),
        kind=PrincipalKind(kind),
        tier=_text(fields.get("tier", "pilot"), "principal.tier"),
        credential="",
        teams=tuple(_texts(fields.get("teams", []), "principal.teams")),
    )


def _resource(given: Any, action: str, principal: Principal) -> tuple[Target, str | None]:
    fields = _mapping(given, "resource", {"kind", "name", "tenant"})
    usual = {"read_audit": "AuditLog", "administer": "Tenant", "invoke_tool": "Tool", "message_agent": "Agent"}
    kind = fields.get("kind", usual.get(action, "Plan" if action.startswith("run_") else "Model"))
    if kind not in RESOURCES:
        raise _Unclear(f"`resource.kind` must be one of {', '.join(RESOURCES)}")
    tenant = fields.get("tenant")
    if tenant is not None:
        tenant = _text(tenant, "resource.tenant")
    if kind in ("AuditLog", "Tenant"):
        return Target(kind=kind, name=_text(fields.get("name", tenant or principal.tenant_id), "resource.name")), None
    return Target(kind=kind, name=_text(fields.get("name", "something"), "resource.name")), tenant


def _context(given: Any) -> dict[str, Any]:
    context = {_text(name, "context"): _value(value, f"context.{name}") for name, value in _mapping(given, "context").items()}
    if "time" in context:
        if "time_ms" in context:
            raise _Unclear("`context` has both `time` and `time_ms`")
        context["time_ms"] = _moment(given["time"])
        del context["time"]
    if context.get("stage", INPUT) not in (INPUT, OUTPUT):
        raise _Unclear(f"`context.stage` must be {INPUT} or {OUTPUT}")
    for name, kind in (("time_ms", int), ("surface", str), ("finding_count", int), ("injection_risk", int)):
        if name in context and context[name].__class__ is not kind:
            raise _Unclear(f"`context.{name}` must be {'a whole number' if kind is int else 'a string'}")
    for name in ("data_classes", "finding_types"):
        if name in context:
            _texts(given[name], f"context.{name}")
    return context


def _expectation(given: Any) -> Expectation:
    fields = _mapping(given, "expect", _EXPECT)
    verdict = fields.get("verdict")
    if verdict not in set(Verdict):
        raise _Unclear(f"`expect.verdict` must be one of {', '.join(Verdict)}")
    rest = {name: frozenset(_texts(value, f"expect.{name}")) for name, value in fields.items() if name != "verdict"}
    return Expectation(Verdict(verdict), **rest)


def _mapping(value: Any, name: str, known: set[str] | None = None) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _Unclear(f"`{name}` must be a mapping")
    unknown = sorted(str(key) for key in value if known is not None and key not in known)
    if unknown and known is not None:
        raise _Unclear(f"`{unknown[0][:64]}` is not known in {name}; known are {', '.join(sorted(known))}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 256:
        raise _Unclear(f"`{name[:80]}` must be a text of 1 to 256 characters")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > 1_000:
        raise _Unclear(f"`{name}` must be a list of texts")
    return [_text(item, name) for item in value]


def _value(value: Any, name: str) -> Any:
    """What YAML gave as a value of Cedar's."""
    if isinstance(value, bool | str) or (isinstance(value, int) and LONG_MIN <= value <= LONG_MAX):
        return value
    if isinstance(value, list):
        return set_of(_value(item, name) for item in value)
    if isinstance(value, dict):
        return {_text(key, name): _value(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, datetime) and name == "context.time":
        return 0  # read as a moment by whoever asked
    raise _Unclear(f"`{name[:80]}` must be a text, a whole number, true or false, a list or a mapping of them")


def _moment(value: Any) -> int:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _Unclear("`context.time` must be an RFC 3339 time") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

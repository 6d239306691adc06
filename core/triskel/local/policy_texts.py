"""What is told about policies, as text for a person. One rule: it adds nothing to what it was given."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from triskel.policy.publishing.comparison import Change

_MARKS = {"held": "✓", "failed": "✗", "erred": "!", "not reached": "·", "not known": "?"}


def changes_text(total: int, shown: Sequence[Change], count: int) -> str:
    """Requests whose decision changes."""
    lines = []
    for change in shown:
        lines.append(f"{change.name}: {change.before} -> {change.after}")
        lines += [f"  - {policy}" for policy in change.only_before]
        lines += [f"  + {policy}" for policy in change.only_after]
        lines += [f"  {detail}" for detail in change.details]
    if count > len(shown):
        lines.append(f"… and {count - len(shown)} more")
    lines.append(f"{count} of {total} requests change their decision")
    return "\n".join(lines)


def summary_text(summary: Mapping[str, Any]) -> str:
    """What a simulation found."""
    lines = [f"{summary['calls']} recorded calls: {summary['same']} are decided the same"]
    for change in summary["changes"]:
        lines.append(
            f"  {change['count']} {change['before']} -> {change['after']}, by {', '.join(change['policies']) or 'no policy'}"
        )
        lines.append(f"    for example {', '.join(change['examples'])}")
    if summary["untold"]:
        lines.append(f"  {summary['untold']} were denied before their text was looked at; what is in it nobody knows")
    if summary["undecided"]:
        lines.append(f"  {summary['undecided']} ended before a decision")
    return "\n".join(lines)


def explanation_text(found: Mapping[str, Any]) -> str:
    """An explanation; see `policy.publishing.explanation`."""
    who, target = found["principal"], found["target"]
    moment = datetime.fromtimestamp(found["at_ms"] / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    teams = f", teams {', '.join(who['teams'])}" if who["teams"] else ""
    lines = [
        f"{found['decision_id']}: {found['verdict'].upper()}",
        f"  {who['kind']} {who['id']} of {who['tenant']} (tier {who['tier']}{teams})",
        f"  {found['action']} {target['kind']} {target['name']}, by {found['surface']}, {moment}",
        f"  bundle {found['bundle_hash'] or 'none'}",
        f"  audit {found['audit_id']}, call {found['call_id']}",
    ]
    lines += [f"  the bundle {name} is not kept; what follows is the record alone" for name in found["bundles_missing"]]
    if not found["stages"]:
        lines.append("  the call ended before a decision")
    for stage in found["stages"]:
        lines += ["", *_stage(stage)]
    if found["findings"]:
        lines += ["", "findings (type, place, confidence, salted hash of the value)"]
        for finding in found["findings"]:
            check = f", {finding['validator']} holds" if finding["validator"] else ""
            lines.append(
                f"  {finding['stage']} {finding['part']} {finding['start']}-{finding['end']}: {finding['type']}"
                f" ({finding['category']}), {finding['confidence']}/1000{check}, {finding['value_hash']}"
            )
    return "\n".join(lines)


def _stage(stage: Mapping[str, Any]) -> Iterator[str]:
    recorded, facts = stage["recorded"], stage["facts"]
    yield f"on the {stage['stage']}: {recorded['verdict']}"
    for reason in recorded["reasons"]:
        yield f"  because {reason}"
    for name in ("policies", "approval_teams", "shadow_policies", "errors"):
        if recorded[name]:
            yield f"  {name.replace('_', ' ')}: {', '.join(recorded[name])}"
    if recorded["obligations"]:
        yield f"  obligations: {', '.join(o['kind'] + ':' + o['argument'] for o in recorded['obligations'])}"
    if facts["known"]:
        yield (
            f"  facts: data classes {', '.join(facts['data_classes']) or 'none'}; {facts['finding_count']} findings"
            f" {', '.join(facts['finding_types'])}".rstrip()
            + f"; injection risk {facts['injection_risk']}/1000"
        )
    else:
        yield "  the text was not looked at: nothing in it could have changed this"
    if stage["replayed"] is not None:
        yield "  decided again from the record: " + (
            "the same" if stage["agrees"] else f"NOT the same: {stage['replayed']['verdict']}"
        )
        if not stage["entities_match"]:
            yield "  the principal or the resource was NOT shown to the policies as the record has them"
    for policy in stage["policies"]:
        yield from _policy(policy)


def _policy(policy: Mapping[str, Any]) -> Iterator[str]:
    mark = "*" if policy["determining"] else " "
    held = {True: "holds", False: "does not hold", None: "cannot be told"}[policy["holds"]]
    mode = " (shadow)" if policy["mode"] == "shadow" else ""
    yield f"  {mark} {policy['effect']} {policy['id']}{mode} of the {policy['layer']}, {policy['file']}:{policy['line']}: {held}"
    if policy["description"]:
        yield f"      {policy['description']}"
    if policy["determining"]:
        for line in policy["source"].splitlines():
            yield f"      | {line}"
    for atom in policy["conditions"]:
        yield from _atom(atom, 6)


def _atom(atom: Mapping[str, Any], indent: int) -> Iterator[str]:
    error = f" ({atom['error']})" if atom["error"] else ""
    yield f"{' ' * indent}{_MARKS.get(atom['outcome'], ' ')} {atom['outcome']}: {atom['text']}{error}"
    for part in atom["parts"]:
        yield from _atom(part, indent + 4)

"""`triskel policy validate`, `format` and `test`: what needs no store."""

from collections.abc import Sequence
from pathlib import Path

from triskel.errors import ConfigurationInvalid
from triskel.local.policy_files import named_in, read_folder, write_folder
from triskel.policy.bundle import Bundle, bundle_hash, load_bundle
from triskel.policy.packs import load_pack
from triskel.policy.publishing.cases import read_cases
from triskel.policy.publishing.draft import BY_OPERATOR, Draft, compile_draft, format_draft, read_draft
from triskel.policy.publishing.golden import Tried, try_cases
from triskel.policy.publishing.owners import PLATFORM, TENANT_DEFAULT, check_owner, layer_of
from triskel.policy.scan import Scanner
from triskel.policy.scan import load_pack as load_detectors
from triskel.policy.verdict import Layers


def validate(folder: Path, owner: str) -> int:
    """Print what the folder makes. Raises ConfigurationInvalid with every fault."""
    draft, bundle = compiled(folder, owner)
    cases = _in(folder, draft)
    policies = _several(len(bundle.evaluator.policies), "policy")
    print(f"{folder}: no fault found; {policies}, {_several(cases, 'case')}, {bundle.hash}")
    return 0


def lay_out(folder: Path, *, check: bool) -> int:
    """Write the policies as Cedar's formatter does, or say which would change. Returns 1 where something is to be changed."""
    files = read_folder(folder)
    try:
        draft = read_draft(files, BY_OPERATOR)
        formatted = format_draft(draft)
    except ConfigurationInvalid as error:
        raise named_in(folder, error) from None
    changed = {name: text for name, text in formatted.items() if files[name] != text}
    for name in changed:
        print(f"{folder}/{name}: {'would be changed' if check else 'changed'}")
    if not check:
        write_folder(folder, changed)
    return 1 if check and changed else 0


def test(folder: Path, owner: str) -> int:
    """Try the golden cases above or beneath the policies that ship. Returns 1 where one fails."""
    draft, bundle = compiled(folder, owner)
    other = load_pack(TENANT_DEFAULT if owner == PLATFORM else PLATFORM)
    layers = Layers(bundle, other) if owner == PLATFORM else Layers(other, bundle)
    return report(tried(folder, draft, owner, layers))


def compiled(folder: Path, owner: str) -> tuple[Draft, Bundle]:
    """The folder as a draft and as the bundle that it makes. Raises ConfigurationInvalid, its faults named from here."""
    check_owner(owner)
    try:
        draft = read_draft(read_folder(folder), BY_OPERATOR)
        document = compile_draft(draft, owner)
    except ConfigurationInvalid as error:
        raise named_in(folder, error) from None
    return draft, load_bundle(document, bundle_hash(document))


def tried(folder: Path, draft: Draft, owner: str, layers: Layers) -> list[Tried]:
    """The folder's golden cases. Raises ConfigurationInvalid where they cannot be read."""
    try:
        cases = read_cases(draft.tests, most=BY_OPERATOR.cases)
        return try_cases(cases, layers, layer_of(owner), detectors().scan)
    except ConfigurationInvalid as error:
        raise named_in(folder, error) from None


def detectors() -> Scanner:
    """The scanner of the pack that ships."""
    return Scanner(load_detectors())


def report(results: Sequence[Tried]) -> int:
    """Print what failed, and how many passed. Returns 1 where one failed."""
    failed = [result for result in results if not result.passed]
    for result in failed:
        print(f"FAILED {result.case.place}: {result.case.name}")
        for difference in result.differences:
            print(f"  {difference}")
    print(f"{_several(len(results) - len(failed), 'case')} passed, {len(failed)} failed")
    return 1 if failed else 0


def _in(folder: Path, draft: Draft) -> int:
    try:
        return len(read_cases(draft.tests, most=BY_OPERATOR.cases))
    except ConfigurationInvalid as error:
        raise named_in(folder, error) from None


def _several(count: int, what: str) -> str:
    if count == 1:
        return f"1 {what}"
    return f"{count} {what[:-1]}ies" if what.endswith("y") else f"{count} {what}s"

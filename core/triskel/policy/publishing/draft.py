"""What an author hands in: policies, perhaps a schema, golden cases; all as texts by their names in the folder.

One rule: a file that would have no effect is refused, so that nobody believes in a rule that is not there.

    *.cedar               the policies
    schema.cedarschema    where it is absent, the one that ships
    tests/*.yaml          golden cases: see `cases`
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from triskel.errors import ConfigurationInvalid
from triskel.policy.bundle import compile_bundle
from triskel.policy.cedar.source import Source
from triskel.policy.packs import schema_source
from triskel.policy.publishing.owners import layer_of

SCHEMA_FILE = "schema.cedarschema"
DETECTORS_FILE = "detectors.yaml"

_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.cedar|tests/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.ya?ml)")


class Limits(NamedTuple):
    """How much may be handed in at once; characters count those of all files together."""

    files: int = 1_000
    characters: int = 16_000_000
    policies: int = 10_000
    cases: int = 10_000


BY_OPERATOR = Limits()
BY_TENANT = Limits(files=100, characters=1_000_000, policies=2_000, cases=1_000)


class Draft(NamedTuple):
    """Policies that are not published (yet)."""

    sources: tuple[Source, ...]
    schema: Source
    tests: tuple[Source, ...]


def read_draft(files: Mapping[str, str], limits: Limits = BY_OPERATOR) -> Draft:
    """The draft of these texts by name. Raises ConfigurationInvalid with one fault for each file that is not understood."""
    if len(files) > limits.files:
        raise ConfigurationInvalid(f"there are {len(files)} files; {limits.files} are allowed")
    if sum(map(len, files.values())) > limits.characters:
        raise ConfigurationInvalid(f"the files have more than {limits.characters} characters")
    sources, tests, faults = [], [], []
    for name, text in sorted(files.items()):
        if name == DETECTORS_FILE:
            faults.append(f"{name}:1:1: detectors cannot be set by a bundle in this version; it would have no effect")
        elif name != SCHEMA_FILE and _NAME.fullmatch(name) is None:
            faults.append(f"{name[:200]!r}: only `*.cedar`, `{SCHEMA_FILE}` and `tests/*.yaml` belong to a bundle")
        elif name.endswith(".cedar"):
            sources.append(Source(name, text))
        elif name != SCHEMA_FILE:
            tests.append(Source(name, text))
    if not sources:
        faults.append("there is no `.cedar` file")
    if faults:
        raise ConfigurationInvalid("these files are no policies", faults=tuple(faults))
    schema = Source(SCHEMA_FILE, files[SCHEMA_FILE]) if SCHEMA_FILE in files else schema_source()
    return Draft(tuple(sources), schema, tuple(tests))


def compile_draft(draft: Draft, owner: str) -> bytes:
    """The draft's document. Needs `cedarpy`. Raises ConfigurationInvalid with one line for each fault."""
    return compile_bundle(draft.sources, draft.schema, layer=layer_of(owner))


def format_draft(draft: Draft) -> dict[str, str]:
    """The policies as Cedar's formatter writes them, by name. Needs `cedarpy`. Raises ConfigurationInvalid."""
    from triskel.policy.cedar.authoring import format_source  # noqa: PLC0415 publishing only

    formatted, faults = {}, []
    for source in draft.sources:
        try:
            formatted[source.name] = format_source(source.text)
        except ConfigurationInvalid as error:
            # The formatter reads one text and knows no file's name.
            faults += [source.name + fault.removeprefix("policy") for fault in error.faults] or [
                f"{source.name}: {error.message}"
            ]
    if faults:
        raise ConfigurationInvalid("the policies do not parse", faults=tuple(faults))
    return formatted

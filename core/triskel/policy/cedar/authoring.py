"""Cedar source to checked policies: parsed and validated by the reference implementation, `cedarpy`.

One rule: this is the only file that imports `cedarpy` (extra `triskel[authoring]`), and no request ever waits for it.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from triskel.errors import ConfigurationInvalid
from triskel.policy.cedar.annotations import read_id, read_meaning
from triskel.policy.cedar.expression import UnsupportedPolicy
from triskel.policy.cedar.locate import meaning_error_offset, parse_error_offset, quoted_offset
from triskel.policy.cedar.schema import Schema, SchemaInvalid
from triskel.policy.cedar.schema_text import parse_schema
from triskel.policy.cedar.source import Source
from triskel.policy.cedar.source_text import Place, Token, line_and_column, nesting, statements

MAX_SOURCE_CHARACTERS = 8_000_000
"""All sources of one bundle together."""
MAX_POLICIES = 10_000
MAX_TOKENS = 5_000
"""Of one policy. The reference implementation passes, unread, what is nested some thousands of levels deep."""
MAX_OPERATORS = 300
"""Each may nest what stands before it one level deeper; JSON is read recursively, to a depth that depends on the Python."""
MAX_BRACKETS = 48
"""Open at once. The reference implementation dies at some thousands."""

_QUOTED = re.compile(r"`([^`]+)`")
_HINTS = {
    "access to optional attribute": "ask with `has` before it is read",
    "unable to find an applicable action": "no action of the schema takes such a principal and resource",
    "unrecognized action": "see the actions of the schema",
    "unrecognized entity type": "see the entity types of the schema",
}


class Written(NamedTuple):
    """One policy that parses: its EST, its id, and where it stands."""

    est: dict[str, Any]
    id: str
    source: Source
    tokens: list[Token]

    @property
    def start(self) -> int:
        """Where its source begins, annotations included: characters from the start of the file."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """Where its source ends."""
        return self.tokens[-1].start + len(self.tokens[-1].text)

    @property
    def text(self) -> str:
        """Its source."""
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        """Where it begins, from 1."""
        return line_and_column(self.source.text, self.start)[0]


def read_schema(source: Source) -> Schema:
    """The schema of a `.cedarschema` text. Raises ConfigurationInvalid."""
    try:
        _cedar().Schema.from_str(source.text)
        return parse_schema(source.text)
    except ValueError as error:
        place = Place(source.name, *_schema_place(source.text, str(error)), str(error).replace("\n", ": "))
        raise ConfigurationInvalid("the schema cannot be read", faults=(str(place),)) from None
    except SchemaInvalid as error:
        raise ConfigurationInvalid("the schema cannot be used", faults=(f"{source.name}:1:1: {error}",)) from None


def read_policies(sources: Sequence[Source], schema: Source) -> list[Written]:
    """Every policy of the sources, parsed and validated. Raises ConfigurationInvalid with all that is wrong."""
    written, places = _parsed(sources)
    if not places:
        places = _repeated(written) + _validated(written, schema)
    if places:
        raise ConfigurationInvalid("the policies cannot be published", faults=tuple(str(place) for place in sorted(places)))
    return written


def format_source(text: str) -> str:
    """The text as Cedar's formatter writes it. Raises ConfigurationInvalid where it does not parse."""
    _, places = _parsed([Source("policy", text)], annotated=False)
    if places:
        raise ConfigurationInvalid("the policies do not parse", faults=tuple(str(place) for place in places))
    return str(_cedar().format_policies(text, 100, 4))


def _cedar() -> Any:
    try:
        import cedarpy  # noqa: PLC0415 an optional extra of some 16 MB, needed to publish only
    except ImportError:
        raise ConfigurationInvalid("publishing policies needs the extra `triskel[authoring]`") from None
    return cedarpy


def _parsed(sources: Sequence[Source], *, annotated: bool = True) -> tuple[list[Written], list[Place]]:
    written: list[Written] = []
    places: list[Place] = []
    if sum(len(source.text) for source in sources) > MAX_SOURCE_CHARACTERS:
        return [], [Place(sources[0].name, 1, 1, f"the policies have more than {MAX_SOURCE_CHARACTERS} characters")]
    for source in sources:
        for statement in statements(source.text):
            try:
                written.append(_parse_one(source, statement, annotated=annotated))
            except _Misplaced as error:
                places.append(Place(source.name, *line_and_column(source.text, error.offset), error.message))
            if len(written) > MAX_POLICIES:
                return [], [Place(source.name, 1, 1, f"there are more than {MAX_POLICIES} policies")]
    return written, places


_OPERATORS = frozenset({"&&", "||", "+", "-", "*", "!", "if", "."})


class _Misplaced(Exception):
    """Something wrong at a character of a source."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


def _parse_one(source: Source, statement: list[Token], *, annotated: bool) -> Written:
    start = statement[0].start
    if len(statement) > MAX_TOKENS:
        raise _Misplaced(start, f"the policy has more than {MAX_TOKENS} words and marks")
    if nesting(statement) > MAX_BRACKETS:
        raise _Misplaced(start, f"more than {MAX_BRACKETS} brackets are open at once")
    if sum(token.text in _OPERATORS for token in statement) > MAX_OPERATORS:
        raise _Misplaced(start, f"the policy has more than {MAX_OPERATORS} operators")
    text = source.text[start : statement[-1].start + len(statement[-1].text)]
    try:
        document = json.loads(_cedar().policies_to_json_str(text))
    except ValueError as error:
        raise _Misplaced(
            parse_error_offset(source.text, statement, str(error), _parse_error), str(error).replace("\n", ": ")
        ) from None
    except RecursionError:
        raise _Misplaced(start, "a condition is too long or nested too deep") from None
    if document["templates"]:
        raise _Misplaced(start, "templates (`?principal`, `?resource`) cannot be published: write the entity")
    ((_, est),) = document["staticPolicies"].items()
    given = est.setdefault("annotations", {})
    try:
        name = read_id(given) if annotated else ""
        if annotated:
            read_meaning(given, permits=est["effect"] == "permit")
    except UnsupportedPolicy as error:
        raise _Misplaced(quoted_offset(statement, str(error)), str(error)) from None
    return Written(est, name, source, statement)


def _parse_error(text: str) -> str:
    try:
        _cedar().policies_to_json_str(text)
    except ValueError as error:
        return str(error)
    return ""


def _repeated(written: Sequence[Written]) -> list[Place]:
    first: dict[str, Written] = {}
    places = []
    for policy in written:
        earlier = first.setdefault(policy.id, policy)
        if earlier is not policy:
            message = f"`@id` `{policy.id}` is taken by {earlier.source.name}:{earlier.line}"
            places.append(_place(policy, quoted_offset(policy.tokens, f"`{policy.id}`"), message))
    return places


def _place(policy: Written, offset: int, message: str) -> Place:
    return Place(policy.source.name, *line_and_column(policy.source.text, offset), message)


def _validated(written: Sequence[Written], schema: Source) -> list[Place]:
    cedar = _cedar()
    types = cedar.Schema.from_str(schema.text)
    places = []
    for error in cedar.validate_policies("\n".join(policy.text for policy in written), types).errors:
        message = _bare(error)
        number = error.policy_id.removeprefix("policy")
        if not number.isdigit() or int(number) >= len(written):
            places.append(Place(schema.name, 1, 1, message))
            continue
        policy = written[int(number)]

        def fails(text: str, message: str = message) -> bool:
            return any(_bare(found) == message for found in cedar.validate_policies(text, types).errors)

        offset = meaning_error_offset(policy.source.text, policy.tokens, message, fails)
        places.append(_place(policy, offset, message + _hint(message)))
    return places


def _bare(error: Any) -> str:
    """The message without the policy's position, which means nothing to its author."""
    return re.sub(r"^for policy `policy\d+`, ", "", error.error)


def _hint(message: str) -> str:
    return next((f" ({hint})" for words, hint in _HINTS.items() if words in message), "")


def _schema_place(text: str, message: str) -> tuple[int, int]:
    for quoted in _QUOTED.findall(message) + message.rsplit(": ", 1)[-1:]:
        match = re.search(rf"\b{re.escape(quoted)}\b", text)
        if match is not None:
            return line_and_column(text, match.start())
    return 1, 1

"""What may be handed in, and how it is refused."""

import pytest
from tests.unit.policy.publishing.drafts import OPEN, files

from triskel.errors import ConfigurationInvalid, InvalidRequest
from triskel.policy.publishing.draft import BY_TENANT, Limits, compile_draft, format_draft, read_draft
from triskel.policy.publishing.owners import check_owner, layer_of, may_own


def faults_of(given, *, owner="acme", limits=BY_TENANT):
    with pytest.raises(ConfigurationInvalid) as caught:
        compile_draft(read_draft(given, limits), owner)
    return [*caught.value.faults, caught.value.message]


def test_files_become_sources_schema_and_tests():
    """By their names; the schema that ships stands in for one that is not given."""
    draft = read_draft({"b.cedar": "b", "a.cedar": "a", "tests/t.yaml": "[]"})
    assert [source.name for source in draft.sources] == ["a.cedar", "b.cedar"]
    assert [source.name for source in draft.tests] == ["tests/t.yaml"]
    assert "namespace Triskel" in draft.schema.text
    assert read_draft({"a.cedar": "a", "schema.cedarschema": "entity A;"}).schema.text == "entity A;"


@pytest.mark.parametrize(
    "name", ["../a.cedar", "/a.cedar", "a/b.cedar", ".a.cedar", "a.txt", "tests/a.json", "a.cedar\n", "", "tests/../a.yaml"]
)
def test_other_files_are_refused(name):
    """A name never leads out of the folder, and what would have no effect is not taken."""
    assert "belong to a bundle" in faults_of({"a.cedar": OPEN, name: "x"})[0]


def test_settings_of_detectors_are_refused_rather_than_ignored():
    """Nobody is left to believe that a detector is off."""
    assert faults_of({"a.cedar": OPEN, "detectors.yaml": "off: [email]"})[0].startswith("detectors.yaml:1:1:")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(files=1), "files"),
        (Limits(characters=10), "characters"),
    ],
)
def test_there_are_limits(limits, message):
    """Of files and of characters."""
    assert message in faults_of({"a.cedar": OPEN, "b.cedar": OPEN}, limits=limits)[-1]


def test_no_policies_are_no_bundle():
    """A folder without a policy file is a mistake."""
    assert faults_of({"tests/a.yaml": "[]"})[0] == "there is no `.cedar` file"


def test_a_fault_names_file_line_and_column():
    """As compilers do, so that an editor jumps there."""
    found = faults_of({"a.cedar": '@id("acme.a")\npermit (principal, action, resource)\nwhen { context.nothing };'})
    assert found[0].startswith("a.cedar:3:")


def test_ids_of_the_platform_are_the_platforms():
    """No tenant can put its policy under such a name, nor the platform one without it."""
    assert "platform's" in faults_of(files(OPEN, owner="platform"))[0]
    assert "for tenants" in faults_of(files(OPEN), owner="platform")[0]
    assert compile_draft(read_draft(files(OPEN, owner="platform")), "platform")


def test_the_same_files_make_the_same_bundle():
    """In whatever order they are given."""
    given = {"a.cedar": '@id("a")permit(principal,action,resource);', "b.cedar": '@id("b")permit(principal,action,resource);'}
    backwards = dict(reversed(given.items()))
    assert compile_draft(read_draft(given), "acme") == compile_draft(read_draft(backwards), "acme")


def test_formatting_keeps_comments_and_says_where_it_cannot():
    """Cedar's formatter, file by file."""
    text = '// why\n@id("acme.a") permit(principal,action,resource);'
    formatted = format_draft(read_draft({"a.cedar": text}))
    assert formatted["a.cedar"].startswith('// why\n@id("acme.a")\npermit (')
    with pytest.raises(ConfigurationInvalid) as caught:
        format_draft(read_draft({"a.cedar": text, "b.cedar": "permit ("}))
    assert caught.value.faults[0].startswith("b.cedar:1:")


def test_owners():
    """The platform, the default, or a tenant; no tenant of one of these names has policies of its own."""
    assert [layer_of(owner) for owner in ("platform", "default", "acme")] == ["platform", "tenant", "tenant"]
    assert [may_own(owner) for owner in ("acme", "platform", "default", "")] == [True, False, False, False]
    for owner in ("platform", "default", "acme"):
        check_owner(owner)
    for owner in ("", "x" * 257):
        with pytest.raises(InvalidRequest):
            check_owner(owner)

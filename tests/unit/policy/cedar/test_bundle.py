"""Bundles: one document, one hash, and nothing of it runs."""

import json
import subprocess
import sys

import pytest

from triskel.errors import ConfigurationInvalid
from triskel.policy.bundle import bundle_hash, compile_bundle, load_bundle
from triskel.policy.cedar.source import Source
from triskel.policy.packs import pack_document, schema_source

HEAD = 'permit (principal, action == Triskel::Action::"chat", resource)'
TEXT = f"""
@id("a") @obligation("redact:pii") {HEAD} when {{ context.tier == "pilot" && context.injection_risk < 500 }};
@id("b") @mode("shadow") @severity("low") {HEAD} unless {{ context.injection_risk < 500 || context.stage == "output" }};
"""


def compiled(text=TEXT, **options):
    """The document of these policies."""
    return compile_bundle([Source("p.cedar", text)], schema_source(), **options)


def edited(**changes):
    """A document with parts of what runs replaced, under its own right hash."""
    runs, reads = compiled().decode().splitlines()
    document = "\n".join((json.dumps({**json.loads(runs), **changes}), reads, "")).encode()
    return document, bundle_hash(document)


def policies(**changes):
    """The policies of the document, the first one changed."""
    first, second = json.loads(compiled().partition(b"\n")[0])["policies"]
    return [{**first, **changes}, second]


def test_the_same_policies_are_the_same_bundle():
    """Byte by byte, and so by hash; another policy is another bundle."""
    assert compiled() == compiled()
    assert bundle_hash(compiled()) != bundle_hash(compiled(TEXT.replace("500", "501")))


def test_carries_settings_of_the_scanner():
    """Opaque, and part of what is hashed."""
    document = compiled(detectors={"off": ["email"]}, detector_pack="abc")
    bundle = load_bundle(document, bundle_hash(document))
    assert (bundle.detectors, bundle.detector_pack, bundle.layer) == ({"off": ["email"]}, "abc", "tenant")
    assert bundle.hash == bundle_hash(document) != bundle_hash(compiled())


def test_loads_what_was_compiled():
    """Ids, effects, meanings and conditions; conditions that policies share stand in the document once."""
    bundle = load_bundle(compiled(), bundle_hash(compiled()))
    a, b = bundle.evaluator.policies
    assert (a.id, a.enforced, a.meaning.obligations) == ("a", True, (("redact", "pii"),))
    assert (b.id, b.enforced, b.meaning.severity) == ("b", False, "low")
    assert [[c.late for c in policy.conditions] for policy in (a, b)] == [[False, True], [True, False]]


def test_a_changed_document_is_refused():
    """One byte is enough, and the fault names the hash."""
    document = compiled()
    for changed in (document.replace(b"500", b"900"), document + b" ", b""):
        with pytest.raises(ConfigurationInvalid) as refusal:
            load_bundle(changed, bundle_hash(document))
        assert refusal.value.faults == (f"bundle {bundle_hash(document)}: hash mismatch",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"v": 2}, "its format is 2, and this version reads 1"),
        ({"layer": "root"}, "a layer must be platform or tenant"),
        ({"layer": "platform"}, "`a`: ids without `platform.` are for tenants"),
        ({"schema": {"entities": {}}}, "the schema of the bundle is malformed"),
        ({"schema": {"entities": {"T": {"parents": [], "attributes": {"a": {"type": "Float"}}}}, "actions": []}},
         "the schema of the bundle is malformed"),
        ({"atoms": [{"exec": "print(1)"}]}, "`exec` cannot be compiled"),
        ({"atoms": []}, "it is malformed"),
        ({"atoms": 7}, "it is malformed"),
        ({"scopes": [{"op": "like"}]}, "a scope must be open, `==`, `in` or `is`"),
        ({"policies": policies(effect="allow")}, "an effect must be permit or forbid"),
        ({"policies": policies(annotations={"id": "b"})}, "two policies have one id"),
        ({"policies": policies(annotations={"id": "x", "run": "y"})},
         "`@run` is not an annotation; known are @id, @mode, @obligation, @approval, @severity, @description"),
        ({"policies": policies(annotations={"id": ["x"]})}, 'every policy needs an `@id("…")`'),
        ({"policies": policies(when=["0"])}, "it is malformed"),
        ({"policies": policies(scope=[0])}, "it is malformed"),
        ({"policies": "x"}, "it is malformed"),
    ],
)  # fmt: skip
def test_a_malformed_document_is_refused(changes, reason):
    """Although its hash is right: whoever wrote it, it is read with care."""
    document, name = edited(**changes)
    with pytest.raises(ConfigurationInvalid) as refusal:
        load_bundle(document, name)
    assert refusal.value.faults == (f"bundle {name}: {reason}",)


@pytest.mark.parametrize("document", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"v": 1}', b'{"v": NaN}'])
def test_what_is_no_document_is_refused(document):
    """Without another error than the one that callers expect."""
    with pytest.raises(ConfigurationInvalid):
        load_bundle(document, bundle_hash(document))


def test_loading_needs_nothing_of_publishing():
    """Neither `cedarpy` nor the reader of schemas is imported by a process that only decides."""
    script = (
        "import sys; from triskel.policy.packs import load_pack; load_pack('platform'); load_pack('default');"
        "print([m for m in ('cedarpy', 'triskel.policy.cedar.authoring', 'triskel.policy.cedar.schema_text') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_shipped_pack_is_small():
    """What every cold start reads."""
    assert len(pack_document("platform")) < 32_000

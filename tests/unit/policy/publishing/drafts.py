"""Small policies to publish."""

from collections.abc import Mapping

from triskel.policy.bundle import Bundle, bundle_hash, load_bundle
from triskel.policy.packs import load_pack
from triskel.policy.publishing.draft import compile_draft, read_draft
from triskel.policy.verdict import Layers

OPEN = '@id("{owner}.open")\npermit (principal, action, resource);\n'
"""Permits everything that the platform does not forbid."""

NO_LARGE = '@id("{owner}.no-large")\nforbid (principal, action, resource == Triskel::Model::"large");\n'

OPERATED = """@id("acme.chat")
permit (principal, action == Triskel::Action::"chat", resource);
@id("acme.administer")
permit (principal in Triskel::Team::"operators", action == Triskel::Action::"administer", resource is Triskel::Tenant);
"""


def files(*policies: str, owner: str = "acme", **more: str) -> dict[str, str]:
    """Texts by name: policies, and more files (`tests__a` is `tests/a.yaml`)."""
    named = {name.replace("__", "/") + ".yaml": text for name, text in more.items()}
    return {"policies.cedar": "\n".join(policies).replace("{owner}", owner), **named}


def a_document(*policies: str, owner: str = "acme") -> bytes:
    """The compiled document of some policies."""
    return compile_draft(read_draft(files(*policies, owner=owner)), owner)


def a_bundle(*policies: str, owner: str = "acme") -> Bundle:
    """The loaded bundle of some policies."""
    document = a_document(*policies, owner=owner)
    return load_bundle(document, bundle_hash(document))


def layers_of(given: Mapping[str, str]) -> Layers:
    """A tenant's files beneath the platform that ships."""
    document = compile_draft(read_draft(given), "acme")
    return Layers(load_pack("platform"), load_bundle(document, bundle_hash(document)))

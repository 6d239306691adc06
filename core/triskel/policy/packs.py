"""The policies that ship: the platform's, and a tenant's until it publishes its own.

One rule: they ship compiled, so that nothing needs `cedarpy` to start; a test compiles the sources again and compares.
"""

from functools import lru_cache
from importlib.resources import files

from triskel.policy.bundle import Bundle, bundle_hash, compile_bundle, load_bundle
from triskel.policy.cedar.source import Source


def schema_source() -> Source:
    """The schema that policies are written against."""
    return Source("schema.cedarschema", (files("triskel.policy") / "data" / "schema.cedarschema").read_text("utf-8"))


def pack_sources(pack: str) -> list[Source]:
    """The Cedar sources of the pack `platform` or `default`, by name."""
    folder = files("triskel.policy") / "data" / pack
    found = [Source(f"{pack}/{file.name}", file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".cedar")]
    return sorted(found)


def compile_pack(pack: str, *, detector_pack: str = "") -> bytes:
    """The document of a shipped pack, from its sources. Needs `cedarpy`."""
    layer = "platform" if pack == "platform" else "tenant"
    return compile_bundle(pack_sources(pack), schema_source(), layer=layer, detector_pack=detector_pack)


def pack_document(pack: str) -> bytes:
    """The document of a shipped pack, as it ships."""
    return (files("triskel.policy") / "data" / f"{pack}.bundle.json").read_bytes()


@lru_cache
def load_pack(pack: str) -> Bundle:
    """The shipped pack, loaded: `platform` for the platform, `default` for a tenant."""
    document = pack_document(pack)
    return load_bundle(document, bundle_hash(document))

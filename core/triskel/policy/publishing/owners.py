"""Whose policies a bundle holds. One rule: no tenant can be mistaken for the platform, whatever it is called."""

from triskel.errors import InvalidRequest

PLATFORM = "platform"
"""The owner of the policies that no tenant can loosen."""

TENANT_DEFAULT = "default"
"""The owner of the policies of a tenant that has published none."""


def layer_of(owner: str) -> str:
    """The layer for which an owner publishes: `platform` or `tenant`."""
    return PLATFORM if owner == PLATFORM else "tenant"


def may_own(tenant_id: str) -> bool:
    """Whether a tenant of this name can have policies of its own; otherwise it has the default ones."""
    return bool(tenant_id) and tenant_id not in (PLATFORM, TENANT_DEFAULT)


def check_owner(owner: str) -> None:
    """Return if bundles can be published for this owner. Raises InvalidRequest."""
    if owner not in (PLATFORM, TENANT_DEFAULT) and not (may_own(owner) and len(owner) <= 256):
        raise InvalidRequest("an owner is `platform`, `default` or the id of a tenant", field="owner")

"""Credentials that are one value in a header. Its one rule: the value shows nowhere but in that header."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from triskel.errors import ConfigurationInvalid, Unavailable
from triskel.ports.secrets import Secrets

# Visible ASCII, and blanks inside. https://www.rfc-editor.org/rfc/rfc9110#section-5.5 allows more, but no key uses it.
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_NOTHING: Mapping[str, str] = MappingProxyType({})


class NoCredential:
    """`ports.credentials.Credential` for a provider that asks for none."""

    __slots__ = ()

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002  the port's form
        """No headers."""
        return _NOTHING


class HeaderKey:
    """`ports.credentials.Credential`: a secret in a header of its own, as `api-key` or `x-api-key`.

    The secret is asked for at the first request and kept for the life of the process.
    """

    __slots__ = ("_header", "_headers", "_name", "_prefix", "_secrets")

    def __init__(self, secrets: Secrets, name: str, *, header: str = "api-key", prefix: str = "") -> None:
        self._secrets = secrets
        self._name = name
        self._header = header
        self._prefix = prefix
        self._headers: Mapping[str, str] | None = None

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002  the port's form
        """The one header. Raises Unavailable where the secret cannot be had or cannot stand in a header."""
        headers = self._headers
        return headers if headers is not None else await self._fetched()

    def __repr__(self) -> str:
        """The header's name and the secret's name, never its value."""
        return f"{type(self).__name__}(header={self._header!r}, secret={self._name!r})"

    async def _fetched(self) -> Mapping[str, str]:
        try:
            value = await self._secrets.secret(self._name)
        except ConfigurationInvalid as fault:
            raise Unavailable(f"the credential `{self._name}` cannot be had") from fault
        if not _HEADER_VALUE.fullmatch(value):
            raise Unavailable(f"the credential `{self._name}` has characters that no header can carry")
        headers = self._headers = MappingProxyType({self._header: self._prefix + value})
        return headers


class BearerKey(HeaderKey):
    """`ports.credentials.Credential`: `authorization: Bearer` and a secret (RFC 6750)."""

    __slots__ = ()

    def __init__(self, secrets: Secrets, name: str) -> None:
        super().__init__(secrets, name, header="authorization", prefix="Bearer ")

"""Credentials that are one value in a header."""

import asyncio

import pytest

from triskel.adapters.env_secrets import EnvSecrets
from triskel.adapters.static_credentials import BearerKey, HeaderKey, NoCredential
from triskel.errors import ConfigurationInvalid, Unavailable
from triskel.ports.credentials import Credential


class CountingSecrets:
    """Secrets that count how often they were asked for."""

    def __init__(self, value: str | None) -> None:
        self.value = value
        self.asked: list[str] = []

    async def secret(self, name: str) -> str:
        self.asked.append(name)
        await asyncio.sleep(0)
        if self.value is None:
            raise ConfigurationInvalid(f"secret `{name}` is not set")
        return self.value


async def headers(credential: Credential) -> dict[str, str]:
    """What the credential adds to a request."""
    return dict(await credential.headers("POST", "https://provider.test/v1", b"{}"))


async def test_no_credential_adds_nothing() -> None:
    """For a provider that asks for none."""
    assert await headers(NoCredential()) == {}


async def test_each_kind_puts_the_secret_into_its_header() -> None:
    """`authorization: Bearer` or a header of the provider's own."""
    secrets = EnvSecrets({"TRISKEL_SECRET_OPENAI": "sk-1", "TRISKEL_SECRET_AZURE": "az 2"})
    assert await headers(BearerKey(secrets, "openai")) == {"authorization": "Bearer sk-1"}
    assert await headers(HeaderKey(secrets, "azure")) == {"api-key": "az 2"}
    assert await headers(HeaderKey(secrets, "azure", header="x-api-key")) == {"x-api-key": "az 2"}


async def test_the_secret_is_asked_for_once_and_late() -> None:
    """Not before the first request, and not again after it."""
    secrets = CountingSecrets("sk-1")
    credential = BearerKey(secrets, "openai")
    assert secrets.asked == []
    for _ in range(3):
        assert await headers(credential) == {"authorization": "Bearer sk-1"}
    assert secrets.asked == ["openai"]


async def test_the_value_shows_only_in_the_header() -> None:
    """Not in `repr`, before or after it was fetched; and nobody can change the header for the next request."""
    credential = BearerKey(CountingSecrets("sk-secret"), "openai")
    given = await credential.headers("GET", "https://x/", b"")
    assert repr(credential) == "BearerKey(header='authorization', secret='openai')"
    assert "sk-secret" not in str(credential)
    with pytest.raises(TypeError):
        given["authorization"] = "Bearer other"  # type: ignore[index]


async def test_a_secret_that_cannot_be_had_makes_the_provider_unavailable() -> None:
    """And it is asked for again at the next request, when somebody may have put it there."""
    secrets = CountingSecrets(None)
    credential = HeaderKey(secrets, "azure")
    with pytest.raises(Unavailable, match="`azure`"):
        await headers(credential)
    secrets.value = "k"
    assert await headers(credential) == {"api-key": "k"}


@pytest.mark.parametrize("value", ["", "a\r\nx-evil: 1", "a\nb", "ключ", "\x00", "a\x7f", " a", "a "])
async def test_a_value_that_no_header_can_carry_is_refused(value: str) -> None:
    """It is not repeated: it may be most of a key."""
    with pytest.raises(Unavailable) as caught:
        await headers(BearerKey(CountingSecrets(value), "openai"))
    assert len(value) < 4 or value not in caught.value.message

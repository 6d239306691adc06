"""What every `ports.secrets.Secrets` must do.

A backend's test module inherits `SecretsContract` and has a fixture `secrets` over a place that holds `KNOWN`.
"""

import pytest

from triskel.errors import ConfigurationInvalid
from triskel.ports.secrets import Secrets

KNOWN = {
    "openai-key": "sk-0123456789",
    "database.password": "  päss wörd = #1 ",
    "SHORT_1": "x",
}
"""What the place holds, by name."""


class SecretsContract:
    """Of every place that keeps secrets."""

    async def test_a_secret_comes_back_as_it_was_kept(self, secrets: Secrets) -> None:
        """Blanks and characters beyond ASCII included."""
        assert {name: await secrets.secret(name) for name in KNOWN} == KNOWN

    async def test_a_missing_secret_is_named(self, secrets: Secrets) -> None:
        """The message holds the name and no value of another secret."""
        with pytest.raises(ConfigurationInvalid) as caught:
            await secrets.secret("no-such-secret")
        assert "no-such-secret" in caught.value.message
        assert caught.value.faults == (caught.value.message,)
        assert not any(value in caught.value.message for value in KNOWN.values() if len(value) > 1)

    @pytest.mark.parametrize(
        "name",
        ["", ".", "..", "../openai-key", "a/b", "a\\b", "openai-key\n", "openai-key\0", "a b", "ключ", "x" * 129, "$HOME"],
    )
    async def test_a_name_is_never_a_path(self, secrets: Secrets, name: str) -> None:
        """Names are 1 to 128 letters, digits, dots, dashes and underscores; another one is refused and not repeated."""
        with pytest.raises(ConfigurationInvalid) as caught:
            await secrets.secret(name)
        assert len(name) < 4 or name not in caught.value.message

    async def test_a_value_is_not_shown(self, secrets: Secrets) -> None:
        """Neither by `repr` nor by `str`, after it was asked for."""
        value = await secrets.secret("openai-key")
        assert value not in repr(secrets)
        assert value not in str(secrets)

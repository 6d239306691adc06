"""Secrets from environment variables. Its one rule: it reads the mapping it is given, never the environment itself."""

from collections.abc import Mapping

from triskel.adapters.secret_names import checked_secret_name, missing_secret

PREFIX = "TRISKEL_SECRET_"
_TO_VARIABLE = str.maketrans(".-", "__")


class EnvSecrets:
    """`ports.secrets.Secrets` over a copy of the variables that begin with `TRISKEL_SECRET_`.

    `secret://openai-key` is `TRISKEL_SECRET_OPENAI_KEY`: upper case, with dots and dashes as underscores. Names that
    differ only in these are the same secret.
    """

    __slots__ = ("_values",)

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = {name: value for name, value in environment.items() if name.startswith(PREFIX)}

    async def secret(self, name: str) -> str:
        """The value. Raises ConfigurationInvalid where the variable is not set or empty."""
        variable = PREFIX + checked_secret_name(name).translate(_TO_VARIABLE).upper()
        value = self._values.get(variable, "")
        if not value:
            raise missing_secret(f"secret `{name}` is not set: there is no value in `{variable}`")
        return value

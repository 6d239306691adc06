"""Who is calling, from the headers of a request. The one rule: no credential, no principal; there is no anonymous caller."""

from triskel.errors import InvalidCredential
from triskel.identity.api_keys import PREFIX, ApiKeys
from triskel.identity.jwt import BearerTokens
from triskel.model.principal import Principal


class Authenticator:
    """Takes a credential to where it can be checked."""

    def __init__(self, api_keys: ApiKeys, bearer_tokens: BearerTokens) -> None:
        self._api_keys = api_keys
        self._bearer_tokens = bearer_tokens

    async def authenticate(self, authorization: str | None, api_key: str | None = None) -> Principal:
        """Whom the credential proves.

        `authorization` is the value of that header (`Bearer …`, RFC 6750 §2.1); `api_key` is that of `x-api-key` or
        `api-key`, and goes first where both are present: a platform in front of us may need the other for itself.
        Raises InvalidCredential, which never holds the credential, or Unavailable when it cannot be checked now.
        """
        if api_key is not None:
            credential = api_key
        elif authorization is not None and authorization[:7].lower() == "bearer ":
            credential = authorization[7:]
        else:
            raise InvalidCredential("no API key or bearer token was presented")
        if credential.startswith(PREFIX):
            return await self._api_keys.authenticate(credential)
        if credential.count(".") == 2:
            return await self._bearer_tokens.authenticate(credential)
        raise InvalidCredential("what was presented is neither an API key nor a bearer token")

"""How this simulator says no: OpenAI's error object. One rule: a refusal knows its own status and wire form.

https://platform.openai.com/docs/guides/error-codes
"""

import msgspec


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.retry_after_s = retry_after_s

    def body(self) -> bytes:
        """The JSON of the error."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error})


def malformed(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """400: the request is not what the wire asks for."""
    return Refusal(400, message, param=param, code=code)

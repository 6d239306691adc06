"""The whole tree of errors. Each carries the decision about itself: whose fault, whether to retry, which HTTP status.

    TriskelError
    ├── CallerError               the request is at fault; the same request will fail again
    │   ├── InvalidRequest        400 invalid_request       names the field
    │   ├── InvalidCredential     401 invalid_api_key
    │   ├── ModelNotFound         404 model_not_found
    │   ├── NotFound              404 not_found
    │   ├── Conflict              409 conflict
    │   └── RequestTooLarge       413 request_too_large
    ├── PolicyError               a policy is why
    │   ├── PolicyDenied          403 policy_denied         decision id and policies, never the matched text
    │   └── ApprovalRequired      403 approval_required
    ├── LimitError
    │   ├── RateLimited           429 rate_limited          retry after
    │   └── BudgetExceeded        402 budget_exceeded
    ├── UpstreamError             a provider is at fault
    │   ├── UpstreamFault         502 upstream_error        retry elsewhere
    │   ├── UpstreamThrottled     429 upstream_throttled    retry elsewhere; becomes NoCapacity when nobody is left
    │   ├── UpstreamRejected      the provider's own 4xx: the caller's request, in its words
    │   ├── UpstreamTimeout       504 upstream_timeout      retry elsewhere
    │   └── NoCapacity            503 no_capacity           retry after
    └── PlatformError             we are at fault
        ├── Unavailable           503 unavailable           a dependency is down; refused rather than done without proof
        └── ConfigurationInvalid  names the document and the field

Messages are for the caller: lower case, the caller's own words in backticks, no internal type names, no secrets and
no text that a detector matched.
"""

from enum import StrEnum
from typing import ClassVar

from triskel.model.route import Attempt


class Fault(StrEnum):
    """Whose fault it is."""

    CALLER = "caller"
    POLICY = "policy"
    UPSTREAM = "upstream"
    PLATFORM = "platform"


class Retry(StrEnum):
    """Whether the same call may succeed: never, after a while, or at another deployment."""

    NO = "no"
    AFTER = "after"
    ELSEWHERE = "elsewhere"


class TriskelError(Exception):
    """Root of all errors that a caller may see."""

    code: ClassVar[str] = "internal_error"
    status: int = 500
    fault: ClassVar[Fault] = Fault.PLATFORM
    retry: ClassVar[Retry] = Retry.NO

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        retry_after_ms: int | None = None,
        decision_id: str | None = None,
        policy_ids: tuple[str, ...] = (),
        audit_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_ms = retry_after_ms
        self.decision_id = decision_id
        self.policy_ids = policy_ids
        self.audit_id = audit_id


class CallerError(TriskelError):
    """The request is at fault."""

    fault = Fault.CALLER
    status = 400
    code = "invalid_request"


class InvalidRequest(CallerError):
    """The body or a parameter is malformed. `field` says which."""


class InvalidCredential(CallerError):
    """No credential, or one that proves nothing. The message never says which part was wrong."""

    status = 401
    code = "invalid_api_key"


class ModelNotFound(CallerError):
    """The catalog has no such model or deployment."""

    status = 404
    code = "model_not_found"


class NotFound(CallerError):
    """No such thing, or not this tenant's."""

    status = 404
    code = "not_found"


class MethodNotAllowed(CallerError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"


class Conflict(CallerError):
    """Something else was written first."""

    status = 409
    code = "conflict"


class RequestTooLarge(CallerError):
    """The body is over the limit that the message names."""

    status = 413
    code = "request_too_large"


class PolicyError(TriskelError):
    """A policy is why."""

    fault = Fault.POLICY
    status = 403
    code = "policy_denied"


class PolicyDenied(PolicyError):
    """A policy forbids it, or none permits it."""


class ApprovalRequired(PolicyError):
    """A person must approve first."""

    code = "approval_required"


class LimitError(TriskelError):
    """A limit of the caller is used up."""

    fault = Fault.CALLER


class RateLimited(LimitError):
    """Too many calls. The message names the limit."""

    status = 429
    code = "rate_limited"
    retry = Retry.AFTER


class BudgetExceeded(LimitError):
    """Not enough money left. The message names the budget and what is left."""

    status = 402
    code = "budget_exceeded"


class UpstreamError(TriskelError):
    """A provider is at fault."""

    fault = Fault.UPSTREAM
    status = 502
    code = "upstream_error"
    retry = Retry.ELSEWHERE
    attempts: tuple[Attempt, ...] = ()
    """Every try that was made before it was given up."""


class UpstreamFault(UpstreamError):
    """The provider failed, answered garbage, or broke off."""


class UpstreamThrottled(UpstreamError):
    """The provider has no room for us at the moment."""

    status = 429
    code = "upstream_throttled"


class UpstreamRejected(UpstreamError):
    """The provider refuses the request itself; another would refuse it too."""

    code = "invalid_request"
    retry = Retry.NO

    def __init__(self, message: str, *, status: int, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.status = status


class UpstreamTimeout(UpstreamError):
    """No answer, or no next frame, in time."""

    status = 504
    code = "upstream_timeout"


class NoCapacity(UpstreamError):
    """No deployment that may serve this call can serve it now."""

    status = 503
    code = "no_capacity"
    retry = Retry.AFTER


class PlatformError(TriskelError):
    """We are at fault."""


class Unavailable(PlatformError):
    """Something we need to keep our word is down."""

    status = 503
    code = "unavailable"
    retry = Retry.AFTER


class ConfigurationInvalid(PlatformError):
    """A document of the operator is wrong. `faults` holds one line each, naming document and field."""

    code = "configuration_invalid"

    def __init__(self, message: str, *, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults

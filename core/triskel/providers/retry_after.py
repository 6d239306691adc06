"""The `Retry-After` header, RFC 9110 section 10.2.3: seconds, or a date."""

from triskel.model.units import DurationMs

MAX_RETRY_AFTER_MS = DurationMs(3_600_000)
"""An hour. A provider that asks for more is asked again after that."""


def retry_after_ms(value: str | None) -> DurationMs | None:
    """Milliseconds to wait, or None where the header is absent or is not a number of seconds.

    A date is not honoured: it cannot be told from a provider's wrong clock.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    if not 0 <= seconds < float("inf"):
        return None
    return min(DurationMs(int(seconds * 1000)), MAX_RETRY_AFTER_MS)

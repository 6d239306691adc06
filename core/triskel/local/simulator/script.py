"""When which bytes of a reply are sent, and how it ends. One rule: pure; a fault is nothing but another script."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from triskel.local.simulator.faults import Fault, FaultKind
from triskel.local.simulator.offer import OfferedDeployment
from triskel.local.simulator.refusal import Refusal
from triskel.local.simulator.wire import LAST_CHUNK, Reply, chunk, error_bytes, event, headers

GARBAGE = b'<html><body>\xff\xfe upstream {"choices": [{"delta": \x00 proxy error'


class Ending(StrEnum):
    """What happens behind the last step."""

    COMPLETE = "complete"
    CLOSE = "close"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Steps of (seconds since the call came, bytes), in order. The first step's bytes begin behind the status line."""

    steps: tuple[tuple[float, bytes], ...]
    ending: Ending = Ending.COMPLETE
    status: int = 200
    is_failure: bool = False
    """Whether the client gets something else than it asked for."""


def token_times(deployment: OfferedDeployment, digest: bytes, tokens: int, pace: float) -> list[float]:
    """Seconds from the call to each token. `pace` stretches the deployment's times; 0 makes them nothing."""
    scale = (1.0 if deployment.exact else pace) / 1000
    at = deployment.first_token_ms * scale * _shaken(deployment, digest, 0)
    times = [at]
    for index in range(1, tokens):
        at += deployment.token_gap_ms * scale * _shaken(deployment, digest, index)
        times.append(at)
    return times


def script(reply: Reply, deployment: OfferedDeployment, pace: float, fault: Fault | None = None) -> Script:
    """How `reply` is sent, under a fault or as it should be."""
    count = len(reply.frames) if reply.stream else reply.answer_tokens
    times = token_times(deployment, reply.digest, max(count, 1), pace)
    plain = _streamed(reply, times) if reply.stream else Script(steps=((times[-1], reply.head + reply.tail),))
    if fault is None:
        return plain
    return replace(_FAULTY[fault.kind](plain, reply, fault), is_failure=fault.kind is not FaultKind.SLOW)


def _shaken(deployment: OfferedDeployment, digest: bytes, index: int) -> float:
    """A factor around 1 that looks random and is always the same for the same request."""
    noise = (digest[index % len(digest)] + 37 * index) % 256
    return 1 + (noise / 127.5 - 1) * deployment.jitter_permille / 1000


def _streamed(reply: Reply, times: list[float]) -> Script:
    """Head and role at once, then a token at each time; the end comes with the last token."""
    steps = [(0.0, reply.head + reply.opening), *zip(times, reply.frames, strict=False)]
    at, last = steps[-1] if reply.frames else (times[0], b"")
    if reply.frames:
        steps.pop()
    return Script(steps=(*steps, (at, last + reply.tail)))


def _begun(reply: Reply, plain: Script, fault: Fault, behind: bytes, ending: Ending) -> Script:
    """The reply up to where the fault strikes, then `behind`, then the ending."""
    if not reply.stream:
        body = reply.tail[: len(reply.tail) // 2]
        return Script(steps=((plain.steps[-1][0], reply.head + body),), ending=ending)
    kept = min(fault.after_frames, len(reply.frames))
    steps = plain.steps[: kept + 1]
    if kept and kept == len(reply.frames):
        # The last token shares its step with the end, which must not be sent.
        steps = (*steps[:-1], (steps[-1][0], reply.frames[-1]))
    if behind:
        steps = (*steps, (steps[-1][0], behind))
    return Script(steps=steps, ending=ending)


def plain_failure(fault: Fault) -> bytes:
    """Headers and body of the error of a `status` fault."""
    throttled = fault.status == 429
    refusal = Refusal(
        fault.status,
        "Rate limit reached. Please try again later." if throttled else "The server had an error processing your request.",
        code="rate_limit_exceeded" if throttled else None,
        kind="requests" if throttled else "server_error",
        retry_after_s=fault.retry_after_s,
    )
    return error_bytes(refusal)


def _failed(_plain: Script, _reply: Reply, fault: Fault) -> Script:
    return Script(steps=((0.0, plain_failure(fault)),), status=fault.status)


def _slow(plain: Script, reply: Reply, fault: Fault) -> Script:
    prompt = 1 if reply.stream else 0
    late = tuple((at + fault.delay_ms / 1000, data) for at, data in plain.steps[prompt:])
    return replace(plain, steps=plain.steps[:prompt] + late)


def _garbage(plain: Script, reply: Reply, fault: Fault) -> Script:
    if reply.stream:
        broken = chunk(b"data: " + GARBAGE + b"\n\n") + LAST_CHUNK
        return _begun(reply, plain, fault, broken, Ending.COMPLETE)
    return Script(steps=((plain.steps[-1][0], headers("application/json", length=len(GARBAGE)) + GARBAGE),))


def _error_event(plain: Script, reply: Reply, fault: Fault) -> Script:
    if not reply.stream:
        return _failed(plain, reply, msgspec.structs.replace(fault, status=500))
    error = {"error": {"message": "The server is overloaded.", "type": "server_error", "param": None, "code": "overloaded"}}
    return _begun(reply, plain, fault, event(error) + LAST_CHUNK, Ending.COMPLETE)


def _cut(plain: Script, reply: Reply, fault: Fault) -> Script:
    if not reply.stream:
        return _begun(reply, plain, fault, b"", Ending.CLOSE)
    return _begun(reply, plain, fault, LAST_CHUNK, Ending.COMPLETE)


_FAULTY: dict[FaultKind, Callable[[Script, Reply, Fault], Script]] = {
    FaultKind.DOWN: lambda _plain, _reply, _fault: Script(steps=(), ending=Ending.CLOSE),
    FaultKind.REFUSE: lambda _plain, _reply, _fault: Script(steps=(), ending=Ending.CLOSE),
    FaultKind.STATUS: _failed,
    FaultKind.SLOW: _slow,
    FaultKind.HANG: lambda _plain, _reply, _fault: Script(steps=(), ending=Ending.SILENCE),
    FaultKind.DROP: lambda plain, reply, fault: _begun(reply, plain, fault, b"", Ending.CLOSE),
    FaultKind.STALL: lambda plain, reply, fault: _begun(reply, plain, fault, b"", Ending.SILENCE),
    FaultKind.CUT: _cut,
    FaultKind.GARBAGE: _garbage,
    FaultKind.ERROR_EVENT: _error_event,
}

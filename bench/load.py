"""A load generator in a process of its own: raw sockets, one thread, no event loop, about 10 µs a call.

`python -m bench.load` reads orders and writes results, a line of JSON each. One rule: it measures and judges nothing, and
every answer that is not a whole 200 is counted as an error.
"""

import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

from bench.report import percentile

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
LAST_CHUNK = b"0\r\n\r\n"
STALL_S = 30.0
"""A peer that says nothing for this long ends the run."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What was seen. Latencies in milliseconds; `cpu_s` is the generator's own."""

    calls: int = 0
    """Answers that count: those to requests after the lead."""
    answered: int = 0
    """All of them."""
    errors: int = 0
    first_error: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    events: int = 0
    """Server-sent events, the closing `[DONE]` included."""
    first_ms: float = 0.0
    """The median time to the first byte of a stream."""


class Connections:
    """Open sockets to one port of this machine, and which of them can be read."""

    def __init__(self, port: int, count: int) -> None:
        self._sockets: dict[int, socket.socket] = {}
        # epoll costs the same for any number of sockets; poll is for systems that have no epoll.
        self._is_epoll = hasattr(select, "epoll")
        self._poller: Any = select.epoll() if self._is_epoll else select.poll()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=STALL_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._poller.register(connection.fileno(), select.POLLIN)

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors."""
        return list(self._sockets)

    def readable(self) -> Iterator[tuple[int, int]]:
        """Descriptors with something to read, until the caller stops asking. Raises TimeoutError where nothing comes."""
        wait = STALL_S if self._is_epoll else STALL_S * 1000
        poll = self._poller.poll
        while True:
            ready = poll(wait)
            if not ready:
                raise TimeoutError(f"no answer for {STALL_S:g} s")
            yield from ready

    def close(self) -> None:
        """Close all."""
        for connection in self._sockets.values():
            connection.close()
        if self._is_epoll:
            self._poller.close()


def whole(port: int, requests: list[bytes], connections: int, seconds: float, lead_s: float, calls: int) -> Result:
    """A closed loop: each connection sends its next request when its answer is there.

    For `calls` answers, or where that is 0 for `seconds`, after `lead_s` that do not count.
    """
    result, taken_ns = Result(), []
    pool = Connections(port, connections)
    now, read, write = time.perf_counter_ns, os.read, os.write
    following = cycle(requests).__next__
    partial: dict[int, bytes] = {}
    sent: dict[int, int] = {}
    try:
        counts_from = now() + int(lead_s * 1e9)
        ends_at = counts_from + int(seconds * 1e9) if not calls else 1 << 63
        cpu_from = time.process_time()
        for descriptor in pool.descriptors:
            sent[descriptor] = now()
            write(descriptor, following())
        for descriptor, _ in pool.readable():
            data = read(descriptor, 65536)
            if not data:
                raise ConnectionError("the peer closed a connection that was in use")
            if partial:
                data = partial.pop(descriptor, b"") + data
            if not is_whole(data):
                partial[descriptor] = data
                continue
            at = now()
            result.answered += 1
            if data[9:12] != b"200":
                result.errors += 1
                result.first_error = result.first_error or data[:2000].decode("latin-1")
            elif sent[descriptor] >= counts_from:
                taken_ns.append(at - sent[descriptor])
            if at >= ends_at or (calls and len(taken_ns) + result.errors >= calls):
                break
            sent[descriptor] = now()
            write(descriptor, following())
        result.cpu_s = time.process_time() - cpu_from
        result.seconds = (now() - counts_from) / 1e9
    finally:
        pool.close()
    result.calls = len(taken_ns)
    return _with_latencies(result, taken_ns)


def streams(port: int, requests: list[bytes], connections: int, each: int) -> Result:
    """Every connection asks for `each` streams, one after another; the connections begin together."""
    result, taken_ns, first_ns = Result(), [], []
    pool = Connections(port, connections)
    now, read, write = time.perf_counter_ns, os.read, os.write
    following = cycle(requests).__next__
    sent: dict[int, int] = {}
    so_far: dict[int, bytes] = {}
    left = dict.fromkeys(pool.descriptors, each)
    try:
        begun, cpu_from = now(), time.process_time()
        for descriptor in pool.descriptors:
            sent[descriptor] = now()
            write(descriptor, following())
        for descriptor, _ in pool.readable():
            data = read(descriptor, 65536)
            at = now()
            if not data:
                raise ConnectionError("the peer closed a connection that was in use")
            if descriptor not in so_far:
                first_ns.append(at - sent[descriptor])
            so_far[descriptor] = so_far.get(descriptor, b"") + data
            if not so_far[descriptor].endswith(LAST_CHUNK):
                continue
            answer = so_far.pop(descriptor)
            taken_ns.append(at - sent[descriptor])
            if answer[9:12] == b"200" and b"data: [DONE]" in answer:
                result.events += answer.count(b"data: ")
            else:
                result.errors += 1
                result.first_error = result.first_error or answer[:2000].decode("latin-1")
            left[descriptor] -= 1
            if left[descriptor]:
                sent[descriptor] = now()
                write(descriptor, following())
            elif not any(left.values()):
                break
        result.seconds, result.cpu_s = (now() - begun) / 1e9, time.process_time() - cpu_from
    finally:
        pool.close()
    result.calls = result.answered = len(taken_ns)
    result.first_ms = percentile(first_ns, 50) / 1e6
    return _with_latencies(result, taken_ns)


def is_whole(data: bytes) -> bool:
    """Whether `data` is an answer from its first byte to its last. Raises ValueError where it does not say its length."""
    head = data.find(HEAD_END)
    if head < 0:
        return False
    at = data.find(LENGTH, 0, head)
    if at < 0:
        at = data[:head].lower().find(LENGTH)
        if at < 0:
            raise ValueError("an answer without a length")
    return len(data) >= head + 4 + int(data[at + len(LENGTH) : data.find(b"\r", at)])


def _with_latencies(result: Result, taken_ns: list[int]) -> Result:
    in_order = sorted(taken_ns)
    result.p50_ms, result.p95_ms, result.p99_ms = (_at(in_order, percent) / 1e6 for percent in (50, 95, 99))
    return result


def _at(in_order: list[int], percent: int) -> float:
    return in_order[max(-(-len(in_order) * percent // 100), 1) - 1] if in_order else float("nan")


def perform(order: dict[str, Any]) -> dict[str, Any]:
    """Do what one order says."""
    requests = [request.encode() for request in order["requests"]]
    if order["kind"] == "streams":
        return asdict(streams(order["port"], requests, order["connections"], order["each"]))
    return asdict(whole(order["port"], requests, order["connections"], order["seconds"], order["lead_s"], order.get("calls", 0)))


def main(lines: Iterable[str]) -> None:
    """Perform orders until there are no more. What goes wrong is a result too."""
    for line in lines:
        try:
            result = perform(json.loads(line))
        except (OSError, ValueError) as error:
            result = {**asdict(Result()), "errors": 1, "first_error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.stdin)

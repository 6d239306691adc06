"""HTTP as bytes, for what no client would send. One rule: what is written here is what goes out."""

import socket
from collections.abc import Iterable

from tests.clients.triskel_process import Reply

CLOSE = "connection: close\r\n"


def request(method: str, target: str, body: bytes = b"", *, headers: str = "", host: str = "localhost") -> bytes:
    """The bytes of a request that declares its body's length and wants the connection closed behind the answer."""
    head = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n{headers}{CLOSE}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def exchange(port: int, *pieces: bytes, timeout_s: float = 20.0, half_close: bool = False) -> bytes:
    """Send the pieces, and read until the server closes. A server that hangs up early is no error: what it said counts."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            while more := connection.recv(65_536):
                said += more
        except ConnectionResetError:
            pass
    return said


def reply(said: bytes) -> Reply:
    """The first response in `said`."""
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(body))
    return Reply(int(status.split()[1]), headers, body)


def _chunks(body: bytes) -> Iterable[bytes]:
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return
        yield body[:length]
        body = body[length + 2 :]

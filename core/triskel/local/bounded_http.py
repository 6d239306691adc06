"""uvicorn's HTTP protocol with a limit that it lacks. One rule: what is no body is small."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_QUIET_BYTES = 64 * 1024
"""Of request line, headers, chunk lines or trailers without a byte of body between them. Common servers take 8 to 64 KiB.

Counted by reads from the socket, so that at most one read more is looked at.
"""


class BoundedHttp(HttpToolsProtocol):
    """Refuses requests whose head has no end: httptools would keep all of it."""

    _quiet_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._quiet_bytes += len(data)
        super().data_received(data)
        if self._quiet_bytes > MAX_QUIET_BYTES and not self.transport.is_closing():
            if getattr(self.cycle, "response_complete", True):  # there is no cycle before the first request
                self.send_400_response("The head of the request is too large.")
            else:
                self.transport.abort()

    def on_headers_complete(self) -> None:
        """The head is over."""
        self._quiet_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of body."""
        self._quiet_bytes = 0
        super().on_body(body)

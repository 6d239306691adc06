"""An OpenAI-compatible server that answers exactly what a test tells it to, byte by byte. One rule: it knows no protocol
beyond the framing, so that a test can break every one.
"""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DONE = b"data: [DONE]\n\n"


class ScriptedProvider:
    """Answers each request with the pieces set last, each in a TCP segment of its own. A context manager.

    `linger_s` passes between the last piece and the end of the body; where not `ends_properly`, the connection closes instead.
    """

    pieces: Iterable[bytes]
    content_type: str
    status: int
    headers: Mapping[str, str]
    linger_s: float
    ends_properly: bool

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], Any]] = []
        self.behave()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                provider.received.append((self.path, headers, json.loads(body)))
                self.send_response(provider.status)
                self.send_header("content-type", provider.content_type)
                self.send_header("transfer-encoding", "chunked")
                for name, value in provider.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in provider.pieces:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    time.sleep(0.001)
                time.sleep(provider.linger_s)
                if provider.ends_properly:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/openai/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def behave(self) -> None:
        """Answer with status 200, properly."""
        self.status, self.headers, self.linger_s, self.ends_properly = 200, {}, 0.0, True
        self.answer({"content": "fine"})

    def say(self, *texts: str) -> None:
        """Stream these texts as deltas."""
        self.stream(*({"content": text} for text in texts))

    def stream(self, *deltas: Any) -> None:
        """Stream these deltas of the first choice, and a proper end."""
        self.pieces = [*(event(delta) for delta in deltas), event({}, "stop"), DONE]
        self.content_type = "text/event-stream"

    def answer(self, message: Any, **more: Any) -> None:
        """Answer with a whole completion of this message."""
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        self.pieces = [json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE, **more}).encode()]
        self.content_type = "application/json"


class _Server(ThreadingHTTPServer):
    """A gateway may hang up on it without a word."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


_HEAD = {"id": "chatcmpl-1", "created": 1, "model": "scripted"}
_USAGE = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}


def event(delta: Any, finish_reason: str | None = None, index: int = 0) -> bytes:
    """One chunk of a stream as a server-sent event."""
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + json.dumps({**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


def configuration(provider: ScriptedProvider, **more: Any) -> dict[str, Any]:
    """A configuration whose only deployment is the provider, under the model `any`, without a credential."""
    deployment = {
        "name": "scripted",
        "model": "any",
        "upstream_model": "vendor/any-1",
        "cloud": "other",
        "provider": "vendor",
        "base_url": provider.base_url,
        "price": {"input": 1, "output": 1},
        "context_window": 32_768,
        "max_output": 4_096,
        "capabilities": ["chat", "tools", "json"],
    }
    return {"v": 1, "deployments": [deployment], **more}

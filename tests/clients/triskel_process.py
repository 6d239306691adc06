"""Triskel as a process of its own, as a person or a container starts it. One rule: what is started here is ended here."""

import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import yaml

TRISKEL = Path(sys.executable).with_name("triskel")
START_S = 30.0
STOP_S = 15.0
_GREETED = re.compile(rb"answers on (http://\S+)")
_KEY = re.compile(rb"API key +(tk_\S+)")

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response: header names in lower case, `headers` with the last value of each, `head` as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable code of an error."""
        code: str = self.json["error"]["code"]
        return code


class Triskel:
    """A running `triskel up` or `triskel serve`. A context manager that ends it by SIGINT and insists on status 0."""

    def __init__(self, command: str, directory: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it and wait for its greeting. `directory` is the data directory."""
        self.directory = directory
        self._log = directory.with_name(f"{directory.name}.log")
        self._process = begin(command, directory, *options, environment=environment, log=self._log)
        self._said = b""
        try:
            self.address = self._read(_GREETED)
            self.port = int(self.address.rpartition(":")[2])
            self.key = self._read(_KEY) if command == "up" else ""
            if command == "up":
                self._read(re.compile(rb"(Ctrl-C ends it)"))
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What was printed for people."""
        return self._said.decode()

    @property
    def log(self) -> str:
        """What was written to standard error so far."""
        return self._log.read_text(errors="replace")

    def interrupt(self) -> None:
        """What a Ctrl-C at the terminal does: the signal goes to the whole group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def ended(self, within_s: float = STOP_S) -> int:
        """Wait for the end; its status."""
        try:
            return self._process.wait(within_s)
        finally:
            self._close()

    def stop(self) -> None:
        """End it by Ctrl-C: status 0, and no traceback on the way."""
        self.interrupt()
        status = self.ended()
        assert status == 0, f"ended with {status}:\n{self.log[-4000:]}"
        assert "Traceback" not in self.log, self.log[-4000:]

    def kill(self) -> None:
        """What a crash does: SIGKILL, and nothing is said."""
        self._process.kill()
        self._process.wait(STOP_S)
        self._close()

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Reply:
        """One request on a connection of its own. Bytes are sent as they are; `key` "" sends none."""
        body = document if isinstance(document, bytes | None) else json.dumps(document).encode()
        key = self.key if key is None else key
        credential = {"authorization": f"Bearer {key}"} if key else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, {**credential, **(headers or {})})
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def chat(self, text: str, *, key: str | None = None, timeout_s: float = 30.0, **more: Any) -> Reply:
        """A chat of one user message, with the model `small` unless told."""
        document = {"model": "small", "messages": [{"role": "user", "content": text}], **more}
        return self.ask("POST", "/v1/chat/completions", document, key=key, timeout_s=timeout_s)

    def audit(self, *, key: str | None = None, **query: str | int) -> Any:
        """A page of the audit."""
        reply = self.ask("GET", f"/v1/audit?{urlencode(query)}", key=key)
        assert reply.status == 200, reply.body
        return reply.json

    def record(self, audit_id: str, *, key: str | None = None) -> Any:
        """The record of one call, once it is not open any more."""

        def closed() -> Any:
            found = self.audit(key=key, id=audit_id)["data"]
            return found[0] if found and found[0]["state"] != "open" else None

        return eventually(closed, f"{audit_id} to be closed")

    def verify(self, *, key: str | None = None) -> Any:
        """What `GET /v1/audit/verify` says."""
        reply = self.ask("GET", "/v1/audit/verify", key=key)
        assert reply.status == 200, reply.body
        return reply.json

    def _read(self, wanted: re.Pattern[bytes]) -> str:
        assert self._process.stdout is not None
        until_s = time.monotonic() + START_S
        while not (found := wanted.search(self._said)):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, until_s - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 65_536) if ready else b""
            assert more, f"did not come to {wanted.pattern!r}:\n{self._said.decode()}\n{self.log[-4000:]}"
            self._said += more
        return found[1].decode()

    def _close(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


def begin(
    command: str, directory: Path, *options: str, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server on a free port, unless told, and do not wait. Whoever calls ends it."""
    port = () if "--port" in options else ("--port", "0")
    with log.open("wb") as errors:
        return subprocess.Popen(
            [TRISKEL, command, *port, "--data-dir", directory, *options],
            cwd=directory.parent,
            env=_clean({**os.environ, **(environment or {})}, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def run(arguments: Sequence[str | Path], folder: Path, *, timeout_s: float = START_S) -> subprocess.CompletedProcess[str]:
    """Run `triskel` with these arguments to its end, standing in `folder`."""
    return subprocess.run(
        [TRISKEL, *arguments],
        cwd=folder,
        env=_clean(os.environ, None),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def serve(directory: Path, document: Mapping[str, Any], *options: str, environment: Mapping[str, str] | None = None) -> Triskel:
    """`triskel serve --config` with this document, which is written beside the data directory."""
    config = directory.with_name(f"{directory.name}.yaml")
    config.write_text(yaml.safe_dump(document))
    return Triskel("serve", directory, "--config", str(config), *options, environment=environment)


def eventually(look: Callable[[], Found], wanted: str, within_s: float = 10.0) -> Found:
    """What `look` finds, as soon as it is true."""
    until_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < until_s, f"waited {within_s:g} s for {wanted}"
        time.sleep(0.02)
    return found


def _clean(environment: Mapping[str, str], given: Mapping[str, str] | None) -> dict[str, str]:
    """The environment without what belongs to another Triskel."""
    return {name: value for name, value in environment.items() if not name.startswith("TRISKEL") or name in (given or {})}

"""Logs as JSON lines: time, level, logger, message, and whatever fields the caller gave."""

import contextlib
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import msgspec

_encode = msgspec.json.Encoder(enc_hook=str).encode
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record. A traceback is a field, so that a record stays a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line).decode()


class JsonCallLog:
    """One line for each call, straight to a file: the logging module would cost more than the scan of a prompt."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, fields: Mapping[str, str | int | float]) -> None:
        """Write a line. A reader that has gone away must not fail a call."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, _encode(fields) + b"\n")


def configure(level: str, stream: TextIO) -> None:
    """Send the logs of `triskel` and of the server to `stream`. Called once, by the process's own bootstrap."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))

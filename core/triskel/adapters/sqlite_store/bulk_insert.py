"""Many rows in few steps. Its one rule: the values of a row are bound, never written into the statement.

Each step of a statement gives up the interpreter's lock and takes it again, and behind a busy event loop taking it again
costs more than the insert. `executemany` makes a step of every row; `VALUES (…), (…)` makes one of many.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain

_MOST_ROWS = 128  # SQLite binds at most 32,766 values to a statement; https://www.sqlite.org/limits.html


class BulkInsert:
    """An INSERT of any number of rows: `into` stands before VALUES, `after` behind the rows."""

    def __init__(self, into: str, columns: int, after: str = "") -> None:
        self._into = into
        self._row = f"({', '.join('?' * columns)})"
        self._after = after
        self._statement = cache(self._made)

    def run(self, connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert the rows, in their order. Steps are of 128, 64, … rows, so that few statements need to be prepared."""
        start, size = 0, _MOST_ROWS
        while start < len(rows):
            while size > len(rows) - start:
                size //= 2
            values = tuple(chain.from_iterable(rows[start : start + size]))
            connection.execute(self._statement(size), values)
            start += size

    def _made(self, rows: int) -> str:
        return f"{self._into} VALUES {', '.join([self._row] * rows)} {self._after}"

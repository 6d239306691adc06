"""The schema, as numbered files of SQL. Its one rule: a file that was ever released is never changed."""

import sqlite3
from collections.abc import Iterator
from importlib import resources

from triskel.errors import Unavailable

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"


def known_version() -> int:
    """The newest version that this program knows."""
    return migrations()[-1][0]


def stored_version(connection: sqlite3.Connection) -> int:
    """The version that the file has, 0 where it is new."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'").fetchone() is None:
        return 0
    version: int = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the known version, all or nothing. Raises Unavailable where the file is newer than that."""
    refuse_newer(stored_version(connection))
    if stored_version(connection) == known_version():
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        stored = stored_version(connection)  # again, because another process may have migrated while we waited
        refuse_newer(stored)
        connection.execute(_VERSIONS)
        for version, name, script in migrations():
            if version > stored:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute("INSERT INTO schema_version VALUES (?, ?)", (version, name))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def refuse_newer(stored: int) -> None:
    """Return if this program can work with the version. Raises Unavailable."""
    if stored > known_version():
        raise Unavailable(f"the store has schema {stored} and this version knows {known_version()}: a newer Triskel wrote it")


def migrations() -> list[tuple[int, str, str]]:
    """(version, name, SQL), by version."""
    folder = resources.files("triskel.adapters.sqlite_store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name[:4]), file.name, file.read_text("utf-8")) for file in files]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

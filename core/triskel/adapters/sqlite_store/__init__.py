"""The store in one SQLite file: the default on one machine."""

from triskel.adapters.sqlite_store.store import SqliteStore

__all__ = ["SqliteStore"]

"""Connections to the journal's database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

BUSY = 5.0
"""Seconds to wait for another process that is writing."""


def connect(place: str, *, uri: bool = False) -> sqlite3.Connection:
    """A connection for a thread that need not be this one. Raises sqlite3.Error."""
    # Only one thread uses it, but not the one that made this journal.
    return sqlite3.connect(place, timeout=BUSY, isolation_level=None, check_same_thread=False, uri=uri)


def open_read_only(path: Path) -> sqlite3.Connection:
    """The database where nothing can be written, as on a read-only disk. Raises sqlite3.Error."""
    place = f"file:{quote(str(path))}?mode=ro"
    try:
        database = connect(place, uri=True)
        database.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        # SQLite cannot make the files by which processes share the journal: nobody else writes it either.
        return connect(f"{place}&immutable=1", uri=True)
    return database

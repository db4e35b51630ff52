"""The tables of the journal, and the conversion of a journal that an older rollout wrote.

`events` holds facts alone. What commands print, and what steps wait for, stands in `printed`: that may be a
thousand times as much, and nothing is decided by it.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from rollout.errors import JournalError
from rollout.events import Event, HookPrinted, OutputSeen, Progressed

PRINTED: tuple[type[Event], ...] = (HookPrinted, OutputSeen, Progressed)
"""Events that are no facts: they matter to people, at the moment."""

_FORMAT = 2
"""`PRAGMA user_version` of a journal with these tables."""
_TABLES = """
CREATE TABLE IF NOT EXISTS deployments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS deployments_of_service ON deployments (service);
CREATE TABLE IF NOT EXISTS events (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    sequence INTEGER NOT NULL,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (deployment, sequence)
) WITHOUT ROWID;
"""
"""The tables of format 1."""
_CONVERSION = f"""
ALTER TABLE deployments ADD COLUMN summary TEXT;
CREATE INDEX deployments_without_summary ON deployments (service) WHERE summary IS NULL;
CREATE TABLE printed (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    sequence INTEGER NOT NULL,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (deployment, sequence)
) WITHOUT ROWID;
CREATE TABLE nodes (
    service TEXT NOT NULL,
    node TEXT NOT NULL,
    memory TEXT NOT NULL,
    PRIMARY KEY (service, node)
) WITHOUT ROWID;
CREATE TABLE shared (
    deployment INTEGER PRIMARY KEY,
    facts INTEGER NOT NULL
);
ALTER TABLE events ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE printed ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
INSERT INTO printed SELECT * FROM events WHERE kind IN {tuple(kind.__name__ for kind in PRINTED)};
DELETE FROM events WHERE kind IN {tuple(kind.__name__ for kind in PRINTED)};
PRAGMA user_version = {_FORMAT};
"""  # noqa: S608 - the names of classes
"""What makes format 2 of format 1."""
_PAUSE = 0.01
"""Seconds between two tries to switch to WAL mode."""


def prepare(database: sqlite3.Connection, path: Path, busy: float) -> None:
    """Make the tables, or convert those of an older rollout in place; `busy` are seconds to wait for others.

    Raises JournalError for a journal of a newer rollout, sqlite3.Error.
    """
    if read_format(database, path) < _FORMAT:
        _use_wal(database, busy)
        database.execute("BEGIN IMMEDIATE")
        try:
            if read_format(database, path) < _FORMAT:  # nobody else has done it meanwhile
                for statement in f"{_TABLES}{_CONVERSION}".split(";"):
                    database.execute(statement)
            database.execute("COMMIT")
        except BaseException:
            database.rollback()
            raise


def require_current(database: sqlite3.Connection, path: Path) -> None:
    """Raises JournalError for a journal that must be converted before it can be read."""
    if (found := read_format(database, path)) < _FORMAT:
        raise JournalError(
            f"{path} was written by an older rollout (format {found}), and cannot be converted without write "
            "access",
            hint="run this once where the file can be written",
        )


def read_format(database: sqlite3.Connection, path: Path) -> int:
    """The format of the journal; 0 if it is new. Raises JournalError for that of a newer rollout."""
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found > _FORMAT:
        raise JournalError(
            f"{path} was written by a newer rollout (format {found}, this one knows {_FORMAT})",
            hint="upgrade rollout",
        )
    return int(found)


def _use_wal(database: sqlite3.Connection, busy: float) -> None:
    """Switch to WAL mode for good. The switch needs exclusive access to the file and, unlike all else, does
    not wait."""
    deadline = time.monotonic() + busy
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)

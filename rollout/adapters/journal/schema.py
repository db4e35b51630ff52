"""The tables of the journal, and the conversion of a journal that an older rollout wrote.

`events` holds facts alone. What commands print, and what steps wait for, stands in `printed`: that may be a
thousand times as much, and nothing is decided by it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
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
_COUNTS = (
    "CREATE INDEX IF NOT EXISTS events_by_epoch ON events (epoch)",
    "CREATE TABLE counts (deployment INTEGER PRIMARY KEY, facts INTEGER NOT NULL, shared INTEGER NOT NULL)",
    "CREATE INDEX counts_of_unshared ON counts (deployment) WHERE facts > shared",
    "INSERT INTO counts SELECT deployment, count(*), coalesce(max(facts), 0) FROM events "
    "LEFT JOIN shared USING (deployment) GROUP BY deployment",
    "CREATE TRIGGER fact_added AFTER INSERT ON events BEGIN INSERT INTO counts VALUES (new.deployment, 1, "
    "coalesce((SELECT facts FROM shared WHERE deployment = new.deployment), 0)) "
    "ON CONFLICT (deployment) DO UPDATE SET facts = facts + 1; END",
    "CREATE TRIGGER fact_removed AFTER DELETE ON events BEGIN UPDATE counts SET facts = facts - 1 "
    "WHERE deployment = old.deployment; "
    "DELETE FROM counts WHERE deployment = old.deployment AND facts = 0; END",
    "CREATE TRIGGER facts_shared AFTER INSERT ON shared BEGIN UPDATE counts SET shared = new.facts "
    "WHERE deployment = new.deployment; END",
)
"""What spares reading all facts. SQLite itself keeps it, so an older rollout may write, too."""
_PAUSE = 0.01
"""Seconds between two tries to switch to WAL mode."""


def prepare(database: sqlite3.Connection, path: Path, busy: float) -> None:
    """Make the tables, or convert those of an older rollout in place; `busy` are seconds to wait for others.

    Raises JournalError for a journal of a newer rollout, sqlite3.Error.
    """
    if missing := _missing(database, path):
        if missing != _COUNTS:
            _use_wal(database, busy)
        database.execute("BEGIN IMMEDIATE")
        try:
            for statement in _missing(database, path):  # unless somebody else has done it meanwhile
                database.execute(statement)
            database.execute("COMMIT")
        except BaseException:
            database.rollback()
            raise


def _missing(database: sqlite3.Connection, path: Path) -> Sequence[str]:
    """The statements that make what is not there yet."""
    if read_format(database, path) < _FORMAT:
        return (*f"{_TABLES}{_CONVERSION}".split(";"), *_COUNTS)
    counted = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'counts'").fetchone()
    return () if counted else _COUNTS


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

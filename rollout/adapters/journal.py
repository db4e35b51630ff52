"""The journal in SQLite: all deployments of all services by this user, as events.

WAL mode lets `status` read while a deployment writes, and a process that is killed in mid-write leaves a
database that loads. Each fact is synced to disk before `append` returns. Printed lines, progress and notes of
servers, which may be thousands, are written along with the next fact, or after a quarter of a second."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rollout.errors import JournalError
from rollout.events import (
    Event,
    HookPrinted,
    OutputSeen,
    Progressed,
    Record,
    ServerNoted,
    from_fields,
    to_fields,
)

_SCHEMA = """
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
_VERSION = 1
"""`PRAGMA user_version` of a journal with this schema."""
_MAY_LAG = (HookPrinted, OutputSeen, Progressed, ServerNoted)
"""Events that may wait for the next fact. A step that touches a noted server begins with one."""
_LAG = 0.25
"""Seconds that they may wait."""
_BUSY = 5.0
"""Seconds to wait for another process that is writing."""
_PAUSE = 0.01
_ELSEWHERE = "set XDG_STATE_HOME to choose another folder for it"


def journal_path() -> Path:
    """The path of `journal.db` in the user's state folder. Raises JournalError without a home folder."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise JournalError(
                f"no folder could be found for the journal: {error}", hint=_ELSEWHERE
            ) from error
    return state / "rollout" / "journal.db"


class SqliteJournal:
    """Implements `Journal` by a database. Close it after use.

    `clock` gives Unix time, and `masked` the name under which a service is kept.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        masked: Callable[[str], str] = str,
    ) -> None:
        self._path = path
        self._clock = clock
        self._masked = masked
        self._sequences: dict[int, int] = {}
        self._late: list[Record] = []
        with self._translated():
            self._private()
            self._database = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
            self._prepare()

    def begin(self, service: str) -> int:
        with self._translated():
            row = self._database.execute(
                "INSERT INTO deployments (service) VALUES (?)", [self._masked(service)]
            )
            assert row.lastrowid is not None  # noqa: S101 - an INSERT has one
            return row.lastrowid

    def append(self, deployment: int, event: Event) -> Record:
        sequence = self._sequences.get(deployment) or self._last_sequence(deployment)
        record = Record(deployment, sequence + 1, self._clock(), event)
        self._sequences[deployment] = record.sequence
        self._late.append(record)
        if not isinstance(event, _MAY_LAG) or record.time - self._late[0].time > _LAG:
            self._flush()
        return record

    def deployments(self, service: str) -> Sequence[int]:
        with self._translated():
            rows = self._database.execute(
                "SELECT id FROM deployments WHERE service = ? ORDER BY id", [self._masked(service)]
            )
            return [row[0] for row in rows]

    def records(self, deployment: int) -> Sequence[Record]:
        with self._translated():
            rows = self._database.execute(
                "SELECT sequence, time, kind, fields FROM events WHERE deployment = ? ORDER BY sequence",
                [deployment],
            ).fetchall()
            events = [(row, from_fields(row[2], json.loads(row[3]))) for row in rows]
        return [Record(deployment, row[0], row[1], event) for row, event in events if event is not None]

    def close(self) -> None:
        """Write what is left, and close the database. Raises JournalError."""
        with self._translated():
            self._flush()
            self._database.close()

    def _private(self) -> None:
        """Let no other user read the journal: it holds machines' names and their output."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
        if self._path.stat().st_mode & 0o077:  # SQLite gives its other files the same mode
            self._path.chmod(0o600)

    def _prepare(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise JournalError(
                f"{self._path} was written by a newer rollout (format {version}, this one knows {_VERSION})",
                hint="upgrade rollout",
            )
        self._database.execute("PRAGMA synchronous = FULL")
        if version < _VERSION:
            self._use_wal()
            self._database.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
            )

    def _use_wal(self) -> None:
        """Switch to WAL mode for good. The switch needs exclusive access to the file and, unlike all else,
        does not wait."""
        deadline = time.monotonic() + _BUSY
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _last_sequence(self, deployment: int) -> int:
        with self._translated():
            query = "SELECT coalesce(max(sequence), 0) FROM events WHERE deployment = ?"
            (last,) = self._database.execute(query, [deployment]).fetchone()
        return int(last)

    def _flush(self) -> None:
        if not self._late:
            return
        rows = [
            (
                record.deployment,
                record.sequence,
                record.time,
                type(record.event).__name__,
                json.dumps(to_fields(record.event)),
            )
            for record in self._late
        ]
        with self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise
        self._late.clear()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, sqlite3.Error) as error:
            raise JournalError(
                f"journal {self._path}: {error}",
                hint=_ELSEWHERE,
            ) from error

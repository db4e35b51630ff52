"""The database behind the journal: each method is one transaction, and blocks until the disk has it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.adapters.journal.opening import BUSY, connect, open_read_only
from rollout.adapters.journal.path import ELSEWHERE, make_private
from rollout.adapters.journal.schema import PRINTED, prepare, require_current
from rollout.errors import JournalError
from rollout.events import Event, Record, from_fields, to_fields
from rollout.ports import Document

_CHUNK = 20_000
"""Printed lines that are removed in one transaction: others may write meanwhile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to be written, with what follows from it."""

    record: Record
    summary: Document | None = None
    nodes: Mapping[str, Document] = field(default_factory=dict)


class Database:
    """The tables of one journal. Every method raises JournalError."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        with self._translated():
            if read_only:
                self._database = open_read_only(path)
                require_current(self._database, path)
            else:
                make_private(path)
                self._database = connect(str(path))
                prepare(self._database, path, BUSY)
                self._database.execute("PRAGMA synchronous = FULL")

    def begin(
        self,
        service: str,
        time: float,
        events: Sequence[Event],
        summarize: Callable[[Sequence[Record]], Document],
        number: int | None = None,
        epoch: int = 0,
    ) -> list[Record]:
        with self._transaction():
            row = self._database.execute(
                "INSERT INTO deployments (id, service) VALUES (?, ?)", [number, service]
            )
            assert row.lastrowid is not None  # noqa: S101 - an INSERT has one
            records = [Record(row.lastrowid, at, time, event, epoch) for at, event in enumerate(events, 1)]
            self._insert(records)
            self._keep(row.lastrowid, summarize(records), {})
        return records

    def write(self, entries: Sequence[Entry], shared: Mapping[int, int]) -> None:
        """Write records, and replace the summaries and memories that follow from them; and note how many
        facts of deployments others have.

        What a deployer tells that has lost the lock to another one of this machine comes too late.
        """
        with self._transaction():
            for deployment, facts in shared.items():
                self._note_shared(deployment, facts)
            entries = self._in_time(entries)
            self._insert([entry.record for entry in entries])
            summaries = {entry.record.deployment: entry.summary for entry in entries if entry.summary}
            for deployment, summary in summaries.items():
                self._keep(deployment, summary, {})
            nodes = {(entry.record.deployment, name): entry for entry in entries for name in entry.nodes}
            for (deployment, name), entry in nodes.items():
                self._keep(deployment, None, {name: entry.nodes[name]})

    def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        with self._transaction():
            self._keep(deployment, summary, nodes)

    def receive(
        self,
        service: str,
        records: Mapping[int, Sequence[Record]],
        summaries: Mapping[int, Document],
        nodes: Mapping[str, Document],
        shared: Mapping[int, int],
    ) -> None:
        """Take over deployments from others: `records` replace a deployment's facts, and `shared` says how
        many others have."""
        with self._transaction():
            self._database.executemany(
                "INSERT OR IGNORE INTO deployments (id, service) VALUES (?, ?)",
                [(number, service) for number in {*records, *summaries}],
            )
            for number, ones in records.items():
                self._database.execute("DELETE FROM events WHERE deployment = ?", [number])
                self._insert(ones)
            for number, facts in shared.items():
                self._note_shared(number, facts)
            for number, summary in summaries.items():
                self._keep(number, summary, {})
            self._database.executemany(
                "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)",
                [(service, name, json.dumps(memory)) for name, memory in nodes.items()],
            )

    def counts(self, first: int) -> dict[int, tuple[int, int]]:
        """How many facts each deployment from `first` on has here, and how many of them others have."""
        return self._counts("id >= ?", first)

    def unsettled(self) -> dict[int, tuple[int, int]]:
        """The same for the last deployment, and for each that has facts which others do not have."""
        unshared = "SELECT deployment FROM counts WHERE facts > shared"
        return self._counts(f"id = (SELECT max(id) FROM deployments) OR id IN ({unshared})")  # noqa: S608

    def shared(self, deployment: int) -> int:
        """How many facts of a deployment others have, too."""
        with self._translated():
            query = "SELECT facts FROM shared WHERE deployment = ?"
            (facts,) = self._database.execute(query, [deployment]).fetchone() or (0,)
            return int(facts)

    def total(self) -> int:
        """How many deployments are here."""
        with self._translated():
            (total,) = self._database.execute("SELECT count(*) FROM deployments").fetchone()
        return int(total)

    def last_epoch(self) -> int:
        """The latest epoch of any fact; 0 without facts."""
        with self._translated():
            (epoch,) = self._database.execute("SELECT coalesce(max(epoch), 0) FROM events").fetchone()
        return int(epoch)

    def last_sequence(self, deployment: int) -> int:
        query = (
            "SELECT max((SELECT coalesce(max(sequence), 0) FROM events WHERE deployment = ?1),"
            " (SELECT coalesce(max(sequence), 0) FROM printed WHERE deployment = ?1))"
        )
        with self._translated():
            (last,) = self._database.execute(query, [deployment]).fetchone()
        return int(last)

    def records(self, deployment: int) -> list[Record]:
        return self._read("SELECT * FROM events WHERE deployment = ? ORDER BY sequence", deployment)

    def printed(self, deployment: int, latest: int | None, node: str) -> list[Record]:
        query = (
            "SELECT * FROM printed WHERE deployment = ?1 "
            "AND (?3 = '' OR json_extract(fields, '$.node') = ?3) ORDER BY sequence DESC LIMIT ?2"
        )
        return self._read(query, deployment, -1 if latest is None else latest, node)[::-1]

    def summaries(self, service: str, latest: int | None) -> dict[int, Document | None]:
        with self._translated():
            rows = self._database.execute(
                "SELECT id, summary FROM deployments WHERE service = ? AND (summary IS NOT NULL OR "
                "EXISTS (SELECT 1 FROM events WHERE deployment = id)) ORDER BY id DESC LIMIT ?",
                [service, -1 if latest is None else latest],
            ).fetchall()
            return {number: None if text is None else json.loads(text) for number, text in reversed(rows)}

    def summary(self, deployment: int) -> Document | None:
        with self._translated():
            row = self._database.execute(
                "SELECT summary FROM deployments WHERE id = ?", [deployment]
            ).fetchone()
            return json.loads(row[0]) if row and row[0] else None

    def numbers(self, service: str, but: int) -> list[int]:
        with self._translated():
            rows = self._database.execute(
                "SELECT id FROM deployments WHERE service = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
                [service, but],
            ).fetchall()
            return [number for (number,) in reversed(rows)]

    def without_summary(self, service: str) -> list[int]:
        with self._translated():
            rows = self._database.execute(
                "SELECT id FROM deployments WHERE service = ? AND summary IS NULL "
                "AND EXISTS (SELECT 1 FROM events WHERE deployment = id) ORDER BY id",
                [service],
            )
            return [number for (number,) in rows]

    def nodes(self, service: str) -> dict[str, Document]:
        with self._translated():
            rows = self._database.execute("SELECT node, memory FROM nodes WHERE service = ?", [service])
            return {name: json.loads(text) for name, text in rows}

    def forget(self, deployments: Collection[int]) -> None:
        for deployment in deployments:
            self._forget(deployment)

    def _forget(self, deployment: int) -> None:
        removed = _CHUNK
        while removed == _CHUNK:
            with self._transaction():
                removed = self._database.execute(
                    "DELETE FROM printed WHERE deployment = ?1 AND sequence IN "
                    "(SELECT sequence FROM printed WHERE deployment = ?1 LIMIT ?2)",
                    [deployment, _CHUNK],
                ).rowcount
        with self._transaction():
            self._database.execute("DELETE FROM events WHERE deployment = ?", [deployment])
            self._database.execute("DELETE FROM shared WHERE deployment = ?", [deployment])
            self._database.execute("DELETE FROM deployments WHERE id = ?", [deployment])

    def close(self) -> None:
        with self._translated():
            self._database.close()

    def _counts(self, condition: str, *values: int) -> dict[int, tuple[int, int]]:
        query = (
            "SELECT id, coalesce(facts, 0), coalesce(shared, 0) FROM deployments "  # noqa: S608
            f"LEFT JOIN counts ON deployment = id WHERE {condition}"
        )
        with self._translated():
            return {number: (here, shared) for number, here, shared in self._database.execute(query, values)}

    def _in_time(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries of the service's latest epoch, for which those of an earlier one make room."""
        query = (
            "SELECT epoch FROM events WHERE deployment = (SELECT max(id) FROM deployments WHERE service = "
            "(SELECT service FROM deployments WHERE id = ?)) ORDER BY sequence DESC LIMIT 1"
        )
        if not entries:
            return []
        number = entries[0].record.deployment
        (latest,) = self._database.execute(query, [number]).fetchone() or (0,)
        kept = [entry for entry in entries if entry.record.epoch >= latest]
        if kept and kept[0].record.epoch > latest:
            first = kept[0].record
            for table in ("events", "printed"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE deployment = ? AND sequence >= ?",  # noqa: S608
                    [first.deployment, first.sequence],
                )
        return kept

    def _insert(self, records: Sequence[Record]) -> None:
        for table, rows in (
            ("events", [_row(record) for record in records if not isinstance(record.event, PRINTED)]),
            ("printed", [_row(record) for record in records if isinstance(record.event, PRINTED)]),
        ):
            self._database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    def _keep(self, deployment: int, summary: Document | None, nodes: Mapping[str, Document]) -> None:
        if summary is not None:
            self._database.execute(
                "UPDATE deployments SET summary = ? WHERE id = ?", [json.dumps(summary), deployment]
            )
        self._database.executemany(
            "INSERT OR REPLACE INTO nodes SELECT service, ?, ? FROM deployments WHERE id = ?",
            [(name, json.dumps(memory), deployment) for name, memory in nodes.items()],
        )

    def _note_shared(self, deployment: int, facts: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO shared VALUES (?, ?)", [deployment, facts])

    def _read(self, query: str, *values: int | str) -> list[Record]:
        with self._translated():
            rows = self._database.execute(query, values).fetchall()
            events = [(row, from_fields(row[3], json.loads(row[4]))) for row in rows]
        return [Record(row[0], row[1], row[2], event, row[5]) for row, event in events if event is not None]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, sqlite3.Error) as error:
            raise JournalError(f"journal {self._path}: {error}", hint=ELSEWHERE) from error


def _row(record: Record) -> tuple[Any, ...]:
    fields = json.dumps(to_fields(record.event))
    kind = type(record.event).__name__
    return record.deployment, record.sequence, record.time, kind, fields, record.epoch

"""A journal that an older rollout wrote is converted in place, and nothing that it knew is lost."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from rollout.cli.journal import catch_up, last_deployment, node_memories, past_deployments
from rollout.decisions.memory import nodes_out
from rollout.domain import Step
from rollout.errors import JournalError
from rollout.events import (
    DeploymentStarted,
    Event,
    NodeFailed,
    NodeFinished,
    OutputSeen,
    StepFailed,
    StepStarted,
    to_fields,
)
from tests.support.journals import begun, numbers, opened

FORMAT_1 = """
PRAGMA journal_mode = WAL;
CREATE TABLE deployments (id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL);
CREATE INDEX deployments_of_service ON deployments (service);
CREATE TABLE events (
    deployment INTEGER NOT NULL REFERENCES deployments (id),
    sequence INTEGER NOT NULL,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (deployment, sequence)
) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
STARTED = DeploymentStarted("shop", "2", ("web1", "web2"), (), ("lb1",), 1, 0, "prod.yml", "ann", "there", 42)
BAD = (
    STARTED,
    StepStarted("web1", Step.DRAIN),
    StepStarted("web1", Step.RESTART),
    OutputSeen("web1", Step.RESTART, "no such thing"),
    StepFailed("web1", Step.RESTART, 3.0, "exit status 1"),
    NodeFailed("web1", left_out=True),
)
GOOD = (STARTED, StepStarted("web2", Step.DRAIN), NodeFinished("web2", 1.0))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's journal, which an older rollout wrote."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "rollout" / "journal.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FORMAT_1)
        for events in (BAD, *[GOOD] * 30, ()):
            _add(database, events)
    return path


async def test_what_it_knew_is_known(path: Path) -> None:
    """Which node is out, by which deployment, though thirty later ones never touched it; what nodes run; and
    the last deployment, not the number that a kill left without an event."""
    async with opened(path) as journal:
        await catch_up(journal, "shop")
        memories = await node_memories(journal, "shop")
        last = await last_deployment(journal, "shop")
        past = await past_deployments(journal, "shop")
        assert [record.event.text for record in await journal.printed(1, 10)] == ["no such thing"]
        assert OutputSeen not in {type(record.event) for record in await journal.records(1)}
    (out,) = nodes_out(memories).values()
    assert (out.deployment, out.step, out.reason) == (1, Step.RESTART, "exit status 1")
    assert memories["web2"].release == "2"
    assert last is not None
    assert (last.deployment, last.total, last.done) == (31, 2, 1)
    assert [*past] == list(range(1, 32))
    assert past[1].left_out == ("web1",)


async def test_processes_may_convert_it_at_once(path: Path) -> None:
    """Each finds it converted, by whichever of them."""

    async def read() -> int:
        async with opened(path) as journal:
            await catch_up(journal, "shop")
            return len(await numbers(journal))

    assert await asyncio.gather(*(read() for _ in range(5))) == [31] * 5


async def test_it_cannot_be_converted_where_it_cannot_be_written(path: Path) -> None:
    """That is told, and what to do."""
    with pytest.raises(JournalError, match="written by an older rollout") as caught:
        async with opened(path, read_only=True):
            pass
    assert caught.value.hint == "run this once where the file can be written"


async def test_an_older_rollout_may_write_the_same_copy(tmp_path: Path) -> None:
    """What a newer one keeps beside the facts is made of them where it is missing, and follows them whoever
    writes: how many facts each deployment has, and of which ones others lack some."""
    path = tmp_path / "copy.db"
    async with opened(path) as journal:
        for _ in range(3):
            await begun(journal)
    with closing(sqlite3.connect(path)) as database, database:
        for trigger in ("fact_added", "fact_removed", "facts_shared"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DROP TABLE counts")
        database.execute("INSERT OR REPLACE INTO shared VALUES (1, 1)")
    async with opened(path) as journal:
        assert await journal.unsettled() == {2: (1, 0), 3: (1, 0)}
        assert await journal.counts(1) == {1: (1, 1), 2: (1, 0), 3: (1, 0)}
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO events VALUES (1, 2, 5.0, 'Warned', '{}', 4)")
        database.execute("INSERT OR REPLACE INTO shared VALUES (2, 1)")
        database.execute("DELETE FROM events WHERE deployment = 3")
    async with opened(path) as journal:
        assert await journal.unsettled() == {1: (2, 1), 3: (0, 0)}
        assert await journal.counts(1) == {1: (2, 1), 2: (1, 1), 3: (0, 0)}
        assert await journal.last_epoch() == 4


def _add(database: sqlite3.Connection, events: Sequence[Event]) -> None:
    number = database.execute("INSERT INTO deployments (service) VALUES ('shop')").lastrowid
    database.executemany(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
        [
            (number, at, 100.0 + at, type(event).__name__, json.dumps(to_fields(event)))
            for at, event in enumerate(events, 1)
        ],
    )
    database.commit()

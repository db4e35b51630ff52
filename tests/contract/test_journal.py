"""The journal is real SQLite: what is told comes back, and is for its user alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollout.adapters.journal import SqliteJournal, journal_path
from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentStarted,
    Event,
    OutputSeen,
    Progressed,
    StepFailed,
    StepStarted,
    Warned,
)
from tests.support.journals import opened

EVENTS: list[Event] = [
    DeploymentStarted("shop", None, ("web1", "web2"), (), ("lb1",), 1, 1, "prod.yml", "ann", "laptop", 42),
    StepStarted("web1", Step.DRAIN),
    Progressed("web1", Step.DRAIN, "lb1 3 left", sessions=3),
    OutputSeen("web1", Step.RESTART, "bü\x1b[31m\0\t ☃ '; DROP TABLE events; --"),
    StepFailed("web1", Step.RESTART, 1.25, "exited with 1", hint="look", tail=("a", "b"), unknown=True),
    DeploymentFinished(Outcome.FAILED, 2.5, "web1 failed"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "rollout" / "journal.db"


def test_events_come_back_equal_and_in_order(path: Path) -> None:
    """Every field of every event, with its time and its place, by another connection too."""
    times = iter(range(1000, 2000))
    with closing(SqliteJournal(path, clock=lambda: next(times) + 0.5)) as journal:
        number = journal.begin("shop")
        written = [journal.append(number, event) for event in EVENTS]
        assert list(journal.records(number)) == written
    assert [record.event for record in written] == EVENTS
    assert [(record.sequence, record.time) for record in written] == [(n, 999.5 + n) for n in range(1, 7)]
    with opened(path) as journal:
        assert list(journal.records(number)) == written


def test_what_is_appended_is_there_for_others_at_once(path: Path) -> None:
    """`status` in another process sees each fact as soon as it is told; printed lines come with the next."""
    with opened(path) as journal, opened(path) as other:
        number = journal.begin("shop")
        first = journal.append(number, EVENTS[0])
        assert list(other.records(number)) == [first]
        line = journal.append(number, OutputSeen("web1", Step.RESTART, "hello"))
        fact = journal.append(number, Warned("hot"))
        assert list(other.records(number)) == [first, line, fact]


def test_printed_lines_do_not_wait_for_ever(path: Path) -> None:
    """After a quarter of a second they are written even if no fact follows; the rest at the end."""
    now = [0.0]
    with closing(SqliteJournal(path, clock=lambda: now[0])) as journal, opened(path) as other:
        number = journal.begin("shop")
        for moment in (0.0, 0.1, 0.2):
            now[0] = moment
            journal.append(number, OutputSeen("web1", Step.RESTART, str(moment)))
        assert list(other.records(number)) == []
        now[0] = 0.3
        journal.append(number, OutputSeen("web1", Step.RESTART, "0.3"))
        assert len(other.records(number)) == 4
        journal.append(number, OutputSeen("web1", Step.RESTART, "last"))
        journal.close()
        assert len(other.records(number)) == 5


def test_deployments_are_numbered_and_kept_by_service(path: Path) -> None:
    """Numbers go on over all services and reopenings, and are never used twice."""
    with opened(path) as journal:
        numbers = [journal.begin(service) for service in ("shop", "blog", "shop")]
    with opened(path) as journal:
        assert journal.begin("shop") > max(numbers)
        assert list(journal.deployments("shop")) == [numbers[0], numbers[2], numbers[2] + 1]
        assert list(journal.deployments("blog")) == [numbers[1]]
        assert list(journal.deployments("none")) == []
        assert list(journal.records(999)) == []


def test_a_later_process_appends_after_what_is_there(path: Path) -> None:
    """`rollout ready` adds to the deployment that another process wrote."""
    with opened(path) as journal:
        number = journal.begin("shop")
        journal.append(number, EVENTS[0])
    with opened(path) as journal:
        assert journal.append(number, Warned("later")).sequence == 2


def test_it_is_for_its_user_alone(path: Path) -> None:
    """The folder and every file in it, the write-ahead log too, whatever the umask."""
    before = os.umask(0)
    try:
        with opened(path) as journal:
            journal.append(journal.begin("shop"), Warned("hot"))
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert files == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


def test_it_is_in_wal_mode_and_synced(path: Path) -> None:
    """Readers do not block the writer, and a fact is on disk before `append` returns."""
    with opened(path) as journal:
        assert journal._database.execute("PRAGMA synchronous").fetchone() == (2,)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`XDG_STATE_HOME`, if it is absolute as its specification demands; else below the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    default = tmp_path / ".local" / "state" / "rollout" / "journal.db"
    for useless in (None, "", "relative/path"):
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        if useless is not None:
            monkeypatch.setenv("XDG_STATE_HOME", useless)
        assert journal_path() == default
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert journal_path() == Path("/var/state/rollout/journal.db")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=())))
@example("\ud800")
def test_any_text_can_be_kept(path: Path, text: str) -> None:
    """A health page may report half a character, a file name may be no UTF-8: it is kept as it is."""
    with opened(path) as journal:
        number = journal.begin("shop")
        record = journal.append(number, Warned(text))
        assert list(journal.records(number)) == [record]


def test_many_facts_are_fast_to_find(path: Path) -> None:
    """The last deployment is found by its number, not by reading all of them."""
    with opened(path) as journal:
        plan = journal._database.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM events WHERE deployment = 1 ORDER BY sequence"
        ).fetchall()
        assert "SEARCH" in plan[0][3]
        assert len(plan) == 1


def test_a_journal_that_others_could_read_is_closed_to_them(path: Path) -> None:
    """Whatever made it readable: it is its user's alone again."""
    with opened(path) as journal:
        journal.begin("shop")
    path.chmod(0o644)
    with opened(path) as journal:
        journal.begin("shop")
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_service_is_kept_by_its_masked_name(path: Path) -> None:
    """It is found again by its own name, and the file does not have it."""
    with closing(SqliteJournal(path, masked=lambda name: f"***{len(name)}")) as journal:
        number = journal.begin("shop-hunter2")
        assert list(journal.deployments("shop-hunter2")) == [number]
    assert all(b"hunter2" not in file.read_bytes() for file in path.parent.iterdir())

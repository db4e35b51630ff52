"""The journal is real SQLite: what it takes comes back, and is for its user alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollout.adapters.journal import journal_path
from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentStarted,
    Event,
    HookPrinted,
    OutputSeen,
    Progressed,
    StepFailed,
    StepStarted,
    Warned,
)
from tests.support.journals import begun, numbers, opened
from tests.support.until import until

EVENTS: list[Event] = [
    DeploymentStarted("shop", None, ("web1", "web2"), (), ("lb1",), 1, 1, "prod.yml", "ann", "laptop", 42),
    StepStarted("web1", Step.DRAIN),
    Warned("bü\x1b[31m\0\t ☃ '; DROP TABLE events; --"),
    StepFailed("web1", Step.RESTART, 1.25, "exited with 1", hint="look", tail=("a", "b"), unknown=True),
    DeploymentFinished(Outcome.FAILED, 2.5, "web1 failed"),
]
PRINTED: list[Event] = [
    OutputSeen("web1", Step.RESTART, "bü\x1b[31m\0\t ☃"),
    Progressed("web1", Step.DRAIN, "lb1 3 left", sessions=3),
    HookPrinted("after_node", "web1", "hello"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "rollout" / "journal.db"


async def test_facts_come_back_equal_and_in_order(path: Path) -> None:
    """Every field of every fact, with its time and its place, by another connection too."""
    times = iter(range(1000, 2000))
    async with opened(path, clock=lambda: next(times) + 0.5) as journal:
        first = await journal.begin("shop", EVENTS[:1], lambda records: {})
        number = first[0].deployment
        written = [*first, *(journal.append(number, event) for event in EVENTS[1:])]
        assert list(await journal.records(number)) == written
    assert [record.event for record in written] == EVENTS
    assert [(record.sequence, record.time) for record in written] == [(n, 999.5 + n) for n in range(1, 6)]
    async with opened(path) as journal:
        assert list(await journal.records(number)) == written


async def test_what_is_printed_is_kept_apart_from_the_facts(path: Path) -> None:
    """Whoever reads the facts reads no printed line; the last printed lines can be read by themselves."""
    async with opened(path) as journal:
        number = await begun(journal, "shop", EVENTS[0])
        lines = [journal.append(number, event) for event in PRINTED]
        fact = journal.append(number, Warned("hot"))
        assert [record.event for record in await journal.records(number)] == [EVENTS[0], Warned("hot")]
        assert list(await journal.printed(number, latest=2)) == lines[1:]
        assert [record.sequence for record in [*lines, fact]] == [2, 3, 4, 5]


async def test_facts_are_there_for_others_once_they_are_written(path: Path) -> None:
    """`status` in another process sees each fact soon, and at once after `written`; printed lines too."""
    async with opened(path) as journal, opened(path) as other:
        number = await begun(journal)
        assert len(await other.records(number)) == 1
        journal.append(number, OutputSeen("web1", Step.RESTART, "hello"))
        journal.append(number, Warned("hot"))
        await journal.written()
        assert len(await other.records(number)) == 2
        assert len(await other.printed(number, latest=10)) == 1

        journal.append(number, Warned("hotter"))
        await until(lambda: _facts(path) == 3, "the fact")


async def test_printed_lines_do_not_wait_for_ever(path: Path) -> None:
    """They are written even if no fact follows; the rest at the end."""
    async with opened(path) as journal, opened(path) as other:
        number = await begun(journal)
        journal.append(number, OutputSeen("web1", Step.RESTART, "1"))
        journal.append(number, OutputSeen("web1", Step.RESTART, "2"))
        assert await other.printed(number, latest=10) == []
        await until(lambda: _printed(path) == 2, "the printed lines")
        journal.append(number, OutputSeen("web1", Step.RESTART, "last"))
    assert _printed(path) == 3


async def test_deployments_are_numbered_and_kept_by_service(path: Path) -> None:
    """Numbers go on over all services and reopenings, and are never used twice."""
    async with opened(path) as journal:
        first = [await begun(journal, service) for service in ("shop", "blog", "shop")]
        await journal.forget(first[2:3])
    async with opened(path) as journal:
        last = await begun(journal)
        assert last > max(first)
        assert await numbers(journal) == [first[0], last]
        assert await numbers(journal, "blog") == [first[1]]
        assert await numbers(journal, "none") == []
        assert [*await journal.summaries("shop", latest=1)] == [last]
        assert list(await journal.records(999)) == []


async def test_a_deployment_is_never_there_without_its_first_events(path: Path) -> None:
    """If they cannot be written, no number hides the deployment before."""
    async with opened(path) as journal:
        number = await begun(journal)
        with pytest.raises(ZeroDivisionError):
            await journal.begin("shop", EVENTS[:1], lambda records: {"never": 1 / 0})
        assert await numbers(journal) == [number]


async def test_conclusions_are_kept_with_their_fact(path: Path) -> None:
    """The summary of a deployment and the memories of nodes are those of the last fact that changed them."""
    async with opened(path) as journal:
        number = await begun(journal)
        journal.append(number, Warned("1"), lambda record: ({"at": record.sequence}, {"web1": {"out": 1}}))
        journal.append(number, Warned("2"), lambda record: (None, {"web2": {"out": 2}, "web1": {"out": 3}}))
        await journal.written()
        other = await begun(journal, "blog")
        journal.append(other, Warned("3"), lambda record: (None, {"web1": {"out": 4}}))
    async with opened(path) as journal:
        assert await journal.summaries("shop") == {number: {"at": 2}}
        assert await journal.nodes("shop") == {"web1": {"out": 3}, "web2": {"out": 2}}
        assert await journal.nodes("blog") == {"web1": {"out": 4}}


async def test_a_forgotten_deployment_leaves_nothing(path: Path) -> None:
    """Its facts and what it printed go; the memories of nodes stay, and so do other deployments."""
    async with opened(path) as journal:
        old, new = await begun(journal), await begun(journal)
        for number in (old, new):
            journal.append(number, OutputSeen("web1", Step.RESTART, "hello"))
            journal.append(number, Warned("hot"), lambda record: (None, {"web1": {"by": record.deployment}}))
        await journal.forget([old])
        assert await numbers(journal) == [new]
        assert await journal.nodes("shop") == {"web1": {"by": new}}
    assert (_facts(path), _printed(path)) == (2, 1)


async def test_a_later_process_appends_after_what_is_there(path: Path) -> None:
    """`rollout ready` adds to the deployment that another process wrote, after what that printed too."""
    async with opened(path) as journal:
        number = await begun(journal)
        journal.append(number, OutputSeen("web1", Step.RESTART, "hello"))
    async with opened(path) as journal:
        await journal.records(number)
        assert journal.append(number, Warned("later")).sequence == 3


async def test_it_is_for_its_user_alone(path: Path) -> None:
    """The folder and every file in it, the write-ahead log too, whatever the umask."""
    before = os.umask(0)
    try:
        async with opened(path) as journal:
            await begun(journal)
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert files == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


async def test_it_is_in_wal_mode_and_synced(path: Path) -> None:
    """Readers do not block the writer, and a fact is on disk before `written` returns."""
    async with opened(path) as journal:
        assert journal._database._database.execute("PRAGMA synchronous").fetchone() == (2,)
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
async def test_any_text_can_be_kept(path: Path, text: str) -> None:
    """A health page may report half a character, a file name may be no UTF-8: it is kept as it is."""
    async with opened(path) as journal:
        number = await begun(journal, "shop", Warned(text))
        assert [record.event for record in await journal.records(number)] == [Warned(text)]


async def test_many_facts_are_fast_to_find(path: Path) -> None:
    """The last deployment is found by its number, not by reading all of them."""
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM events WHERE deployment = 1 ORDER BY sequence"
        ).fetchall()
        assert "SEARCH" in plan[0][3]
        assert len(plan) == 1


async def test_a_journal_that_others_could_read_is_closed_to_them(path: Path) -> None:
    """Whatever made it readable: it is its user's alone again."""
    async with opened(path) as journal:
        await begun(journal)
    path.chmod(0o644)
    async with opened(path) as journal:
        await begun(journal)
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_a_service_is_kept_by_its_masked_name(path: Path) -> None:
    """It is found again by its own name, and the file does not have it."""
    async with opened(path, masked=lambda name: f"***{len(name)}") as journal:
        number = await begun(journal, "shop-hunter2")
        assert await numbers(journal, "shop-hunter2") == [number]
    assert all(b"hunter2" not in file.read_bytes() for file in path.parent.iterdir())


def _facts(path: Path) -> int:
    return _count(path, "events")


def _printed(path: Path) -> int:
    return _count(path, "printed")


def _count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)

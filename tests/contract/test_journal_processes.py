"""The journal among processes: several write at once, one is killed, one hangs, and nothing told is lost."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollout.errors import JournalError
from rollout.events import (
    Warned,
)
from tests.support.journals import ended, opened, run_python


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "rollout" / "journal.db"


WRITER = """
import sys
from pathlib import Path
from rollout.adapters.journal import SqliteJournal
from rollout.events import Warned
sys.stdin.readline()
journal = SqliteJournal(Path(sys.argv[1]))
number = journal.begin("shop")
for count in range(int(sys.argv[2])):
    journal.append(number, Warned(f"{number} {count}"))
journal.close()
print(number)
"""


def test_processes_may_write_at_once(path: Path) -> None:
    """Four that begin together, on a journal that none has made yet, each find all they wrote."""
    writers = [run_python(WRITER, path, 40) for _ in range(4)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    numbers = [int(ended(writer)) for writer in writers]
    assert len(set(numbers)) == 4
    with opened(path) as journal:
        for number in numbers:
            found = [record.event for record in journal.records(number)]
            assert found == [Warned(f"{number} {count}") for count in range(40)]


OPENERS = """
import os, sys, time
from pathlib import Path
from rollout.adapters.journal import SqliteJournal
for attempt in range(40):
    path, start = Path(sys.argv[1], str(attempt), "journal.db"), time.time() + 0.01
    children = []
    for _ in range(6):
        if (pid := os.fork()) == 0:
            while time.time() < start:
                pass
            try:
                SqliteJournal(path).begin("shop")
                os._exit(0)
            except BaseException as error:
                print(error, flush=True)
                os._exit(1)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
"""


def test_processes_may_make_the_journal_at_once(tmp_path: Path) -> None:
    """Several processes that make the same file in the same moment do not stand in each other's way."""
    assert ended(run_python(OPENERS, tmp_path)) == ""


ENDLESS = """
import itertools, sys
from pathlib import Path
from rollout.adapters.journal import SqliteJournal
from rollout.events import Warned
journal = SqliteJournal(Path(sys.argv[1]))
number = journal.begin("shop")
for count in itertools.count(1):
    journal.append(number, Warned("x" * 3000))
    print(count, flush=True)
"""


def test_a_process_that_is_killed_leaves_a_journal_that_loads(path: Path) -> None:
    """Whatever the moment of SIGKILL: all that `append` returned for is there, and can be added to."""
    for lines in (1, 20, 90):
        writer = run_python(ENDLESS, path)
        assert writer.stdout is not None
        with writer:
            try:
                told = [int(writer.stdout.readline()) for _ in range(lines)][-1]
            finally:
                writer.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        with opened(path) as journal:
            number = journal.deployments("shop")[-1]
            found = journal.records(number)
            assert len(found) in (told, told + 1)
            assert [record.sequence for record in found] == list(range(1, len(found) + 1))
            journal.append(number, Warned("after"))


def test_a_writer_that_hangs_is_an_error_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that holds the lock is waited for, but not for ever."""
    monkeypatch.setattr("rollout.adapters.journal._BUSY", 0.1)
    with opened(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        number = journal.begin("shop")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            journal.append(number, Warned("1"))
        other.execute("ROLLBACK")
        journal.append(number, Warned("2"))
        assert [record.event for record in journal.records(number)] == [Warned("1"), Warned("2")]

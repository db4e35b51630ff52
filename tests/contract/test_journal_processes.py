"""The journal among processes: several write at once, one is killed, one hangs, and nothing told is lost."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from rollout.adapters.journal import SqliteJournal
from rollout.errors import JournalError
from rollout.events import Warned
from tests.support.journals import begun, ended, numbers, opened, run_python


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "rollout" / "journal.db"


WRITER = """
import asyncio, sys
from pathlib import Path
from rollout.events import Warned
from tests.support.journals import begun, opened

async def main():
    async with opened(Path(sys.argv[1])) as journal:
        number = await begun(journal)
        for count in range(int(sys.argv[2])):
            journal.append(number, Warned(f"{number} {count}"))
            await journal.written()
    print(number)

sys.stdin.readline()
asyncio.run(main())
"""


async def test_processes_may_write_at_once(path: Path) -> None:
    """Four that begin together, on a journal that none has made yet, each find all they wrote."""
    writers = [run_python(WRITER, path, 40) for _ in range(4)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    told = [int(ended(writer)) for writer in writers]
    assert len(set(told)) == 4
    async with opened(path) as journal:
        for number in told:
            _, *found = [record.event for record in await journal.records(number)]
            assert found == [Warned(f"{number} {count}") for count in range(40)]


OPENERS = """
import asyncio, os, sys, time
from pathlib import Path
from tests.support.journals import begun, opened

async def begin(path):
    async with opened(path) as journal:
        await begun(journal)

for attempt in range(40):
    path, start = Path(sys.argv[1], str(attempt), "journal.db"), time.time() + 0.01
    children = []
    for _ in range(6):
        if (pid := os.fork()) == 0:
            while time.time() < start:
                pass
            try:
                asyncio.run(begin(path))
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
import asyncio, itertools, sys
from pathlib import Path
from rollout.events import Warned
from tests.support.journals import begun, opened

async def main():
    async with opened(Path(sys.argv[1])) as journal:
        number = await begun(journal)
        for count in itertools.count(2):
            journal.append(number, Warned("x" * 3000))
            await journal.written()
            print(count, flush=True)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_leaves_a_journal_that_loads(path: Path) -> None:
    """Whatever the moment of SIGKILL: all that `written` returned for is there, and can be added to."""
    for lines in (1, 20, 90):
        writer = run_python(ENDLESS, path)
        assert writer.stdout is not None
        with writer:
            try:
                told = [int(writer.stdout.readline()) for _ in range(lines)][-1]
            finally:
                writer.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        async with opened(path) as journal:
            number = (await numbers(journal))[-1]
            found = await journal.records(number)
            assert len(found) in (told, told + 1)
            assert [record.sequence for record in found] == list(range(1, len(found) + 1))
            journal.append(number, Warned("after"))


async def test_a_writer_that_hangs_is_an_error_in_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that holds the lock is waited for, but not for ever; the event loop never waits."""
    monkeypatch.setattr("rollout.adapters.journal.opening.BUSY", 0.3)
    async with opened(path) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            number = await begun(journal)
            other.execute("BEGIN IMMEDIATE")
            journal.append(number, Warned("1"))
            writing = asyncio.create_task(journal.written())
            for _ in range(10):
                await asyncio.sleep(0)
            assert not writing.done(), "the loop goes on meanwhile"
            with pytest.raises(JournalError, match="locked"):
                await writing
            other.execute("ROLLBACK")
        journal.append(number, Warned("2"))
        assert [record.event for record in await journal.records(number)][1:] == [Warned("1"), Warned("2")]


async def test_a_disk_that_hangs_is_waited_for_in_bounds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that does not answer at all is an error after a while, at the end too, and all can go on."""
    stuck = threading.Event()
    monkeypatch.setattr("rollout.adapters.journal.journal._PATIENCE", 0.2)
    monkeypatch.setattr("rollout.adapters.journal.journal._LAST_PATIENCE", 0.2)
    journal = await SqliteJournal.open(path)
    try:
        number = await begun(journal)
        journal._worker.submit(stuck.wait)
        journal.append(number, Warned("1"))
        with pytest.raises(JournalError, match=r"its disk did not answer within 0\.2 s"):
            await journal.written()
        with pytest.raises(JournalError, match="did not answer"):
            await journal.aclose()
    finally:
        stuck.set()

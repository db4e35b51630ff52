"""A journal that cannot be read or written is a JournalError, and what is in it stays."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollout.adapters.journal import SqliteJournal
from rollout.errors import JournalError
from rollout.events import Warned
from tests.support.journals import begun, ended, numbers, opened, run_python
from tests.support.needs import missing

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "rollout" / "journal.db"


async def test_a_journal_of_a_newer_rollout_is_refused(path: Path) -> None:
    """It is not touched, and the way out is named."""
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(JournalError, match=r"written by a newer rollout \(format 99") as caught:
            await SqliteJournal.open(path, read_only=read_only)
        assert caught.value.hint == "upgrade rollout"
    assert path.read_bytes() == before


async def test_events_of_a_newer_rollout_are_passed_over(path: Path) -> None:
    """A kind that is not known here does not hide the others."""
    async with opened(path) as journal:
        number = await begun(journal, "shop", Warned("known"))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("INSERT INTO events VALUES (?, 2, 0, 'MoonLanded', '{}', 0)", [number])
        assert [record.event for record in await journal.records(number)] == [Warned("known")]


@pytest.mark.parametrize("content", [b"this is no database, but long enough to be one\n" * 50, b"\0" * 4096])
async def test_a_file_that_is_no_database_is_an_error(path: Path, content: bytes) -> None:
    """It is left as it is."""
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"journal .*journal\.db: ") as caught:
        await SqliteJournal.open(path)
    assert caught.value.hint == "set XDG_STATE_HOME to choose another folder for it"
    assert path.read_bytes() == content


async def test_a_database_of_something_else_is_an_error(path: Path) -> None:
    """A table of the same name with other columns is not taken for a journal; what is in it stays."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE deployments (id INTEGER)")
    with pytest.raises(JournalError):
        await SqliteJournal.open(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("deployments",)]


async def test_a_damaged_journal_is_an_error(path: Path) -> None:
    """Fields that are no JSON, and pages that are overwritten, are told as such."""
    async with opened(path) as journal:
        number = await begun(journal)
        for _ in range(50):
            journal.append(number, Warned("x" * 500))
        await journal.written()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE events SET fields = '{' WHERE sequence = 3")
        with pytest.raises(JournalError):
            await journal.records(number)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(JournalError):
        async with opened(path) as journal:
            await journal.records(number)


async def test_a_folder_where_the_file_should_be_is_an_error(path: Path) -> None:
    """And so is a file where the folder should be."""
    path.mkdir(parents=True)
    with pytest.raises(JournalError, match=r"journal\.db"):
        await SqliteJournal.open(path)
    file = path.parent / "file"
    file.touch()
    with pytest.raises(JournalError):
        await SqliteJournal.open(file / "rollout" / "journal.db")


FAILS = """
import asyncio, os, resource, sys
from pathlib import Path
from rollout.errors import JournalError
from rollout.events import Warned
from tests.support.journals import begun, opened
path, user, largest = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

async def main():
    async with opened(path) as journal:
        number = await begun(journal)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        for count in range(5000):
            journal.append(number, Warned("x" * 1000))
            await journal.written()

os.setuid(user)
try:
    asyncio.run(main())
except JournalError as error:
    print(error)
    print(error.hint)
"""


UNLIMITED = 10**12


def ordinary_user(path: Path) -> int:
    """root may write everywhere: somebody else, who can reach the folder."""
    if os.geteuid() != 0:
        return os.geteuid()
    for folder in path.parents[:4]:
        folder.chmod(folder.stat().st_mode | 0o055)
    return NOBODY


@pytest.mark.parametrize("there", [False, True])
async def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path, there: bool) -> None:
    """Before the journal is made, and when it is there but another user's."""
    path = tmp_path / "journal.db"
    if there:
        async with opened(path):
            pass
        path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        printed = ended(run_python(FAILS, path, ordinary_user(path), UNLIMITED)).splitlines()
    finally:
        tmp_path.chmod(0o755)
    assert printed[0].startswith(f"journal {path}: ")
    assert printed[1] == "set XDG_STATE_HOME to choose another folder for it"


READS = """
import asyncio, os, sys
from pathlib import Path
from tests.support.journals import numbers, opened

async def main():
    async with opened(Path(sys.argv[1]), read_only=True) as journal:
        print(await numbers(journal))

os.setuid(int(sys.argv[2]))
asyncio.run(main())
"""


async def test_a_journal_that_may_not_be_written_can_be_read(tmp_path: Path) -> None:
    """Neither it nor its folder: SQLite's own files cannot be made beside it."""
    path = tmp_path / "journal.db"
    async with opened(path) as journal:
        number = await begun(journal)
    assert not path.with_name("journal.db-wal").exists()
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert ended(run_python(READS, path, ordinary_user(path))) == f"[{number}]\n"
    finally:
        tmp_path.chmod(0o755)


async def test_a_full_disk_is_an_error_and_loses_nothing_before_it(path: Path) -> None:
    """What was appended before stays, and once there is room the journal goes on."""
    printed = ended(run_python(FAILS, path, os.geteuid(), 300_000))
    assert printed.startswith(f"journal {path}: ")
    async with opened(path) as journal:
        (number,) = await numbers(journal)
        assert len(await journal.records(number)) > 5
        journal.append(number, Warned("room again"))
        await journal.written()


async def test_a_disk_that_was_full_for_a_while_loses_nothing(path: Path) -> None:
    """A fact that could not be written is written with the next one that can."""
    async with opened(path) as journal:
        number = await begun(journal)
        database = journal._database._database
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        journal.append(number, Warned("2" * 20_000))
        with pytest.raises(JournalError, match="full"):
            await journal.written()
        database.execute("PRAGMA max_page_count = 100000")
        journal.append(number, Warned("3"))
        found = [record.event for record in await journal.records(number)]
    assert found == [Warned("begun"), Warned("2" * 20_000), Warned("3")]


HOMELESS = """
import os
from rollout.adapters.journal import journal_path
from rollout.errors import JournalError
os.setuid(54321)
try:
    journal_path()
except JournalError as error:
    print(error.hint)
"""


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may have neither a name nor a home."""
    if os.geteuid() != 0:
        missing("needs root, to become a user without a name")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    assert ended(run_python(HOMELESS)) == "set XDG_STATE_HOME to choose another folder for it\n"


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9, 0.999])
async def test_a_torn_last_write(path: Path, tmp_path: Path, part: float) -> None:
    """Where the power went while something was written, all before it is there, and one can go on."""
    events = [Warned(f"{number} {'x' * 500}") for number in range(100)]
    torn = tmp_path / "torn" / "journal.db"
    torn.parent.mkdir()
    async with opened(path) as journal:
        number = await begun(journal, "shop", events[0])
        for event in events[1:]:
            journal.append(number, event)
            await journal.written()
        for name in ("journal.db", "journal.db-wal"):
            (torn.parent / name).write_bytes((path.parent / name).read_bytes())
    written = torn.with_name("journal.db-wal")
    whole = written.read_bytes()
    written.write_bytes(whole[: int(len(whole) * part)] + b"\xff" * 100)

    async with opened(torn) as journal:
        kept = [record.event for record in await journal.records(number)]
        assert kept == events[: len(kept)]
        assert len(kept) >= int(len(events) * part) - 10
        again = await begun(journal, "shop", Warned("goes on"))
        assert [record.event for record in await journal.records(again)] == [Warned("goes on")]

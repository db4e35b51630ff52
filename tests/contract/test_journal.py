"""The journal is real SQLite: nothing that is told is lost, whoever writes beside us and however we end."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollout.adapters.journal import SqliteJournal, journal_path
from rollout.domain import Outcome, Step
from rollout.errors import JournalError
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

ROOT = Path(__file__).parents[2]
NOBODY = 65534
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


@contextmanager
def opened(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(path)) as journal:
        yield journal


def run_python(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process with the project importable."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What a process printed that must end well."""
    with process:
        try:
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, error
    return out


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
            journal.append(number, EVENTS[0])
        other.execute("ROLLBACK")
        journal.append(number, EVENTS[1])
        assert [record.event for record in journal.records(number)] == EVENTS[:2]


def test_a_journal_of_a_newer_rollout_is_refused(path: Path) -> None:
    """It is not touched, and the way out is named."""
    with opened(path):
        pass
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"written by a newer rollout \(format 99") as caught:
        SqliteJournal(path)
    assert caught.value.hint == "upgrade rollout"
    assert path.read_bytes() == before


def test_events_of_a_newer_rollout_are_passed_over(path: Path) -> None:
    """A kind that is not known here does not hide the others."""
    with opened(path) as journal:
        number = journal.begin("shop")
        journal.append(number, Warned("known"))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("INSERT INTO events VALUES (?, 2, 0, 'MoonLanded', '{}')", [number])
        journal.append(number + 1, Warned("elsewhere"))
        assert [record.event for record in journal.records(number)] == [Warned("known")]


@pytest.mark.parametrize("content", [b"this is no database, but long enough to be one\n" * 50, b"\0" * 4096])
def test_a_file_that_is_no_database_is_an_error(path: Path, content: bytes) -> None:
    """It is left as it is."""
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"journal .*journal\.db: ") as caught:
        SqliteJournal(path)
    assert caught.value.hint == "XDG_STATE_HOME chooses another folder for it"
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_an_error(path: Path) -> None:
    """A table of the same name with other columns cannot be written to; what is in it stays."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE deployments (id INTEGER)")
    with pytest.raises(JournalError):
        SqliteJournal(path).begin("shop")


def test_a_damaged_journal_is_an_error(path: Path) -> None:
    """Fields that are no JSON, and pages that are overwritten, are told as such."""
    with opened(path) as journal:
        number = journal.begin("shop")
        for _ in range(50):
            journal.append(number, Warned("x" * 500))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE events SET fields = '{' WHERE sequence = 3")
        with pytest.raises(JournalError):
            journal.records(number)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(JournalError), opened(path) as journal:
        journal.records(number)


def test_a_folder_where_the_file_should_be_is_an_error(path: Path) -> None:
    """And so is a file where the folder should be."""
    path.mkdir(parents=True)
    with pytest.raises(JournalError, match=r"journal\.db"):
        SqliteJournal(path)
    file = path.parent / "file"
    file.touch()
    with pytest.raises(JournalError):
        SqliteJournal(file / "rollout" / "journal.db")


FAILS = """
import os, resource, sys
from pathlib import Path
from rollout.adapters.journal import SqliteJournal
from rollout.errors import JournalError
from rollout.events import Warned
path, user, largest = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
os.setuid(user)
try:
    journal = SqliteJournal(path)
    number = journal.begin("shop")
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    for count in range(5000):
        journal.append(number, Warned("x" * 1000))
except JournalError as error:
    print(error)
    print(error.hint)
"""


UNLIMITED = 10**12


def ordinary_user(path: Path) -> int:
    """root may write everywhere: somebody else, who can reach the folder."""
    if os.geteuid() != 0:
        return os.geteuid()
    for folder in path.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o055)
    return NOBODY


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path, there: bool) -> None:
    """Before the journal is made, and when it is there but another user's."""
    path = tmp_path / "journal.db"
    if there:
        SqliteJournal(path).close()
        path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        printed = ended(run_python(FAILS, path, ordinary_user(path), UNLIMITED)).splitlines()
    finally:
        tmp_path.chmod(0o755)
    assert printed[0].startswith(f"journal {path}: ")
    assert printed[1] == "XDG_STATE_HOME chooses another folder for it"


def test_a_full_disk_is_an_error_and_loses_nothing_before_it(path: Path) -> None:
    """What was appended before stays, and once there is room the journal goes on."""
    printed = ended(run_python(FAILS, path, os.geteuid(), 300_000))
    assert printed.startswith(f"journal {path}: ")
    with opened(path) as journal:
        (number,) = journal.deployments("shop")
        assert len(journal.records(number)) > 5
        journal.append(number, Warned("room again"))


def test_a_disk_that_was_full_for_a_while_loses_nothing(path: Path) -> None:
    """A fact that could not be written is written with the next one that can."""
    with opened(path) as journal:
        number = journal.begin("shop")
        journal.append(number, Warned("1"))
        (pages,) = journal._database.execute("PRAGMA page_count").fetchone()
        journal._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="full"):
            journal.append(number, Warned("2" * 20_000))
        journal._database.execute("PRAGMA max_page_count = 100000")
        journal.append(number, Warned("3"))
        found = [record.event for record in journal.records(number)]
    assert found == [Warned("1"), Warned("2" * 20_000), Warned("3")]


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
        pytest.skip("needs root, to become a user without a name")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    assert ended(run_python(HOMELESS)) == "XDG_STATE_HOME chooses another folder for it\n"


def test_many_facts_are_fast_to_find(path: Path) -> None:
    """The last deployment is found by its number, not by reading all of them."""
    with opened(path) as journal:
        plan = journal._database.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM events WHERE deployment = 1 ORDER BY sequence"
        ).fetchall()
        assert "SEARCH" in plan[0][3]
        assert len(plan) == 1

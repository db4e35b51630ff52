"""Verbs that only look work without a journal; those that change something do not begin."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_support import Ran, Shell, refused

UNKNOWN = "what earlier deployments did, and which nodes are left out, is not known\n"


def nowhere(shell: Shell) -> None:
    """A home in which nothing can be written, not even by root."""
    shell.environment["XDG_STATE_HOME"] = "/proc/nowhere"


def no_database(shell: Shell) -> None:
    """A file that is something else."""
    path = journal(shell)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database, but long enough to be one\n" * 50)


def damaged(shell: Shell) -> None:
    """A journal whose pages were overwritten."""
    assert shell.run("deploy").code == 0
    with closing(sqlite3.connect(journal(shell))) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with journal(shell).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (journal(shell).stat().st_size - 4096))
    (shell.folder / "restarted").unlink()


def newer(shell: Shell) -> None:
    """A journal of a newer rollout."""
    assert shell.run("history").code == 0
    with closing(sqlite3.connect(journal(shell))) as database:
        database.execute("PRAGMA user_version = 99")


TROUBLES = [nowhere, no_database, damaged, newer]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_looking_works_and_says_what_is_not_known(shell: Shell, trouble: object) -> None:
    """`status` shows what is there now, and `plan` what would be done; each warns on standard error."""
    assert callable(trouble)
    shell.write()
    trouble(shell)
    for ran in (shell.run("status"), shell.run("plan")):
        _warned(ran)
        assert "web1" in ran.out
        assert "deployed" not in ran.out
    found = shell.run("status", "--output", "json")
    _warned(found)
    assert json.loads(found.out)["deployment"] is None
    assert "journal" in json.loads(found.out)["journal_error"]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("words", [["deploy"], ["restore"], ["ready", "web1"]])
def test_what_changes_something_is_refused(shell: Shell, trouble: object, words: list[str]) -> None:
    """Nothing is touched, and the message says what to do."""
    assert callable(trouble)
    shell.write()
    trouble(shell)
    refused(shell.run(*words), 3, "journal", "hint: ")
    assert shell.restarted == []


def journal(shell: Shell) -> Path:
    return shell.folder / "state" / "rollout" / "journal.db"


def _warned(ran: Ran) -> None:
    assert ran.code == 0, ran.error
    assert ran.error.startswith("rollout: warning: ")
    assert ran.error.endswith(f"rollout: warning: {UNKNOWN}")

"""Output that nobody reads holds up neither the event loop nor the end."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from cli_support import Shell

from rollout.cli import output
from rollout.cli.output import UnblockedStream, unblocked_output
from rollout.views.jsonlines import lines_not_shown
from tests.support.until import wait

LINES = 40_000
"""Lines that are four times what a pipe holds, which is 64 KiB."""
TALKATIVE = 5_000
"""Lines that a command prints, of which `rollout` makes as many bytes."""


@contextmanager
def piped_output() -> Iterator[TextIO]:
    """The other end of standard output, which nobody reads yet. pytest sets its own before each test."""
    reading, writing = os.pipe()
    before = sys.stdout
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as sys.stdout:
        try:
            yield reader
        finally:
            sys.stdout = before


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_what_is_read_late_comes_whole_and_in_order() -> None:
    """Writing returns at once, though the pipe is full; standard output is itself again at the end."""
    with piped_output() as pipe:
        stream = sys.stdout
        with unblocked_output():
            write_lines()
            assert isinstance(sys.stdout, UnblockedStream)
            assert sys.stdout.behind
            assert [int(pipe.readline()) for _ in range(LINES)] == [*range(LINES)]
        assert sys.stdout is stream


@pytest.mark.parametrize("as_json", [False, True])
def test_the_oldest_lines_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    """Where nobody reads for too long, the newest lines are kept, and one line says how many were not; for
    programs it is an object like every other."""
    monkeypatch.setattr(output, "_MOST_WAITING", 10_000)
    with piped_output() as pipe, unblocked_output():
        assert isinstance(sys.stdout, UnblockedStream)
        if as_json:
            sys.stdout.notice = lines_not_shown
        write_lines()
        lines = [*iter(pipe.readline, f"{LINES - 1}\n")]
    notices = [line for line in lines if not line.strip().isdecimal()]
    counts = [json.loads(notice)["lines"] if as_json else int(notice.split()[1]) for notice in notices]
    assert sum(counts) == LINES - 1 - (len(lines) - len(notices))
    notice = f"… {counts[0]} lines were not shown, because nobody read them\n"
    assert as_json or notices[0] == notice


def test_nobody_is_waited_for_at_the_end_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the rest is dropped; whatever is printed then holds nobody up either."""
    monkeypatch.setattr(output, "_LAST_PATIENCE", 0.1)
    with piped_output():
        with unblocked_output():
            write_lines()
        write_lines()
        sys.stdout.flush()


def test_a_reader_that_goes_away_is_no_error() -> None:
    """A closed pipe must not end a deployment halfway."""
    with piped_output() as pipe, unblocked_output():
        pipe.close()
        write_lines()


def test_a_character_that_the_encoding_lacks_is_an_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everywhere else, so that nothing that is shown can end a deployment."""
    file = tmp_path / "file"
    with file.open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with unblocked_output():
            sys.stdout.write("1.4.1 → 1.4.2\n")
    assert file.read_text() == "1.4.1 \\u2192 1.4.2\n"


@pytest.mark.parametrize("mode", ["text", "json", "live"])
def test_a_deployment_whose_output_nobody_reads(shell: Shell, mode: str) -> None:
    """A command prints more than the pipe holds, or the terminal is stopped: the deployment goes on and ends,
    the lock gives signs of life meanwhile, and the journal has every line."""
    go_on = shell.folder / "go-on"
    shell.write(
        restart={
            "command": f"seq 1 {TALKATIVE}; until [ -e {go_on} ]; do sleep 0.05; done; "
            f'echo "$ROLLOUT_NODE" >> {shell.folder}/restarted'
        }
    )
    shell.environment["TERM"] = "xterm"
    terminal, inside = os.openpty()
    stdout = inside if mode == "live" else subprocess.PIPE
    words = ["deploy", "--output", "json"] if mode == "json" else ["deploy"]
    with os.fdopen(terminal), os.fdopen(inside), shell.start(*words, stdout=stdout) as deploying:
        try:
            beat = wait(lambda: [*(shell.folder / "state/rollout").glob("locks/*/beat")], "the lock")[0]
            wait(lambda: printed(shell) == TALKATIVE, "the printed lines")
            for _ in range(2):
                last = beat.stat().st_mtime_ns
                wait(lambda last=last: beat.stat().st_mtime_ns != last, "a sign of life", within=10)
            go_on.touch()
            assert deploying.wait(timeout=60) == 0
        finally:
            deploying.kill()
    assert shell.restarted == ["web1", "web2"]
    assert printed(shell) == 2 * TALKATIVE
    assert "done " in shell.run("history").out


def write_lines() -> None:
    for number in range(LINES):
        sys.stdout.write(f"{number}\n")


def printed(shell: Shell) -> int:
    """How many printed lines the journal has."""
    path = shell.folder / "state/rollout/journal.db"
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM printed WHERE kind = 'OutputSeen'").fetchone()
    return int(count)

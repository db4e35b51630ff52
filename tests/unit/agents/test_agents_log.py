"""The end of an application's log, which agents show when a restart has failed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rollout.agents.common import log, proc
from rollout.agents.common.log import Log, first_file


def test_only_what_is_written_from_now_on_is_shown(tmp_path: Path) -> None:
    """Of several files, the lines that were appended: the last 20 of them, without empty ones."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("before\n")
    second.write_text("before\n")
    shown = Log(map(str, (first, second, tmp_path / "missing")))
    assert (shown.has_files, shown.last_lines()) == (True, [])
    with first.open("a") as file:
        file.write("one\n\ntwo\n")
    with second.open("a") as file:
        file.write("three\n")
    assert shown.last_lines() == ["one", "two", "three"]
    with second.open("a") as file:
        file.writelines(f"{number}\n" for number in range(30))
    assert shown.last_lines() == [str(number) for number in range(10, 30)]
    assert list(shown.written()) == ["one", "", "two", "three", *map(str, range(30))]


def test_lines_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    """However many of them come after those that do."""
    path = tmp_path / "log"
    shown = Log([str(path)])
    path.write_text("it broke\n" + "request\n" * 1000)
    assert shown.last_lines(lambda line: line != "request") == ["it broke"]


def test_a_file_that_was_emptied_is_read_from_its_beginning(tmp_path: Path) -> None:
    """As after a rotation, of which the application knows and we do not."""
    path = tmp_path / "log"
    path.write_text("a long line of before\n")
    shown = Log([str(path)])
    path.write_text("new\n")
    assert shown.last_lines() == ["new"]


def test_the_journal_is_asked_only_where_no_file_has_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not at all where nothing says whose lines they would be."""
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\necho "journal: $*"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    path = tmp_path / "log"
    shown = Log([str(path)], lambda: ["-u", "shop.service"])
    assert [line.rpartition(" ")[2] for line in shown.last_lines()] == ["shop.service"]
    path.write_text("of the file\n")
    assert shown.last_lines() == ["of the file"]
    assert Log([]).last_lines() == []


@pytest.mark.parametrize(
    "line",
    ["exec sleep 60 > {log}", "exec sleep 60 2> {log}", "exec sleep 60 7>> {log}"],
    ids=["standard output", "standard error", "appended to"],
)
def test_the_log_of_a_process_is_what_it_writes_to(tmp_path: Path, line: str) -> None:
    """Its standard output and error, and the files that it appends to; no other file."""
    path = tmp_path / "log"
    command = line.format(log=path) + f" 8> {tmp_path / 'data'}"
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(["sh", "-c", command], stdout=nowhere, stderr=nowhere)
    try:
        while not (tmp_path / "data").exists():
            assert process.poll() is None
        found = proc.find(process.pid)
        assert found is not None
        shown = log.of_process(found)
        path.write_text("it broke\n")
        (tmp_path / "data").write_text("no log\n")
        assert shown.last_lines() == ["it broke"]
    finally:
        process.kill()
        process.wait()


def test_the_first_path_that_is_a_file(tmp_path: Path) -> None:
    """A terminal, a pipe or a folder is no log to read."""
    path = tmp_path / "log"
    path.touch()
    (tmp_path / "link").symlink_to(path)
    assert first_file(["/dev/null", str(tmp_path), str(tmp_path / "link")]) == [str(path)]
    assert first_file(["/dev/null", "/no/such"]) == []

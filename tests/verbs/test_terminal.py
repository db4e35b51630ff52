"""What reaches a terminal: the live table, and nothing that a node would have it do."""

from __future__ import annotations

import os
import pty
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

import pytest
from cli_support import Shell

from tests.support.until import wait

HOSTILE = r"printf '\033]0;title\007 \033[2J \302\233 \342\200\256 line\n'; exit 1"
"""A window title, a cleared screen, a C1 control and a turned direction."""


class Terminal:
    """A terminal on which a command runs, and all that was written to it."""

    def __init__(self, process: Popen[str], end: int) -> None:
        self.process = process
        self.written = ""
        self._end = end
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._end, 65536):
                self.written += data.decode(errors="replace")
        except OSError:  # the other side is closed
            pass

    def shows(self, *parts: str) -> None:
        """Wait until everything is written."""
        wait(lambda: all(part in self.written for part in parts), f"{parts}")

    def type(self, text: str) -> None:
        """As a person types, who reads first."""
        os.write(self._end, text.encode())

    def code(self) -> int:
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code


@contextmanager
def terminal(shell: Shell, *words: str, asked: bool = False) -> Iterator[Terminal]:
    """`asked` says that somebody is there to answer."""
    shell.environment |= {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    ours, theirs = pty.openpty()
    process = shell.start(*words, stdout=theirs, **({"stdin": theirs} if asked else {}))
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


@pytest.mark.parametrize("live", [False, True])
def test_what_a_node_prints_is_shown_and_not_sent(shell: Shell, live: bool) -> None:
    """Control characters are written as they would be typed, in the table, in lines and at the end."""
    shell.write(restart={"command": HOSTILE})
    if live:
        with terminal(shell, "deploy") as screen:
            assert screen.code() == 1
            written = screen.written
    else:
        ran = shell.run("deploy")
        assert (ran.code, ran.error) == (1, "")
        written = ran.out
        assert "\x1b" not in written
    assert r"\x1b]0;title\x07" in written
    for control in ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e"):
        assert control not in written


def test_the_table_says_what_becomes_of_an_interrupted_deployment(shell: Shell) -> None:
    """First that the node in flight is waited for, then that it is ended, then what was left out."""
    shell.write(restart={"command": f"touch {shell.folder}/begun; sleep 60"})
    with terminal(shell, "deploy") as screen:
        wait((shell.folder / "begun").exists, "the restart")
        screen.process.send_signal(signal.SIGINT)
        screen.shows("halted, no further node starts: SIGINT", "halted, 1 in flight")
        screen.process.send_signal(signal.SIGTERM)
        screen.shows("SIGTERM again: bringing the nodes in flight to a safe end at once")
        assert screen.code() == 130
        screen.shows("web1 failed at restart", "left out: it takes no traffic", "1 untouched: web2")
        screen.shows("rollout resume -i rollout.yml", "rollout restore -i rollout.yml")
    assert list((shell.folder / "draining").iterdir()) == [shell.folder / "draining" / "web1"]


QUESTION = "no --release is given: restart shop on 2 nodes, with the release they have? [y/N] "


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 3), ("n", 3)])
def test_a_restart_is_asked_about_once(shell: Shell, answer: str, code: int) -> None:
    """A release that was forgotten restarts nothing."""
    shell.write()
    with terminal(shell, "deploy", asked=True) as screen:
        screen.shows(QUESTION)
        screen.type(f"{answer}\n")
        assert screen.code() == code
    assert shell.restarted == (["web1", "web2"] if answer == "y" else [])
    assert screen.written.count(QUESTION) == 1
    assert ("nothing was touched" in screen.written) == (answer != "y")


@pytest.mark.parametrize("words", [("deploy", "--yes"), ("deploy", "--release", "2")])
def test_what_is_meant_is_not_asked_about(shell: Shell, words: tuple[str, ...]) -> None:
    """A release, or `--yes`, says enough."""
    shell.write()
    with terminal(shell, *words, asked=True) as screen:
        assert screen.code() == 0
    assert "[y/N]" not in screen.written
    assert shell.restarted == ["web1", "web2"]


def test_nobody_is_asked_where_nobody_is(shell: Shell) -> None:
    """In CI a restart begins at once, also where a terminal is imitated for the colours alone."""
    shell.write()
    with terminal(shell, "deploy") as screen:
        assert screen.code() == 0
    assert shell.run("deploy").code == 0
    assert shell.restarted == ["web1", "web2"] * 2

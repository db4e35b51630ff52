"""A deployment that waits after its canary goes on when somebody says so."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from cli_support import Shell, refused

from tests.support.until import wait

PAUSED = "paused: the canary web1 is done; continue with: rollout promote -i rollout.yml"


@contextmanager
def deploying(shell: Shell, **options: int) -> Iterator[subprocess.Popen[str]]:
    shell.write(strategy={"canary": 1, "pause": "after-canary"})
    process = shell.start("deploy", "--yes", **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def paused(shell: Shell) -> bool:
    return PAUSED in shell.run("status").out


def test_promote_lets_it_go_on_from_another_terminal(shell: Shell) -> None:
    """`status` says what it waits for; the other node follows once it is promoted."""
    with deploying(shell) as process:
        wait(lambda: paused(shell), "the pause")
        assert shell.restarted == ["web1"]
        assert shell.run("promote").out == "asked: the deployment continues, if it is paused\n"
        out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert PAUSED in out
    assert "continues: " in out
    assert "asked to continue" in out
    assert shell.restarted == ["web1", "web2"]


def test_enter_lets_it_go_on(shell: Shell) -> None:
    """On the terminal on which it runs."""
    shell.environment |= {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    ours, theirs = pty.openpty()
    try:
        with deploying(shell, stdin=theirs, stdout=theirs) as process:
            wait(lambda: paused(shell), "the pause")
            os.write(ours, b"\n")
            assert process.wait(timeout=60) == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert shell.restarted == ["web1", "web2"]


def test_a_halted_pause_is_resumed(shell: Shell) -> None:
    """Nobody has to wait: `halt` ends it there, and `resume` does the others without another canary."""
    with deploying(shell) as process:
        wait(lambda: paused(shell), "the pause")
        assert shell.run("halt").code == 0
        assert process.wait(timeout=60) == 130
    assert shell.run("resume").code == 0
    assert shell.restarted == ["web1", "web2"]


def test_nothing_to_promote(shell: Shell) -> None:
    """Where no deployment runs it is refused."""
    shell.write()
    refused(shell.run("promote"), 3, "no deployment of shop is running")

"""Who watches a process, found among real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed
from rollout.agents.common.watcher import require_follower, watcher_of
from tests.support.until import wait
from tests.support.users import need_root

Start = Callable[..., Process]
RUNS = "import subprocess, sys; subprocess.run(sys.argv[1:])"
IN_A_SHELL = ("sh", "-c", "sleep 120; true")
LEFT_BY_ITS_STARTER = ("setsid", "sh", "-c", "sleep 120 & exit")
IN_A_CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command, and returns the `sleep 120` that runs below it, or that it has left."""
    started: list[subprocess.Popen[bytes]] = []
    before = set(sleeping())

    def start(*words: str, executable: str | None = None) -> Process:
        started.append(subprocess.Popen(words, executable=executable, start_new_session=True))
        return wait(lambda: next((one for one in sleeping() if one not in before), None), "it to sleep")

    yield start
    for process in sleeping():
        if process not in before:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    for command in started:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
        command.wait()


def sleeping() -> list[Process]:
    return [one.process for one in proc.everything() if proc.command_line(one.process) == ["sleep", "120"]]


@pytest.mark.parametrize("name", ["honcho", "circusd", "supervisord"])
def test_a_supervisor_is_known_by_the_script_that_python_runs(
    start: Start, tmp_path: Path, name: str
) -> None:
    """Its child may be the shell of a start script, which ends when the service does."""
    (tmp_path / name).write_text(RUNS)
    watcher = watcher_of(start(sys.executable, str(tmp_path / name), *IN_A_SHELL))
    assert watcher is not None
    assert watcher.name.startswith(f"{name} (process ")
    assert watcher.starts_again


def test_a_supervisor_is_known_by_its_title(start: Start) -> None:
    """Such as pm2, which changes its command line."""
    title = "PM2 v6.0.5: God Daemon (/root/.pm2)"
    watched = start(title, "-c", RUNS, "sleep", "120", executable=sys.executable)
    with pytest.raises(Failed, match=r"watched by PM2 \(process .* use mode: rolling, or restart.command"):
        require_follower(watched, "/run/shop.pid", "mode: rolling")


def test_nobody_watches_the_child_of_another_program(start: Start) -> None:
    """Nor what a shell runs that somebody has started by hand."""
    assert watcher_of(start(sys.executable, "-c", RUNS, *IN_A_SHELL)) is None


def test_nobody_watches_what_its_starter_has_left(start: Start) -> None:
    """It has got another parent, which did not start it."""
    require_follower(start(*LEFT_BY_ITS_STARTER), "/run/shop.pid")


def test_a_container_ends_with_its_first_process(start: Start) -> None:
    """That may be the shell which waits for the service."""
    need_root()
    for words in (("sleep", "120"), IN_A_SHELL):
        watched = start(*IN_A_CONTAINER, *words)
        with pytest.raises(Failed, match=r"the container ends .*; use restart\.docker"):
            require_follower(watched, "/run/shop.pid")
        os.kill(watched.pid, signal.SIGKILL)
        wait(lambda process=watched: not proc.lives(process), "its end")


def test_a_container_does_not_end_with_what_it_has_adopted(start: Start) -> None:
    """A daemon is a child of the first process, which waits for another one."""
    need_root()
    left = " ".join(LEFT_BY_ITS_STARTER).replace("sleep 120 & exit", "'sleep 120 & exit'")
    assert watcher_of(start(*IN_A_CONTAINER, "sh", "-c", f"{left}; sleep 100; true")) is None

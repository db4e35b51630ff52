"""A real gunicorn whose master is watched: another master would be one that its watcher does not know."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gunicorn_support import HERE, PORT, VERSIONS, GunicornShop

from rollout.agents.common.talk import Untouched
from tests.support.needs import missing
from tests.support.until import wait

GUNICORN = " ".join([*VERSIONS["script"], "-c", "gunicorn.conf.py", "shop"])
SUPERVISOR = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisor.log
pidfile={folder}/supervisor.pid
[program:shop]
command={gunicorn}
"""


def by_supervisor(folder: Path) -> list[str]:
    (folder / "supervisor.conf").write_text(SUPERVISOR.format(folder=folder, gunicorn=GUNICORN))
    return ["/usr/bin/supervisord", "--configuration", "supervisor.conf"]


def by_runit(folder: Path) -> list[str]:
    """The shell of its script waits for gunicorn."""
    run = folder / "service/run"
    run.parent.mkdir()
    run.write_text(f"#!/bin/sh\ncd {folder}\n{GUNICORN}\nexit 1\n")
    run.chmod(0o755)
    return ["/usr/bin/runsv", "service"]


@contextmanager
def started(shop: GunicornShop, words: list[str]) -> Iterator[None]:
    if not Path(words[0]).exists():
        missing(f"needs {words[0]}")
    shop.put("1")
    watcher = subprocess.Popen(
        words,
        cwd=shop.folder,
        env={**os.environ, "ROOT": str(HERE.parents[2]), "ADDRESS": f"{shop.host}:{PORT}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait(lambda: shop.pidfile.exists() and len(shop.serving()) == 3, "three workers", log=shop.log)
        yield
    finally:
        watcher.kill()
        watcher.wait()


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (by_supervisor, "watched by supervisord (process "),
        (by_runit, "watched by runsv (process "),
    ],
)
def test_a_master_that_a_supervisor_watches_is_not_replaced(
    newest: GunicornShop, by: Callable[[Path], list[str]], told: str
) -> None:
    """It would be started again beside the new one: that is refused before anything is signalled."""
    with started(newest, by(newest.folder)):
        old, master = newest.workers(), newest.master
        status, printed = newest.restart("upgrade", check=True)
        assert status == 1
        assert told in printed
        assert "use mode: rolling, or restart." in printed
        assert newest.restart("upgrade")[0] == Untouched.exit_status
        assert (newest.master, newest.workers(), newest.left_behind()) == (master, old, [])
        status, printed = newest.restart("rolling", check=True)
        assert status == 0, printed

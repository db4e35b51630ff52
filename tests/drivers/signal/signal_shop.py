"""A parent with children, which signals replace, for the tests of `restart: signal`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rollout.agents.common.proc import Process, find
from tests.support.until import wait

FORKING = Path(__file__).with_name("forking.py")
Start = Callable[..., Process]


@pytest.fixture
def pidfile(tmp_path: Path) -> Path:
    return tmp_path / "shop.pid"


@pytest.fixture
def start(pidfile: Path) -> Iterator[Start]:
    """Starts the parent with a release, and ends it, and all that came after it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(release: str = "") -> Process:
        pidfile.with_suffix(".release").write_text(release)
        started.append(subprocess.Popen([sys.executable, str(FORKING), str(pidfile)], start_new_session=True))
        wait(lambda: pidfile.exists() and pidfile.read_text(), "the pidfile")
        return named(pidfile)

    yield start
    for pid in _of(pidfile):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in started:
        process.wait()


def _of(pidfile: Path) -> list[int]:
    """The ids of all processes that were started with the pidfile, also of those whose parent has died."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(pidfile).encode() in line.read_bytes().split(b"\0"):
                found.append(int(line.parent.name))
    return found


def named(pidfile: Path) -> Process:
    """The process that the pidfile names."""
    found = find(int(pidfile.read_text()))
    assert found is not None
    return found

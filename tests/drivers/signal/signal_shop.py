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
    """Starts the parent with a release, and ends it and whatever took its place."""
    started: list[subprocess.Popen[bytes]] = []

    def start(release: str = "") -> Process:
        pidfile.with_suffix(".release").write_text(release)
        started.append(subprocess.Popen([sys.executable, str(FORKING), str(pidfile)], start_new_session=True))
        wait(lambda: pidfile.exists() and pidfile.read_text(), "the pidfile")
        return named(pidfile)

    yield start
    groups = {process.pid for process in started}
    with suppress(OSError, ValueError):
        groups.add(int(pidfile.read_text()))
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for process in started:
        process.wait()


def named(pidfile: Path) -> Process:
    """The process that the pidfile names."""
    found = find(int(pidfile.read_text()))
    assert found is not None
    return found

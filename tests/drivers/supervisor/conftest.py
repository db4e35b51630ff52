"""A supervisord of a test's own. Its programs run what the release that is on disk says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.agents.common.proc import Process, children
from tests.support.loopback import own_address
from tests.support.needs import missing
from tests.support.until import wait

PROGRAM = Path("/usr/bin/supervisord")
SHOP = Path(__file__).with_name("shop.py")
CONFIGURATION = """\
[supervisord]
nodaemon=true
logfile={folder}/log
pidfile={folder}/pid
childlogdir={folder}
[unix_http_server]
file={folder}/socket
[supervisorctl]
serverurl=unix://{folder}/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


class Supervisor:
    """Its folder is where its control is to be run: it finds its configuration there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = own_address()
        self.put("1.4")

    def put(self, release: str) -> None:
        """Put it on disk: what is started from now on is of it. A `broken` one says why it cannot start."""
        (self.folder / "release").write_text(release)

    def shop(self, processes: int, *, startsecs: int = 0) -> str:
        """The configuration of a program that serves, each of its processes at a port of its own.

        It is tried once only to start one of them.
        """
        command = f"{sys.executable} {SHOP} {self.address} 800%(process_num)d"
        lines = (
            *("[program:shop]", f"command={command}", f"numprocs={processes}"),
            *("process_name=shop_%(process_num)d", f"startsecs={startsecs}", "startretries=0"),
        )
        return "\n".join([*lines, ""])

    def control(self, *words: str) -> str:
        command = ["/usr/bin/supervisorctl", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=30).stdout

    def pids(self, *options: str) -> dict[str, int]:
        """Of the processes that run, by name."""
        lines = [line.split() for line in self.control(*options, "status").splitlines()]
        return {name: int(more[1].rstrip(",")) for name, state, *more in lines if state == "RUNNING"}


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """One that is not started yet; what the test runs is run in its folder."""
    if not PROGRAM.exists():
        reason = "needs the package supervisor"
        missing(reason)
    monkeypatch.chdir(tmp_path)
    return Supervisor(tmp_path)


@pytest.fixture
def start(supervisor: Supervisor) -> Iterator[Callable[..., None]]:
    """Starts it with programs, and waits until so many of their processes run; all are stopped at the end."""
    folder = supervisor.folder
    started: list[subprocess.Popen[bytes]] = []

    def start(*programs: str, run: int, name: str = "supervisord.conf") -> None:
        (folder / name).write_text(CONFIGURATION.format(folder=folder) + "".join(programs))
        with (folder / "output").open("wb") as output:
            words = [PROGRAM, "--configuration", name]
            started.append(subprocess.Popen(words, stdout=output, stderr=output))
        log = folder / "log"
        log.touch()
        wait(lambda: log.read_text().count("entered RUNNING state") == run, "it to run", log=log.read_text)

    yield start
    for process in started:
        orphans = children(Process(process.pid, 0))
        for pid in (process.pid, *(orphan.pid for orphan in orphans)):
            os.kill(pid, signal.SIGKILL)
        process.wait()

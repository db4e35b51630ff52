"""A real uWSGI with an application of which every release is one file."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed
from rollout.agents.uwsgi import processes
from rollout.inventory.restart import Uwsgi
from rollout.restart.uwsgi import plan_restart
from tests.support.background import Background
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import wait

PORT = 8000
LAZY = ("lazy = true", "need-app = true")
ONE_FIFO = ("master-fifo = %d/shop.fifo",)
REFORK = (
    "need-app = true",
    "master-fifo = %d/new.fifo",
    "master-fifo = %d/shop.fifo",
    "master-fifo = %d/old.fifo",
    "if-exists = %d/shop.fifo",
    "hook-accepting1-once = writefifo:%d/shop.fifo 2q",
    "endif =",
    "hook-accepting1-once = writefifo:%d/new.fifo 1",
)
SETTINGS = {"chain": (*ONE_FIFO, *LAZY), "refork": REFORK, "reload": (*ONE_FIFO, "need-app = true")}
APPLICATION = """\
import os, time
{first}
def application(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"{release} %d" % os.getpid()]
"""
ONLY_SERVING = "import uwsgi\nif 'no-server' not in uwsgi.opt: {what}"
"""What a trial does not show."""


class Server:
    """`start` takes lines of uwsgi.ini; `put` a release in place of the one that lies on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = own_address()
        self.fifo = folder / "shop.fifo"
        self.ini = folder / "shop.ini"
        self.steady = 0.1
        """Seconds for which new workers must live, where no deployment tests that."""
        self._started: list[subprocess.Popen[bytes]] = []

    def write(self, release: str, first: str = "") -> Path:
        """A release as a file; `first` is what its import does."""
        path = self.folder / f"{release}.txt"
        path.write_text(APPLICATION.format(release=release, first=first))
        return path

    def put(self, release: str, first: str = "") -> None:
        self.write(release, first).replace(self.folder / "shop_application.py")

    def start(
        self,
        *settings: str,
        workers: int = 2,
        command: Sequence[str] = (),
        words: Sequence[str] = (),
        plugin: str = "plugin = python3",
        environment: Mapping[str, str] = {},
        **popen: Any,
    ) -> None:
        """By its ini file, unless a command, or the words after uWSGI's name, say how."""
        lines = (
            "[uwsgi]",
            plugin,
            "master = true",
            f"workers = {workers}",
            f"http-socket = {self.host}:{PORT}",
            "chdir = %d",
            "env = PYTHONDONTWRITEBYTECODE=1",
            "module = shop_application",
            "worker-reload-mercy = 10",
            "logto = %d/shop.log",
            *settings,
        )
        self.ini.write_text("\n".join(lines) + "\n")
        self._started.append(
            subprocess.Popen(
                command or ["uwsgi", *(words or ("--ini", str(self.ini)))],
                env={**os.environ, **environment, "FOLDER_OF_TEST": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **popen,
            )
        )
        self.wait(lambda: len(self.workers()) == workers, f"{workers} workers")
        self.wait(lambda: bool(self.master()), "the master to read its FIFO")

    def deploy(self, mode: str, release: str, timeout: str = "60s") -> subprocess.CompletedProcess[str]:
        """End to end; the release must have been written."""
        sections = {
            "release": {"command": f'cd {self.folder} && cp "$ROLLOUT_RELEASE.txt" shop_application.py'},
            "restart": {"uwsgi": {"fifo": str(self.fifo), "mode": mode}, "timeout": timeout},
        }
        inventory = write_inventory(self.folder / "inventory.yml", sections)
        return rollout("deploy", "--release", release, inventory=inventory)

    def restart(self, mode: str, timeout: float = 60.0) -> tuple[int, str]:
        """The driver alone: its exit status, and what it printed."""
        with patch("rollout.restart.driver.STEADY", self.steady):
            line = plan_restart(Uwsgi(fifo=str(self.fifo), mode=mode), timeout, str).command
        return run(line)

    def check(self, mode: str) -> tuple[int, str]:
        """What preflight asks."""
        return run(plan_restart(Uwsgi(fifo=str(self.fifo), mode=mode), 60.0, str).precheck)

    def master(self) -> Process | None:
        """The one that reads the FIFO."""
        try:
            return processes.reader(str(self.fifo))
        except Failed:
            return None

    def workers(self) -> set[Process]:
        """Those that accept, of every master."""
        found = self._processes()
        return {worker for one in found for worker in processes.accepting(one)}

    def load(self) -> Load:
        return Load(self.host, PORT, rate=50.0)

    def wait(self, true: Callable[[], bool], what: str) -> None:
        log = self.folder / "shop.log"
        wait(true, what, log=lambda: log.read_text() if log.exists() else "")

    def stop(self) -> None:
        """Also masters that were not started by us but by another master."""
        for started in self._started:
            started.kill()
        while found := self._processes():
            for process in found:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            for started in self._started:
                started.wait()

    def _processes(self) -> list[Process]:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        found = [process for process in map(proc.find, pids) if process is not None]
        return [
            process
            for process in found
            if str(self.ini) in proc.command_line(process) or _folder(process) == str(self.folder)
        ]


def _folder(process: Process) -> str | None:
    """That of the server that the process belongs to."""
    with suppress(OSError):
        return proc.environment(process).get("FOLDER_OF_TEST")
    return None


class Capacity(Background):
    """The fewest workers that were seen to accept, until the block ends."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.least = len(server.workers())

    def _run(self) -> None:
        while not self._ends.wait(0.1):
            self.least = min(self.least, len(self._server.workers()))


def run(line: str | None) -> tuple[int, str]:
    assert line is not None
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=90)
    assert done.stderr == ""
    return done.returncode, done.stdout

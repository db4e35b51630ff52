"""The example service: its broker in a thread, its supervisor and workers as processes."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from rollout.agents.common.proc import children, find
from rollout.inventory.restart import Processes
from rollout.restart import processes
from tests.drivers.processes.jobs import Jobs
from tests.support.command import rollout, write_inventory
from tests.support.until import wait

EXAMPLE = Path(__file__).parents[3] / "examples" / "zeromq"
WORKERS = 3
WORK = """\
import os, time

def work(job):
    command, _, path = job.decode().partition(" ")
    if command == "hang" and once(path):
        time.sleep(60)
    return b"{release}"

def once(path):
    try:
        file = open(path, "x")
    except FileExistsError:
        return False
    with file:
        file.write(str(os.getpid()))
    return True

"""
"""`hang PATH` hangs in the worker that gets it first, and whose id is written to PATH."""


def _broker_class() -> Any:
    spec = importlib.util.spec_from_file_location("zeromq_broker", EXAMPLE / "broker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Broker


class Watched(_broker_class()):  # type: ignore[misc]
    """The broker, which notes how many workers it has after each message of one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.counts: list[int] = []

    def from_worker(self, *frames: bytes) -> None:
        super().from_worker(*frames)
        self.counts.append(len(self.idle) + len(self.busy))


class Service:
    """Three workers of release 1.0. A job runs again elsewhere after a second."""

    def __init__(self, folder: Path, *, silence: float = 60.0) -> None:
        self.folder = folder
        self.pidfile = folder / "supervisor.pid"
        self.beats = folder / "beats"
        self.log = folder / "log"
        self.beats.mkdir()
        self._clients, self._workers = f"ipc://{folder}/c", f"ipc://{folder}/w"
        self._silence = silence
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def add(self, release: str, more: str = "") -> None:
        """A release whose work module goes on with `more`."""
        release_folder = self.folder / "releases" / release
        release_folder.mkdir(parents=True)
        (release_folder / "worker.py").write_text((EXAMPLE / "worker.py").read_text())
        (release_folder / "work.py").write_text(WORK.format(release=release) + more)

    def switch(self, release: str) -> None:
        """What `release.command` does in a deployment."""
        subprocess.run(["ln", "-sfn", f"releases/{release}", self.folder / "current"], check=True)

    def settings(self, **changes: Any) -> dict[str, Any]:
        paths = {"pidfile": str(self.pidfile), "beats": str(self.beats), "log": str(self.log)}
        return {**paths, "ready": "20s", "drain": "20s", **changes}

    def deploy(
        self, release: str, *, on_failure: str = "halt", **changes: Any
    ) -> subprocess.CompletedProcess[str]:
        line = f'ln -sfn "releases/$ROLLOUT_RELEASE" {self.folder}/current'
        start = f"setsid {' '.join(self._words())} >>{self.log} 2>&1 &"
        sections = {
            "release": {"command": line},
            "restart": {"processes": self.settings(**changes), "start": start, "timeout": "60s"},
            "strategy": {"on_failure": on_failure},
        }
        write_inventory(self.folder / "shop.yml", sections)
        return self.rollout("deploy", "--release", release)

    def rollout(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it with the inventory of the last deployment."""
        return rollout(*words, inventory=self.folder / "shop.yml")

    def jobs(self) -> Jobs:
        return Jobs(self._clients)

    def restart(self, *, check: bool = False, **changes: Any) -> list[str]:
        """The words of a command that restarts it, or checks whether it can be, as on a node."""
        plan_restart = processes.plan_restart(Processes(**self.settings(**changes)), 60.0, str)
        line = plan_restart.precheck if check else plan_restart.command
        assert line is not None
        return ["sh", "-c", line]

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> set[int]:
        """The ids of those that live and have beaten."""
        beating = {int(file.name) for file in self.beats.iterdir()}
        return {pid for pid in beating if find(pid) is not None}

    def wait(self, true: Callable[[], object], what: str) -> None:
        wait(true, what, log=self.log.read_text)

    def pid_in(self, file: Path) -> int:
        """The id that a worker writes there."""
        self.wait(lambda: file.exists() and file.read_text(), str(file))
        return int(file.read_text())

    def __enter__(self) -> Self:
        self.add("1.0")
        self.switch("1.0")
        self.broker = Watched(self._clients, self._workers, 1.0)
        self._thread.start()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self._words(), stdout=log, stderr=log, start_new_session=True)
        self.wait(lambda: len(self.workers()) == WORKERS and self.pidfile.exists(), "the workers")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            self._end(int(self.pidfile.read_text()))  # another one may have been started
        self._end(self.pid)
        self.process.wait()
        self._ends.set()
        self._thread.join()
        zmq.Context.instance().destroy(linger=0)

    def _words(self) -> list[str]:
        """The command that runs the supervisor."""
        arguments = [self.pidfile, self.beats, self.folder / "current", self._workers, WORKERS, self._silence]
        return [sys.executable, str(EXAMPLE / "supervisor.py"), *map(str, arguments)]

    def _end(self, pid: int) -> None:
        found = find(pid)
        if found:
            os.kill(pid, signal.SIGSTOP)  # so that it starts no others
            for process in (*children(found), found):
                os.kill(process.pid, signal.SIGKILL)

    def _serve(self) -> None:
        while not self._ends.is_set():
            self.broker.turn()

"""A gunicorn of either version, and what a test sees of it while it is restarted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.gunicorn.workers import serves, workers
from rollout.inventory.restart import Gunicorn
from rollout.restart.gunicorn import plan_restart
from tests.support.background import Background
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import wait

Agent = subprocess.Popen[str]
HERE = Path(__file__).parent
VERSIONS = {
    "newest": [sys.executable, "-m", "gunicorn"],
    "script": [str(Path(sys.executable).with_name("gunicorn"))],
    "Debian's": ["/usr/bin/gunicorn"],
    "titled": [
        "bash",
        "-c",
        'exec -a "gunicorn: master [shop]" "$0" "$@"',
        "/usr/bin/python3",
        "-m",
        "gunicorn",
    ],
}
PORT = 8000


class GunicornShop:
    """A gunicorn with three workers in a folder of its own."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self.pidfile = folder / "shop.pid"
        self.host = own_address()
        self.hold = 0.1
        """Seconds for which new code must go on, on trial, where no deployment tests that."""
        self._command = command
        self._started: subprocess.Popen[bytes] | None = None
        for name in ("shop.py", "shop_asgi.py", "gunicorn.conf.py"):
            shutil.copy(HERE / name, folder)
        (folder / "able").mkdir()

    def put(self, release: str) -> None:
        """Another release lies on the disk; its first word is its name."""
        (self.folder / "release").write_text(release)

    def start(self, *options: str, app: str = "shop", user: str | None = None, **environment: str) -> None:
        self.put("1")
        become = [f"--reuid={user}", "--clear-groups"] if user else []
        self._started = subprocess.Popen(
            ["setpriv", *become, *self._command, "-c", "gunicorn.conf.py", *options, app],
            cwd=self.folder,
            env={**os.environ, "ROOT": str(HERE.parents[2]), "ADDRESS": f"{self.host}:{PORT}", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait(lambda: self.pidfile.exists() and len(self.serving()) == 3, "three workers", log=self.log)

    def configure(self, *lines: str) -> None:
        """Add lines to the configuration file."""
        with (self.folder / "gunicorn.conf.py").open("a") as file:
            file.write("\n".join(["", *lines, ""]))

    def log(self) -> str:
        path = self.folder / "shop.log"
        return path.read_text() if path.exists() else ""

    def report_by_hand(self) -> str:
        """Take the configuration that reports by plain UDP; returns where to."""
        shutil.copy(HERE / "by_hand.conf.py", self.folder / "gunicorn.conf.py")
        return f"udp://{self.host}:4012"

    def end(self) -> None:
        """All that was started, whoever is master by now."""
        found = {self._started.pid} if self._started else set()
        for pidfile in (self.pidfile, Path(f"{self.pidfile}.2")):
            with suppress(OSError, ValueError):
                found.add(int(pidfile.read_text()))
        doomed = [process for process in map(proc.find, found) if process]
        doomed += [child for process in doomed for child in proc.children(process)]
        for process in doomed:
            for each in [process, *proc.children(process)]:
                with suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
        if self._started:
            self._started.wait()

    @property
    def started_pid(self) -> int:
        """The id of the master that the test has started."""
        assert self._started is not None
        self._started.poll()
        return self._started.pid

    @property
    def master(self) -> Process:
        return proc.of_pidfile(str(self.pidfile))

    def workers(self) -> set[Process]:
        return set(workers(self.master))

    def serving(self) -> list[Process]:
        """The workers that serve, as the agent sees it."""
        return [worker for worker in self.workers() if serves(worker)]

    def able(self) -> list[int]:
        """The workers that take requests."""
        return [int(name) for name in os.listdir(self.folder / "able")]

    def load(self) -> Load:
        return Load(self.host, PORT, rate=60)

    def settings(self, mode: str, **more: Any) -> dict[str, Any]:
        return {"pidfile": str(self.pidfile), "mode": mode, **more}

    def deploy(self, mode: str, release: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """`rollout deploy` of a release, which is put on the disk by its step `release`."""
        sections = {
            "release": {"command": f'printf %s "$ROLLOUT_RELEASE" > {self.folder}/release'},
            "restart": {"gunicorn": self.settings(mode, **settings)},
        }
        inventory = write_inventory(self.folder / "shop.yml", sections)
        return rollout("deploy", "--release", release, inventory=inventory)

    def agent(self, mode: str, *, check: bool = False, timeout: float = 60, **settings: Any) -> Agent:
        """What runs on the node, without `rollout` around it."""
        with patch("rollout.restart.driver.STEADY", self.hold):
            restart = plan_restart(Gunicorn(**self.settings(mode, **settings)), timeout, str)
        line = restart.precheck if check else restart.command
        assert line is not None
        return subprocess.Popen(
            ["sh", "-c", line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def restart(self, mode: str, **settings: Any) -> tuple[int, str]:
        """Its exit status, and what it printed."""
        agent = self.agent(mode, **settings)
        printed, _ = agent.communicate(timeout=60)
        return agent.returncode, printed

    def left_behind(self) -> list[str]:
        """What no restart may leave."""
        return [name for name in os.listdir(self.folder) if name.endswith((".ready", ".2"))]


class Capacity(Background):
    """The least and the greatest number of workers seen, from a thread of its own until the block ends."""

    def __init__(self, shop: GunicornShop) -> None:
        super().__init__()
        self._shop = shop
        self.least = sys.maxsize
        """Of those that take requests."""
        self.most = 0
        """Of all workers."""

    def _run(self) -> None:
        master = self._shop.master
        while not self._ends.wait(0.01):
            self.least = min(self.least, len(self._shop.able()))
            self.most = max(self.most, len(workers(master)))


@contextmanager
def running(folder: Path, version: str) -> Iterator[GunicornShop]:
    shop = GunicornShop(folder, VERSIONS[version])
    try:
        yield shop
    finally:
        shop.end()

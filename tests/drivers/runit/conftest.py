"""A runsvdir of a test's own. Its services run what the release that is on disk says."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.agents.common.proc import children, find
from tests.support.loopback import own_address
from tests.support.needs import missing

PROGRAM = Path("/usr/bin/runsvdir")
SHOP = Path(__file__).parents[1] / "supervisor" / "shop.py"


class Runit:
    """The services lie in `services`, and are known to `sv` by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = folder / "services"
        self.services.mkdir()
        self.address = own_address()
        self.ports: list[int] = []
        self.put("1.4")

    def put(self, release: str) -> None:
        """Put it on disk: what is started from now on is of it. A `broken` one says why it cannot start."""
        (self.folder / "release").write_text(release)

    def add(self, name: str, command: str, *, logs: bool = False, by_design_down: bool = False) -> None:
        """Make a service that executes a command in the test's folder."""
        service = self.services / name
        self._script(service / "run", f"cd {self.folder} || exit\nexec {command} 2>&1")
        if logs:
            (self.folder / name).mkdir()
            self._script(service / "log" / "run", f"exec svlogd {self.folder / name}")
        if by_design_down:
            (service / "down").touch()

    def add_shop(self, name: str, port: int) -> None:
        """Make a service that answers requests, with a log of its own."""
        self.ports.append(port)
        self.add(name, f"{sys.executable} {SHOP} {self.address} {port}", logs=True)

    def check_with(self, name: str, command: str) -> None:
        """Give a service a script `check`."""
        self._script(self.services / name / "check", f"cd {self.folder} && {command}")

    def answers(self) -> bool:
        """Whether all that answers requests does."""
        for port in self.ports:
            with socket.socket() as asking:
                if asking.connect_ex((self.address, port)) != 0:
                    return False
        return True

    def sv(self, *words: str) -> str:
        return subprocess.run(["/usr/bin/sv", *words], capture_output=True, text=True, timeout=30).stdout

    def pids(self) -> dict[str, int]:
        """Of the services that run, by name."""
        found = {}
        for service in sorted(self.services.iterdir()):
            state, *words = self.sv("status", service.name).split()
            if state == "run:":
                found[service.name] = int(words[2].rstrip(")"))
        return found

    def _script(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def runit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runit:
    """One that is not started yet; `sv` knows its services."""
    if not PROGRAM.exists():
        missing("needs the package runit")
    made = Runit(tmp_path)
    monkeypatch.setenv("SVDIR", str(made.services))
    return made


@pytest.fixture
def start(runit: Runit) -> Iterator[Callable[[], None]]:
    """Starts it, and waits until all services run, but those that are down by design. All are ended at the
    end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        words = [PROGRAM, "-P", runit.services]
        started.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        expected = {one.name for one in runit.services.iterdir() if not (one / "down").exists()}
        deadline = time.monotonic() + 30
        while set(runit.pids()) != expected or not runit.answers():
            assert time.monotonic() < deadline, runit.sv("status", *sorted(expected))
            time.sleep(0.05)

    yield start
    for process in started:
        root = find(process.pid)
        assert root is not None
        supervisors = children(root)
        services = [child for supervisor in supervisors for child in children(supervisor)]
        for pid in (process.pid, *(one.pid for one in (*supervisors, *services))):
            os.kill(pid, signal.SIGKILL)
        process.wait()

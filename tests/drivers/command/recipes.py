"""The recipes of docs/recipes.md, and a shop in which a test carries one out."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from rollout.agents.common.proc import Process, children, find
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import wait

PAGE = Path(__file__).parents[3] / "docs" / "recipes.md"
PORT = 8000


def recipe(title: str, paths: Mapping[str, str]) -> dict[str, Any]:
    """The section `restart` of a recipe, with other paths than the page has; each of them must be there."""
    text = re.search(rf"^## {title}\n.*?```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert text is not None, title
    lines = text[1]
    for path, own in paths.items():
        assert path in lines, path
        lines = lines.replace(path, own)
    restart: dict[str, Any] = yaml.safe_load(lines)["restart"]
    return restart


class Recipe:
    """A shop whose releases lie below `releases`, and whose server runs `current`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = own_address()
        self.pidfiles: list[Path] = []
        """Those of servers that leave the process that starts them."""
        self._started: list[subprocess.Popen[bytes]] = []
        for name in ("run", "log"):
            (folder / name).mkdir()

    def add(self, release: str, file: str, text: str) -> None:
        (self.folder / "releases" / release).mkdir(parents=True)
        (self.folder / "releases" / release / file).write_text(text)

    def switch(self, release: str) -> None:
        subprocess.run(["ln", "-sfn", f"releases/{release}", self.folder / "current"], check=True)

    def start(self, *words: str, listens: Path | None = None) -> None:
        """Run a command that starts the server, and wait until it answers, or has made its socket."""
        shown = self.folder / "log/started"
        with shown.open("a") as log:
            started = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        self._started.append(started)
        if listens is not None:
            wait(listens.exists, words[0], log=shown.read_text)
        else:
            with self.load():
                """It has answered."""

    def deploy(
        self, release: str, restart: dict[str, Any], **sections: Any
    ) -> subprocess.CompletedProcess[str]:
        line = f'ln -sfn "releases/$ROLLOUT_RELEASE" {self.folder}/current'
        health = {"http": f"http://{self.address}:{PORT}/", "interval": "50ms", "timeout": "10s"}
        sections = {"release": {"command": line}, "restart": restart, "health": health, **sections}
        path = write_inventory(self.folder / "shop.yml", sections)
        return rollout("deploy", "--release", release, inventory=path)

    def load(self) -> Load:
        return Load(self.address, PORT, rate=50)

    def end(self) -> None:
        """End the server with all that it has started."""
        pids = [one.pid for one in self._started]
        for pidfile in self.pidfiles:
            with suppress(OSError, ValueError):
                pids.append(int(pidfile.read_text()))
        every = [process for pid in pids for process in _below(pid)]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # none may start another one
            for process in every:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        for one in self._started:
            one.wait()


def _below(pid: int) -> list[Process]:
    """A process, and all that it has started."""
    found = find(pid)
    return (
        [] if found is None else [found, *(each for child in children(found) for each in _below(child.pid))]
    )

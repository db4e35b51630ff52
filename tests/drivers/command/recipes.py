"""The recipes of docs/recipes.md, and a shop in which a test carries one out."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from rollout.agents.common.proc import find
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
        """The server's own, by which all of its processes are ended."""
        for name in ("run", "log"):
            (folder / name).mkdir()

    def add(self, release: str, file: str, text: str) -> None:
        (self.folder / "releases" / release).mkdir(parents=True)
        (self.folder / "releases" / release / file).write_text(text)

    def switch(self, release: str) -> None:
        subprocess.run(["ln", "-sfn", f"releases/{release}", self.folder / "current"], check=True)

    def start(self, *words: str, answers: Callable[[], bool] | None = None, **environment: str) -> None:
        """Run a command that starts the server in the background, and wait until it answers."""
        with (self.folder / "log/started").open("w") as log:
            subprocess.Popen(
                words,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        wait(answers or self.answers, words[0], within=20, log=(self.folder / "log/started").read_text)

    def answers(self) -> bool:
        with suppress(OSError), Load(self.address, PORT):
            return True
        return False

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
        for pidfile in self.pidfiles:
            with suppress(OSError, ValueError):
                process = find(int(pidfile.read_text()))
                if process is not None:
                    os.killpg(os.getpgid(process.pid), signal.SIGKILL)

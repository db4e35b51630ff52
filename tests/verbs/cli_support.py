"""The command line as people use it: another process, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support import prepared

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str
    error: str


class Shell:
    """Runs `rollout` in `folder`, where its journal is too, and where no setting of the user reaches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
        }

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        return self._start("-m", "rollout", *words, **options)

    def run(self, *words: str | Path, **options: Any) -> Ran:
        if options:
            return _ended(self.start(*words, **options))
        ran = prepared.run([*map(str, words)], folder=self.folder, environment=self.environment)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def run_python(self, program: str, *words: str) -> Ran:
        """Not the command itself but a program that uses it."""
        return _ended(self._start("-c", program, *words))

    def _start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        settings: dict[str, Any] = {
            "cwd": self.folder,
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        return subprocess.Popen([sys.executable, *words], **(settings | options))

    def write(self, **changes: Any) -> Path:
        """`rollout.yml`: two nodes on this machine that a file drains, with `changes` to its sections.

        Each restart leaves its node's name in the file `restarted`.
        """
        sections: dict[str, Any] = {
            "service": "shop",
            "nodes": {"web1": {"host": "127.0.0.2"}, "web2": {"host": "127.0.0.3"}},
            "ssh": "local",
            "drain": {
                "health_page": {"file": f"{self.folder}/draining/{{node}}", "settle": "0"},
                "timeout": "5s",
            },
            "restart": {"command": f'echo "$ROLLOUT_NODE" >> {self.folder}/restarted'},
        }
        given = {key: value for key, value in {**sections, **changes}.items() if value is not None}
        path = self.folder / "rollout.yml"
        path.write_text(yaml.safe_dump(given, sort_keys=False))
        return path

    @property
    def restarted(self) -> list[str]:
        file = self.folder / "restarted"
        return file.read_text().split() if file.exists() else []


def _ended(process: subprocess.Popen[str]) -> Ran:
    with process:
        try:
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    return Ran(process.returncode, out, error)


DEPLOYING = ["deploy", "plan", "status", "check", "drain", "ready", "history"]
"""The verbs that read an inventory."""


def words(verb: str) -> list[str]:
    return [verb, "web1"] if verb in ("drain", "ready") else [verb]


def refused(ran: Ran, code: int, *parts: str) -> None:
    """It ended with `code` and a message on standard error alone, which has every part."""
    assert "Traceback" not in ran.error + ran.out
    assert (ran.code, ran.out) == (code, "")
    assert ran.error.startswith("rollout: ")
    for part in parts:
        assert part in ran.error

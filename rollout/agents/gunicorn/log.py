"""What a gunicorn said since a restart began, for people to read when it failed."""

from __future__ import annotations

import os
import subprocess
from typing import List, Optional

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import say

_LINES = 20
_BYTES = 20_000


class Log:
    """The end of gunicorn's error log: the file that is `configured`, or what its standard error goes to."""

    def __init__(self, master: Process, configured: Optional[str]) -> None:
        self._path = _file(master, configured)
        self._from = os.path.getsize(self._path) if self._path else 0
        self._master = master

    def show(self) -> None:
        """Say the last lines since the beginning."""
        lines = self._of_file() if self._path else _of_journal(_family(self._master))
        for line in lines[-_LINES:]:
            say(line)

    def _of_file(self) -> List[str]:
        try:
            with open(str(self._path), "rb") as file:
                file.seek(max(self._from, os.path.getsize(file.name) - _BYTES))
                return file.read().decode(errors="replace").splitlines()
        except OSError:
            return []


def _family(process: Process) -> List[Process]:
    """It and its children, and theirs."""
    return [process, *(one for child in proc.children(process) for one in _family(child))]


def _of_journal(family: List[Process]) -> List[str]:
    of = [f"_PID={process.pid}" for process in family]
    try:
        asked = subprocess.run(
            ["journalctl", "-n", str(_LINES), "-o", "cat", "--no-pager", "--since", "-1h", *of],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.decode(errors="replace").splitlines()


def _file(master: Process, configured: Optional[str]) -> Optional[str]:
    candidates = [f"/proc/{master.pid}/fd/2"]
    if configured and configured != "-":
        candidates = [os.path.join(os.path.realpath(f"/proc/{master.pid}/cwd"), configured)]
    return next((path for path in map(os.path.realpath, candidates) if os.path.isfile(path)), None)

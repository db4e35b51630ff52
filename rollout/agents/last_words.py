"""What an application wrote down last: in the files that its process appends to, or in systemd's journal."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from typing import List, Set

_LINES = 15
_BYTES = 16_384
_UNIT = re.compile(r"/([^/]+\.service)$", re.MULTILINE)


class LastWords:
    """Of a process, noted while it lives: its successor writes to the same places."""

    def __init__(self, pid: int) -> None:
        self._files = _files(pid)
        self._unit = _unit(pid)

    def lines(self) -> List[str]:
        """The last ones; none where we may not look, or there is nowhere to."""
        lines: List[str] = []
        for path in sorted(self._files):
            lines += _end_of(path)
        if not lines and self._unit:
            lines = _journal(self._unit)
        return lines[-_LINES:]


def _files(pid: int) -> Set[str]:
    """Those that standard output and error go to, and those open for appending, as log files are."""
    found: Set[str] = set()
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for number in numbers:
        try:
            path = os.readlink(f"/proc/{pid}/fd/{number}")
            with open(f"/proc/{pid}/fdinfo/{number}") as info:
                flags = int(re.findall(r"flags:\s*(\d+)", info.read())[0], 8)
            if not stat.S_ISREG(os.stat(path).st_mode):
                continue
        except (OSError, IndexError):
            continue
        if number in ("1", "2") or flags & os.O_APPEND:
            found.add(path)
    return found


def _end_of(path: str) -> List[str]:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _BYTES))
            return file.read().decode(errors="replace").splitlines()[-_LINES:]
    except OSError:
        return []


def _unit(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            units: List[str] = _UNIT.findall(file.read())
    except OSError:
        return ""
    return units[0] if units else ""


def _journal(unit: str) -> List[str]:
    line = ["journalctl", "-u", unit, "-n", str(_LINES), "--no-pager", "-o", "cat", "-q"]
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return []
    return done.stdout.decode(errors="replace").splitlines()

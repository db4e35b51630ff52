"""What an application wrote down last: in the files that its process appends to, or in systemd's journal."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import time
from contextlib import suppress
from typing import Dict, List

_LINES = 15
_BYTES = 16_384
_UNIT = re.compile(r"/([^/]+\.service)$", re.MULTILINE)


class LastWords:
    """Of a process and its successor, which writes to the same places, from now on."""

    def __init__(self, pid: int) -> None:
        self._since = time.time()
        self._sizes = _files(pid)
        self._unit = _unit(pid)

    def lines(self) -> List[str]:
        """The last ones; none where we may not look, or there is nowhere to."""
        lines: List[str] = []
        for path, size in sorted(self._sizes.items()):
            lines += _written(path, size)
        if not lines and self._unit:
            lines = _journal(self._unit, self._since)
        return lines[-_LINES:]


def _files(pid: int) -> Dict[str, int]:
    """The sizes of those that standard output and error go to, and of those that are appended to, as log
    files are."""
    sizes: Dict[str, int] = {}
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{number}")
                if stat.S_ISREG(found.st_mode) and (number in ("1", "2") or _appends(pid, number)):
                    sizes[os.readlink(f"/proc/{pid}/fd/{number}")] = found.st_size
    return sizes


def _appends(pid: int, number: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{number}") as info:
        return any(bool(int(flags, 8) & os.O_APPEND) for flags in re.findall(r"flags:\s*(\d+)", info.read()))


def _written(path: str, begin: int) -> List[str]:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - _BYTES, begin if begin <= size else 0))
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


def _journal(unit: str, since: float) -> List[str]:
    line = [
        "journalctl",
        "-q",
        "-u",
        unit,
        f"--since=@{int(since)}",
        "-n",
        str(_LINES),
        "--no-pager",
        "-o",
        "cat",
    ]
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return []
    return done.stdout.decode(errors="replace").splitlines()

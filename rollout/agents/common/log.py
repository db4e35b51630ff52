"""The log of an application while it restarts, which people read when the restart has failed.

This module reads files and systemd's journal. Other output comes from the program that has it: a
container's from Docker, a program's from supervisor.
"""

from __future__ import annotations

import os
import stat
import subprocess
import time
from contextlib import suppress
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Set

from rollout.agents.common import proc
from rollout.agents.common.proc import Process

_LINES = 20
_BYTES = 1_000_000
"""Of each file, only the end is read: lines before that are not the last words of anything."""
_ANSWER = 5.0
"""Seconds for the journal to answer."""


class Log:
    """The lines appended to these files from now on, or if there are none, the journal's lines from now on.

    `journal` is called for the matches of `journalctl` that select an application's lines, such as `-u` and a
    unit; no matches select nothing. A file that cannot be read has no lines.
    """

    def __init__(self, paths: Iterable[str], journal: Callable[[], Sequence[str]] = tuple) -> None:
        self._since = time.time()
        self._begins = {path: _size(path) for path in paths}
        self._journal = journal

    @property
    def has_files(self) -> bool:
        return bool(self._begins)

    def written(self) -> Iterator[str]:
        """All lines that were appended to the files."""
        for path, begin in sorted(self._begins.items()):
            with suppress(OSError), open(path, "rb") as file:
                file.seek(begin)
                for line in file:
                    yield line.decode(errors="replace").rstrip("\r\n")

    def last_lines(self, tells: Callable[[str], bool] = bool) -> List[str]:
        """The last 20 lines for which `tells` is true."""
        lines: List[str] = []
        for path, begin in sorted(self._begins.items()):
            lines += [line for line in _appended(path, begin) if tells(line)][-_LINES:]
        return lines[-_LINES:] or _journal(self._journal(), self._since)


def of_process(process: Process) -> Log:
    """The log of a process and its successor, which writes to the same places: the files that its standard
    output and error go to, and those that it appends to, as programs do with log files; else the journal of
    its unit."""
    unit = proc.unit(process)
    paths: Set[Optional[str]] = set()
    with suppress(PermissionError):
        paths = set(map(_log_file, proc.descriptors(process)))
    return Log(filter(None, paths), lambda: ("-u", unit) if unit else ())


def first_file(candidates: Iterable[str]) -> List[str]:
    """The first of these paths that leads to a file, by its real name; an empty list if none does."""
    return [path for path in map(os.path.realpath, candidates) if os.path.isfile(path)][:1]


def _log_file(descriptor: str) -> Optional[str]:
    """The file that an open descriptor of a process logs to; None if it does not."""
    with suppress(OSError):
        if stat.S_ISREG(os.stat(descriptor).st_mode) and (
            os.path.basename(descriptor) in ("1", "2") or proc.open_flags(descriptor) & os.O_APPEND
        ):
            return os.readlink(descriptor)
    return None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _appended(path: str, begin: int) -> List[str]:
    """The last lines of a file after its first `begin` bytes."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if begin > size:  # another file by now, or emptied
                begin = 0
            file.seek(max(begin, size - _BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _journal(matches: Sequence[str], since: float) -> List[str]:
    """The last lines that systemd's journal has for these matches since then, by the clock of the day."""
    if not matches:
        return []
    command = ["journalctl", "-q", "-n", str(_LINES), "-o", "cat", "--no-pager", f"--since=@{int(since)}"]
    try:
        asked = subprocess.run(
            [*command, *matches],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ANSWER,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.decode(errors="replace").splitlines()

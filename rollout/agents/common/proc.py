"""Processes of the node: each known by its id and its start, so that no other one is ever signalled."""

from __future__ import annotations

import os
import pwd
import signal
import time
from pathlib import Path
from typing import List, NamedTuple, Optional

from rollout.agents.common.talk import Failed

_WRITING = 2.0
"""Seconds that clocks may disagree on when a process began and when it wrote its pidfile."""


class Process(NamedTuple):
    """`started` is in clock ticks since boot."""

    pid: int
    started: int


def find(pid: int) -> Optional[Process]:
    """The living process of that id; a zombie is gone."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else Process(pid, int(fields[19]))


def lives(process: Process) -> bool:
    """Whether it is still the same one."""
    return find(process.pid) == process


def children(process: Process, *, ended: bool = False) -> List[Process]:
    """Those that live, oldest first; with `ended`, also those whose end the process has not yet noticed."""
    found = []
    for number in _child_numbers(process.pid):
        fields = _stat(number)
        if fields is not None and int(fields[1]) == process.pid and (ended or fields[0] not in "ZX"):
            found.append(Process(number, int(fields[19])))
    return sorted(found, key=lambda child: (child.started, child.pid))


def sleeps(process: Process) -> bool:
    """Whether it waits for something, and runs nothing just now."""
    fields = _stat(process.pid)
    return fields is not None and fields[0] == "S"


def of_pidfile(path: str) -> Process:
    """The process that a pidfile names. Raises Failed if there is none, or it cannot be told."""
    try:
        text = Path(path).read_text().split()
    except FileNotFoundError:
        raise Failed(f"there is no pidfile {path}: is the application running?") from None
    except OSError as error:
        raise Failed(f"the pidfile {path} cannot be read: {error.strerror}") from None
    if not text or not text[0].isdigit():
        raise Failed(f"the pidfile {path} holds no process id")
    process = find(int(text[0]))
    if process is None:
        raise Failed(f"the pidfile {path} is stale: no process {text[0]} runs")
    if _begun(process) > os.stat(path).st_mtime + _WRITING:
        raise Failed(
            f"the pidfile {path} is older than process {process.pid} ({' '.join(command_line(process))}): "
            "its number went to another program; if that is the right one, touch the file"
        )
    return process


def command_line(process: Process) -> List[str]:
    """Its words; empty for one that is gone."""
    try:
        raw = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode(errors="replace") for word in raw.split(b"\0") if word]


def owner(process: Process) -> str:
    """The user whom it runs as, by name where there is one."""
    number = os.stat(f"/proc/{process.pid}").st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def may_signal(process: Process) -> None:
    """Raises Failed if we may not, or if it is gone."""
    try:
        os.kill(process.pid, 0)
    except PermissionError:
        raise Failed(
            f"process {process.pid} runs as {owner(process)}, and {_me()} may not signal it: "
            f"log in as {owner(process)}, or let {_me()} sudo to it"
        ) from None
    except ProcessLookupError:
        raise Failed(f"process {process.pid} is gone") from None


def send(process: Process, number: int) -> None:
    """Signal that process and no other. Raises Failed."""
    if not lives(process):
        raise Failed(f"process {process.pid} is gone, so it got no {signal.Signals(number).name}")
    may_signal(process)
    os.kill(process.pid, number)


def _begun(process: Process) -> float:
    """When it began, by the clock that dates files."""
    running = time.clock_gettime(time.CLOCK_BOOTTIME) - process.started / os.sysconf("SC_CLK_TCK")
    return time.time() - running


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _child_numbers(pid: int) -> List[int]:
    """Of its children, if the kernel can tell; else of all processes."""
    try:
        lists = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [int(number) for numbers in lists for number in numbers.split()]


def _stat(pid: int) -> Optional[List[str]]:
    """The fields of /proc/PID/stat from the state (the third) on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split() or None
    except OSError:
        return None

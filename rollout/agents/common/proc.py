"""Processes of the node, as /proc shows them.

A process is known by its id and its start, so that another one with a recycled id is never signalled.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from rollout.agents.common.talk import Failed, NotRunning

_UNIT = re.compile(r"/([^/]+\.service)$", re.MULTILINE)
_WRITING = 2.0
"""Seconds that clocks may disagree on when a process began and when it wrote its pidfile."""


class Process(NamedTuple):
    """`started` is in clock ticks since boot."""

    pid: int
    started: int


class Stat(NamedTuple):
    """The content of /proc/PID/stat. `state` is one letter; `program` is the name of what the process
    executes."""

    process: Process
    program: str
    state: str
    parent: int
    session: int

    @property
    def ended(self) -> bool:
        """Whether the process is a zombie: it has ended, and its parent has not noticed yet."""
        return self.state in "ZX"


def find(pid: int) -> Optional[Process]:
    """The living process of that id; None if there is none, or only a zombie."""
    shown = read_stat(pid)
    return None if shown is None or shown.ended else shown.process


def lives(process: Process) -> bool:
    """Whether the process still lives, and its id was not recycled."""
    return find(process.pid) == process


def age(process: Process) -> float:
    """Seconds since the process was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.started / os.sysconf("SC_CLK_TCK")


def everything() -> List[Stat]:
    """All processes that can be seen, oldest first, also those that have ended and are not yet waited for."""
    shown = [one for one in map(read_stat, _all_numbers()) if one is not None]
    return sorted(shown, key=lambda one: (one.process.started, one.process.pid))


def children(process: Process, *, ended: bool = False) -> List[Process]:
    """The children that live, oldest first; with `ended`, also those whose end the process has not
    noticed."""
    shown = [child for child in map(read_stat, _child_numbers(process.pid)) if child is not None]
    mine = [child.process for child in shown if child.parent == process.pid and (ended or not child.ended)]
    return sorted(mine, key=lambda child: (child.started, child.pid))


def sleeps(process: Process) -> bool:
    """Whether the process waits for something, and runs nothing just now."""
    shown = read_stat(process.pid)
    return shown is not None and shown.state == "S"


def read_stat(pid: int) -> Optional[Stat]:
    """The present content of /proc/PID/stat; None if there is no such process."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return None
    fields = after.split()  # from the third field on
    if not fields:
        return None
    name = before.partition("(")[2]
    return Stat(Process(pid, int(fields[19])), name, fields[0], int(fields[1]), int(fields[3]))


def of_pidfile(path: str) -> Process:
    """The process that a pidfile names. Raises NotRunning if there is none, or if another program may have
    its id by now; Failed if the file cannot be used."""
    try:
        text = Path(path).read_text().split()
    except FileNotFoundError:
        raise NotRunning(f"there is no pidfile {path}") from None
    except OSError as error:
        raise Failed(f"the pidfile {path} cannot be read: {error.strerror}") from None
    if not text:
        raise NotRunning(f"the pidfile {path} is empty")
    if not text[0].isdigit():
        raise Failed(f"the pidfile {path} holds no process id")
    process = find(int(text[0]))
    if process is None:
        raise NotRunning(f"the pidfile {path} is stale: no process {text[0]} runs")
    if _begun(process) > os.stat(path).st_mtime + _WRITING:
        raise NotRunning(
            f"the pidfile {path} is older than {described(process)}: another program may have its process "
            "id by now; if it is the right one, touch the file"
        )
    return process


def write_pidfile(path: str, process: Process) -> None:
    """Have a pidfile name another process. Its owner and mode stay, and readers always find the one or the
    other. Raises OSError."""
    text = f"{process.pid}\n".encode()
    file = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))
    finally:
        os.close(file)


def command_line(process: Process) -> List[str]:
    """The words that the process was started with; empty if it is gone."""
    try:
        raw = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode(errors="replace") for word in raw.split(b"\0") if word]


def described(process: Process) -> str:
    """The process in words: its id and its command line."""
    return f"process {process.pid} ({' '.join(command_line(process))})"


def environment(process: Process) -> Dict[str, str]:
    """The variables that the process was started with. Raises OSError if they cannot be read."""
    raw = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    pairs = (os.fsdecode(entry).partition("=") for entry in raw)
    return {name: value for name, equals, value in pairs if equals}


def status(process: Process) -> Dict[str, str]:
    """The lines of /proc/PID/status by their names, such as `SigCgt`. Raises OSError."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def identity(process: Process) -> Tuple[int, int, List[int]]:
    """The user, the group and the further groups by whose rights the process acts. Raises OSError.

    The owner of /proc/PID does not tell: it is root for a process that was once root.
    """
    shown = status(process)
    groups = [int(number) for number in shown["Groups"].split()]
    return int(shown["Uid"].split()[1]), int(shown["Gid"].split()[1]), groups


def executable(process: Process) -> str:
    """The path of the program that the process executes. Raises OSError if that is hidden from us."""
    return os.readlink(f"/proc/{process.pid}/exe")


def standard_error(process: Process) -> str:
    """A path that leads to what the process prints its errors to."""
    return f"/proc/{process.pid}/fd/2"


def folder(process: Process) -> str:
    """The folder that the process works in. Raises OSError if that is hidden from us."""
    return os.readlink(f"/proc/{process.pid}/cwd")


def descriptors(process: Process) -> List[str]:
    """Paths that lead to what the process has open, each ending in its number; none if the process is gone.
    Raises PermissionError if they are hidden from us."""
    parent = f"/proc/{process.pid}/fd"
    try:
        return [f"{parent}/{number}" for number in os.listdir(parent)]
    except FileNotFoundError:
        return []


def descriptor_lines(descriptor: str) -> List[Tuple[str, str]]:
    """The kernel's information about an open descriptor: names and values, such as `flags`. Raises
    OSError."""
    text = Path(descriptor.replace("/fd/", "/fdinfo/")).read_text()
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in text.splitlines())]


def open_flags(descriptor: str) -> int:
    """The flags of `open` that a descriptor was opened with, such as O_APPEND. Raises OSError."""
    return int(dict(descriptor_lines(descriptor))["flags"], 8)


def unit(process: Process) -> str:
    """The systemd service that the process belongs to, such as shop.service; empty if it belongs to none."""
    try:
        text = Path(f"/proc/{process.pid}/cgroup").read_text()
    except OSError:
        return ""
    units: List[str] = _UNIT.findall(text)
    return units[0] if units else ""


def owner(process: Process) -> str:
    """The user whom the process runs as, by name if there is one."""
    number = os.stat(f"/proc/{process.pid}").st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def may_signal(process: Process) -> None:
    """Raises Failed if we may not signal the process, or if it is gone."""
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
    """Send a signal to that process and no other. Raises Failed."""
    if not lives(process):
        raise Failed(f"process {process.pid} is gone, so it got no {signal.Signals(number).name}")
    may_signal(process)
    os.kill(process.pid, number)


def _begun(process: Process) -> float:
    """When it began, by the clock that dates files."""
    return time.time() - age(process)


def _me() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _child_numbers(pid: int) -> List[int]:
    """The ids of the children, if the kernel can tell; else those of all processes."""
    try:
        lists = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return _all_numbers()
    return [int(number) for numbers in lists for number in numbers.split()]


def _all_numbers() -> List[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]

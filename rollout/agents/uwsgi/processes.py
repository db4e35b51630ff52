"""A running uWSGI as the kernel shows it: who reads a FIFO, which workers accept, where the log goes."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed

_TRY_AGAIN = 0.02
_MADE_ANEW = 2.0
"""Seconds: uWSGI makes its FIFO anew after each writer."""
_LISTENING = "0A"
_ACCEPTS_CONNECTIONS = 0x10000
_USR2 = 1 << 11
"""Among the signals that a process ignores: gateways do, which wait for connections as workers do."""
_LAST = 20


def tell(path: str, text: str) -> None:
    """Write to a FIFO if somebody reads it. Raises Failed."""
    deadline = time.monotonic() + _MADE_ANEW
    while True:
        try:
            fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise Failed(f"{path} cannot be written to: {error.strerror}") from None
            if time.monotonic() > deadline:
                raise nobody_reads(path) from None
            time.sleep(_TRY_AGAIN)
            continue
        try:
            os.write(fifo, text.encode())
        finally:
            os.close(fifo)
        return


def no_fifo(path: str) -> Failed:
    return Failed(f"there is no FIFO {path}: does uWSGI run, with `master-fifo = {path}`?")


def nobody_reads(path: str) -> Failed:
    return Failed(f"nobody reads the FIFO {path}: does uWSGI run, with `master-fifo = {path}`?")


def reader(path: str) -> Optional[Process]:
    """The uWSGI master that reads a FIFO. Raises Failed if it is none, may not be used, or cannot be told."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise no_fifo(path) from None
    except OSError as error:
        raise Failed(f"the FIFO {path} cannot be seen: {error.strerror}") from None
    if not stat.S_ISFIFO(status.st_mode):
        raise Failed(f"{path} is no FIFO: name here what `master-fifo` names in uWSGI's settings")
    if not os.access(path, os.W_OK):
        raise Failed(
            f"the FIFO {path} may not be written to: log in as its owner, or let yourself sudo to them"
        )
    hidden: List[Process] = []
    for process in _all():
        try:
            holds = any(_same(status, descriptor) for descriptor in _descriptors(process))
        except PermissionError:
            hidden.append(process)
            continue
        if holds and not _is_uwsgi(process):
            words = " ".join(proc.command_line(process))
            raise Failed(f"the FIFO {path} is read by process {process.pid} ({words}), which is no uWSGI")
        if holds:
            return process
    for process in filter(_is_uwsgi, hidden):
        raise Failed(
            f"nobody who can be seen reads the FIFO {path}, and what process {process.pid} (uWSGI) has open "
            "is hidden from this user: log in as root, or as its owner if it was not started as root"
        )
    return None


def masters() -> List[Process]:
    """Every uWSGI that reads a FIFO, and that can be seen."""
    return [process for process in _all() if _is_uwsgi(process) and own_fifo(process)]


def own_fifo(master: Process) -> Optional[str]:
    """A path to the FIFO that it reads, also where another one took that FIFO's name."""
    try:
        for descriptor in _descriptors(master):
            status = os.stat(descriptor)
            # The log pipe of a uWSGI is a FIFO to stat, too, but has no name.
            if stat.S_ISFIFO(status.st_mode) and os.readlink(descriptor).startswith("/"):
                return descriptor
    except OSError:
        pass
    return None


def reforked(master: Process) -> List[Process]:
    """The masters beside it that it has started: each leads a session of its own."""
    return [child.process for child in family(master) if child.leads and not child.dead]


def workers(master: Process) -> List[Process]:
    """Its workers, ready or not, and what else serves it; no other master."""
    return [child.process for child in family(master) if not child.leads and not child.dead]


class Child(NamedTuple):
    """`leads` a session of its own; one that is `dead` was not yet waited for."""

    process: Process
    leads: bool
    dead: bool


def family(master: Process) -> List[Child]:
    """Its children that are uWSGI as well, and no command that it runs."""
    found = []
    name, _ = _stat(master.pid)
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        own, fields = _stat(pid)
        if fields and own == name and int(fields[1]) == master.pid:
            process = Process(pid, int(fields[19]))
            found.append(Child(process, int(fields[3]) == pid, fields[0] in "ZX"))
    return sorted(found)


def accepting(master: Process, among: Optional[List[Child]] = None) -> List[Process]:
    """Its workers that take requests: each waits for connections to a listening socket."""
    sockets = _listening(master)
    children = family(master) if among is None else among
    return [child.process for child in children if not child.dead and _accepts(child.process, sockets)]


class Log(NamedTuple):
    """What a uWSGI writes after it was looked at. Without a file that is its log, that is nothing."""

    path: str
    begin: int

    def lines(self) -> List[str]:
        try:
            with open(self.path, "rb") as file:
                file.seek(self.begin)
                return file.read().decode(errors="replace").splitlines()
        except OSError:
            return []

    def last(self) -> List[str]:
        """Those that say most of what went wrong: requests that were answered tell nothing."""
        return [line for line in self.lines() if line.strip() and not line.startswith("[pid: ")][-_LAST:]


def log(master: Process, told: List[str]) -> Log:
    """`told` are the files that it was told to log to."""
    for path in (f"/proc/{master.pid}/fd/2", *told):
        try:
            status = os.stat(path)
            if stat.S_ISREG(status.st_mode):
                return Log(os.path.realpath(path), status.st_size)
        except OSError:
            continue
    return Log("", 0)


def _all() -> List[Process]:
    found = (proc.find(int(name)) for name in os.listdir("/proc") if name.isdigit())
    # A worker may still hold what its master had open when it was forked.
    return sorted((process for process in found if process is not None), key=lambda one: one.started)


def _descriptors(process: Process) -> List[str]:
    folder = f"/proc/{process.pid}/fd"
    try:
        return [f"{folder}/{number}" for number in os.listdir(folder)]
    except FileNotFoundError:
        return []


def _same(status: os.stat_result, descriptor: str) -> bool:
    try:
        reads = int(_information(descriptor)["flags"], 8) & os.O_ACCMODE == os.O_RDONLY
        return reads and os.path.samestat(os.stat(descriptor), status)
    except (FileNotFoundError, KeyError):
        return False


def _information(descriptor: str) -> Dict[str, str]:
    text = Path(descriptor.replace("/fd/", "/fdinfo/")).read_text()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _is_uwsgi(process: Process) -> bool:
    words = (_program(process), *proc.command_line(process)[:2])
    return any(os.path.basename(word).lower().startswith(("uwsgi", "pyuwsgi")) for word in words)


def _program(process: Process) -> str:
    try:
        return os.readlink(f"/proc/{process.pid}/exe")
    except OSError:
        return ""


def _stat(pid: int) -> Tuple[str, List[str]]:
    """The program's name, and the fields of /proc/PID/stat from the state (the third) on."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return "", []
    return before.partition("(")[2], after.split()


def _accepts(worker: Process, sockets: Set[str]) -> bool:
    try:
        ignored = Path(f"/proc/{worker.pid}/status").read_text().partition("SigIgn:")[2].split()[0]
        if int(ignored, 16) & _USR2:
            return False
        for descriptor in _descriptors(worker):
            if os.readlink(descriptor) == "anon_inode:[eventpoll]" and _watches(descriptor, sockets):
                return True
    except (OSError, IndexError):
        pass
    return False


def _watches(poll: str, sockets: Set[str]) -> bool:
    folder = os.path.dirname(poll)
    text = Path(poll.replace("/fd/", "/fdinfo/")).read_text()
    numbers = [line.split()[1] for line in text.splitlines() if line.startswith("tfd:")]
    return any(os.readlink(f"{folder}/{number}") in sockets for number in numbers)


def _listening(master: Process) -> Set[str]:
    """The listening sockets of its network, as links of file descriptors name them."""
    net = Path(f"/proc/{master.pid}/net")
    found = set()
    for name in ("tcp", "tcp6", "unix"):
        try:
            rows = [line.split() for line in (net / name).read_text().splitlines()[1:]]
        except OSError:
            continue
        if name == "unix":
            found |= {row[6] for row in rows if int(row[3], 16) & _ACCEPTS_CONNECTIONS}
        else:
            found |= {row[9] for row in rows if row[3] == _LISTENING}
    return {f"socket:[{inode}]" for inode in found}

"""A running uWSGI as the kernel shows it: who reads a FIFO, which workers accept, where the log goes."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import List, NamedTuple, Optional, Set

from rollout.agents.common import deadline, proc, sockets
from rollout.agents.common.log import Log, first_file
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning

_TRY_AGAIN = 0.02
_MADE_ANEW = 2.0
"""Seconds: uWSGI recreates its FIFO after each writer."""
_USR2 = 1 << 11
"""Among the signals that a process ignores: gateways do, which wait for connections as workers do."""


def tell(path: str, text: str) -> None:
    """Write to a FIFO that somebody reads. Raises Failed."""
    end = deadline.after(_MADE_ANEW)
    while True:
        try:
            fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise Failed(f"{path} cannot be written to: {error.strerror}") from None
            if end.passed:
                raise nobody_reads(path) from None
            time.sleep(_TRY_AGAIN)
            continue
        try:
            os.write(fifo, text.encode())
        finally:
            os.close(fifo)
        return


def no_fifo(path: str) -> Failed:
    """The error to raise if there is no such FIFO."""
    return NotRunning(f"there is no FIFO {path}: does uWSGI run, with `master-fifo = {path}`?")


def nobody_reads(path: str) -> Failed:
    """The error to raise if nobody reads the FIFO."""
    return NotRunning(f"no process reads the FIFO {path}: does uWSGI run, with `master-fifo = {path}`?")


def reader(path: str) -> Optional[Process]:
    """The uWSGI master that reads a FIFO; None if nobody does. Raises Failed if it is not a FIFO, if the
    agent may not write to it, if another program reads it, or if its reader is hidden from us."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise no_fifo(path) from None
    except OSError as error:
        raise Failed(f"the FIFO {path} cannot be examined: {error.strerror}") from None
    if not stat.S_ISFIFO(status.st_mode):
        raise Failed(f"{path} is not a FIFO: set it to the path that `master-fifo` has in uWSGI's settings")
    if not os.access(path, os.W_OK):
        raise Failed(
            f"no permission to write to the FIFO {path}: log in as its owner, or allow yourself to "
            "sudo to that user"
        )
    hidden: List[Process] = []
    for process in _living():
        try:
            holds = any(_same(status, descriptor) for descriptor in proc.descriptors(process))
        except PermissionError:
            hidden.append(process)
            continue
        if holds and not _is_uwsgi(process):
            raise Failed(f"the FIFO {path} is read by {proc.described(process)}, which is not uWSGI")
        if holds:
            return process
    for process in filter(_is_uwsgi, hidden):
        raise Failed(
            f"no visible process reads the FIFO {path}, and the open files of process {process.pid} "
            "(uWSGI) are hidden from this user: log in as root, or as its owner if it was not started as root"
        )
    return None


def masters() -> List[Process]:
    """Every uWSGI that reads a FIFO and can be seen, oldest first."""
    return [process for process in _living() if _is_uwsgi(process) and own_fifo(process)]


def own_fifo(master: Process) -> Optional[str]:
    """A path to the FIFO that a master reads, even if another FIFO has its name by now."""
    try:
        for descriptor in proc.descriptors(master):
            status = os.stat(descriptor)
            # To stat, the log pipe of a uWSGI is a FIFO too, but it has no name.
            if stat.S_ISFIFO(status.st_mode) and os.readlink(descriptor).startswith("/"):
                return descriptor
    except OSError:
        pass
    return None


def reforked(master: Process) -> List[Process]:
    """The masters that a master has started beside itself: each leads a session of its own."""
    return [child.process for child in family(master) if child.leads and not child.dead]


def workers(master: Process) -> List[Process]:
    """A master's workers, ready or not, and its helpers; no other master."""
    return [child.process for child in family(master) if not child.leads and not child.dead]


class Child(NamedTuple):
    """A child of a master: whether it `leads` a session of its own, and whether it is `dead` and its parent
    has not noticed yet."""

    process: Process
    leads: bool
    dead: bool


def family(master: Process) -> List[Child]:
    """A master's children that are uWSGI as well, and no command that it runs."""
    parent = proc.read_stat(master.pid)
    return sorted(
        Child(one.process, one.session == one.process.pid, one.ended)
        for one in proc.everything()
        if one.parent == master.pid and parent is not None and one.program == parent.program
    )


def accepting(master: Process, among: Optional[List[Child]] = None) -> List[Process]:
    """A master's workers that take requests: each waits for connections to a listening socket."""
    listening = sockets.listening(master)
    children = family(master) if among is None else among
    return [child.process for child in children if not child.dead and _accepts(child.process, listening)]


def log_of(master: Process, configured: List[str]) -> Log:
    """The log of a master: the file that its standard error goes to, or that is configured; else nothing."""
    return Log(first_file([proc.standard_error(master), *configured]))


def may_tell_why(line: str) -> bool:
    """Whether a line of the log may say what went wrong: a request that was answered does not."""
    return bool(line.strip()) and not line.startswith("[pid: ")


def _living() -> List[Process]:
    """Oldest first: a worker may still hold what its master had open when it was forked."""
    return [one.process for one in proc.everything() if not one.ended]


def _same(status: os.stat_result, descriptor: str) -> bool:
    """Whether a descriptor reads the file with that status."""
    try:
        reads = proc.open_flags(descriptor) & os.O_ACCMODE == os.O_RDONLY
        return reads and os.path.samestat(os.stat(descriptor), status)
    except (FileNotFoundError, KeyError):
        return False


def _is_uwsgi(process: Process) -> bool:
    words = (_program(process), *proc.command_line(process)[:2])
    return any(os.path.basename(word).lower().startswith(("uwsgi", "pyuwsgi")) for word in words)


def _program(process: Process) -> str:
    try:
        return proc.executable(process)
    except OSError:
        return ""


def _accepts(worker: Process, listening: Set[str]) -> bool:
    try:
        if int(proc.status(worker)["SigIgn"], 16) & _USR2:
            return False
        for descriptor in proc.descriptors(worker):
            if os.readlink(descriptor) == "anon_inode:[eventpoll]" and _watches(descriptor, listening):
                return True
    except (OSError, KeyError):
        pass
    return False


def _watches(poll: str, listening: Set[str]) -> bool:
    folder = os.path.dirname(poll)
    numbers = [value.split()[0] for name, value in proc.descriptor_lines(poll) if name == "tfd"]
    return any(os.readlink(f"{folder}/{number}") in listening for number in numbers)

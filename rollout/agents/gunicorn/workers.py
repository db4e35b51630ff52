"""The workers among the children of a master, and whether they serve yet.

Not every child is a worker: hooks and configuration files start processes, too, and one that was forked looks
like a worker down to its command line. But gunicorn makes a file for each worker, `wgunicorn-…`, which it
removes at once. The master has all of them open, a worker its own one, and a helper none, or those of all
workers that there were when it was forked. In its file the worker gives signs of life: the first one when it
begins to serve, which for ASGI is when the startup of the lifespan is complete.
"""

from __future__ import annotations

import os
import signal
import stat
from contextlib import suppress
from typing import Dict, List, Optional

from rollout.agents.common import proc
from rollout.agents.common.proc import Process

_FILE = "wgunicorn-"
_DAY = 86400.0
_RESET = (signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
"""Signals that a master handles, and that a worker leaves to the kernel again."""

_known: Dict[Process, str] = {}
"""The processes that have one such file: those with many connections are not searched again and again."""


def workers(master: Process) -> List[Process]:
    """The master's workers, oldest first."""
    found: Dict[str, List[Process]] = {}
    held = _names(master)
    for child in proc.children(master):
        names = [_known[child]] if child in _known else _names(child)
        if names is None and _looks_like_a_worker(child, master):
            found[f"hidden {child.pid}"] = [child]
        elif names is not None and len(names) == 1 and names[0] in (held or ()):
            _known[child] = names[0]
            found.setdefault(names[0], []).append(child)
    # A helper that was forked when there was one worker has the file of that one, too.
    mine = [min(claiming, key=_handlers_of_the_master) for claiming in found.values()]
    return sorted(mine, key=lambda worker: (worker.started, worker.pid))


def serves(worker: Process) -> bool:
    """Whether the worker has given a sign of life."""
    with suppress(OSError):
        for descriptor in _files(worker).values():
            shown = os.stat(descriptor)
            # gunicorn 20.1 sets the mode to 0 or 1, and newer ones set the time to the seconds since boot.
            return stat.S_IMODE(shown.st_mode) <= 1 or shown.st_ctime - shown.st_mtime > _DAY
    return False


def _names(process: Process) -> Optional[List[str]]:
    """The files of workers that a process has open; None if the kernel hides them from us."""
    try:
        return list(_files(process))
    except PermissionError:
        return None


def _files(process: Process) -> Dict[str, str]:
    """The files of workers that a process has open, and the paths that lead to them. Raises
    PermissionError."""
    found: Dict[str, str] = {}
    for descriptor in proc.descriptors(process):
        with suppress(OSError):
            name = os.readlink(descriptor)
            if os.path.basename(name).startswith(_FILE):
                found[name] = descriptor
    return found


def _looks_like_a_worker(child: Process, master: Process) -> bool:
    """Whether the command line is the master's, or setproctitle's. That must do where files are hidden, as
    from root in a container, if the workers act for somebody else."""
    words = proc.command_line(child)
    return words == proc.command_line(master) or " ".join(words).startswith("gunicorn: worker")


def _handlers_of_the_master(child: Process) -> int:
    """How many signals a process handles that a worker leaves to the kernel: a helper does it as its
    master does."""
    try:
        handled = int(proc.status(child)["SigCgt"], 16)
    except OSError:
        return len(_RESET)
    return sum(handled >> (number - 1) & 1 for number in _RESET)

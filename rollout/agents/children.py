"""The children of a process before a signal, and what becomes of them: which are workers, and which stay.

What happens shows which children are workers: those that end on the signal, all that are like one of them,
and all that hold a socket at which their parent listens. Any other is a helper that stays, such as a program
that writes the log. The helpers of Python's multiprocessing are known beforehand.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Dict, List, Set, Tuple

from rollout.agents.common import proc, sockets
from rollout.agents.common.proc import Process

Kind = Tuple[str, List[str]]

_TRACKERS = ("multiprocessing.resource_tracker", "multiprocessing.semaphore_tracker")
_FORK_SERVER = "multiprocessing.forkserver"


def may_be_workers(parent: Process) -> List[Process]:
    """The children but for multiprocessing's trackers, and in place of its fork server the children of
    that."""
    found: List[Process] = []
    for child in proc.children(parent):
        line = " ".join(proc.command_line(child))
        if _FORK_SERVER in line:
            found += proc.children(child)
        elif not any(tracker in line for tracker in _TRACKERS):
            found.append(child)
    return found


class Children:
    """The children of a process, from now on. `look` is to be called again and again."""

    def __init__(self, parent: Process) -> None:
        self._parent = parent
        self.old = may_be_workers(parent)
        self._kinds = {child: kind_of(child) for child in self.old}
        listening = _held(parent, sockets.listening(parent))
        self._serving = [child for child in self.old if _held(child, listening)]
        self._came: Dict[Process, float] = {}
        self._changed = time.monotonic()
        self._seen = self.old

    def look(self) -> None:
        """Take note of what has come and gone."""
        now, seen = time.monotonic(), may_be_workers(self._parent)
        if seen != self._seen:
            self._seen, self._changed = seen, now
        self._came = {child: self._came.get(child, now) for child in seen if child not in self._kinds}

    @property
    def left(self) -> List[Process]:
        """All old children that live."""
        return [child for child in self._seen if child in self._kinds]

    @property
    def helpers(self) -> List[Process]:
        """The old children that live, and that nothing shows to be workers."""
        return [child for child in self.left if child not in self._workers()]

    def lasting(self, steady: float) -> List[Process]:
        """The new children that have lived for so many seconds."""
        return [child for child, since in self._came.items() if time.monotonic() - since >= steady]

    def are_replaced(self, steady: float) -> bool:
        """Whether as many new children as there were workers, and at least one, have lived for so many
        seconds, and no old worker is left. Where others are left, nothing may have changed meanwhile."""
        workers = self._workers()
        if any(child in workers for child in self.left) or (self.old and not workers):
            return False
        still = not self.left or time.monotonic() - self._changed >= steady
        return still and len(self.lasting(steady)) >= max(1, len(workers))

    def _workers(self) -> List[Process]:
        """The old children that are known to be workers by now, whether they live or not."""
        ended = [self._kinds[child] for child in self.old if child not in self._seen]
        return [child for child in self.old if child in self._serving or self._kinds[child] in ended]


def kind_of(child: Process) -> Kind:
    """What children that do the same have in common: the program, and the words of the command line without
    numbers. Of a title, such as `nginx: worker process`, the first word counts."""
    program, words = "", proc.command_line(child)
    with suppress(OSError):
        program = proc.executable(child)
    if len(words) == 1:
        words = words[0].split()[:1]
    return program, [re.sub(r"\d+", "#", word) for word in words]


def _held(process: Process, listening: Set[str]) -> Set[str]:
    """The listening sockets that the process has open; all of them where that is hidden from us."""
    try:
        return sockets.held(process, listening)
    except PermissionError:
        return listening

"""A new uWSGI master beside the old one: its hook ends the old one once its first worker accepts."""

from __future__ import annotations

import os
import signal
import time
from typing import List, Optional, Tuple

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, Untouched, say
from rollout.agents.common.watcher import Watcher, refusal, watcher_of
from rollout.agents.uwsgi import processes
from rollout.agents.uwsgi.settings import Settings, settings_of

_LOOK_AGAIN = 0.05
_AT_ONCE = 0.005
_SOON = 10.0
"""Seconds for things that take a moment, such as taking over a FIFO, or ending a master that has no work."""


def find_reader(fifo: str) -> Optional[Process]:
    """The master that reads a FIFO. After a refork that was interrupted, that is the master that should read
    it and reads its other FIFO. None if there is neither. Raises Failed."""
    missing = None if os.path.exists(fifo) else processes.no_fifo(fifo)
    master = None if missing else processes.reader(fifo)
    if master is not None:
        return master
    adrift = [one for one in processes.masters() if fifo in _fifos(one)[1:]]
    if len(adrift) > 1:
        pids = ", ".join(str(one.pid) for one in adrift)
        raise Failed(
            f"no process reads the FIFO {fifo}, and several masters have it in their settings: {pids}"
        )
    if missing and not adrift:
        raise missing
    return adrift[0] if adrift else None


def _fifos(master: Process) -> List[str]:
    try:
        return settings_of(master).fifos
    except Failed:  # the FIFO of another service
        return []


def clear_up(master: Process, fifo: str, settings: Settings) -> None:
    """Clean up after a refork that was interrupted: a second master, or a FIFO that nobody reads."""
    for other in processes.reforked(master):
        say(f"process {other.pid} is the new master of an earlier refork, and never took over: ending it")
        _end(other)
    if not _reads(master, fifo):
        say(f"process {master.pid} reads its other FIFO: switching it to {fifo}")
        _take_over(master, fifo, settings)


def follower(master: Process, settings: Settings) -> Optional[Watcher]:
    """Who watches the master, and follows it by a pidfile to a new one; None if nobody watches. Raises Failed
    if who watches it would not follow."""
    watcher = watcher_of(master)
    if watcher is None:
        return None
    if not watcher.pidfile:
        pidfiles = settings.all("pidfile", "pidfile2", "safe-pidfile")
        raise refusal(master, watcher, pidfiles[-1] if pidfiles else "uWSGI's `pidfile`", "mode: chain")
    if not os.access(watcher.pidfile, os.W_OK):
        raise Failed(
            f"no permission to write to the pidfile {watcher.pidfile}, in which systemd finds the new master"
        )
    return watcher


class Reforking:
    """The change from one master to a new one beside it."""

    def __init__(self, master: Process, fifo: str, settings: Settings, watcher: Optional[Watcher]) -> None:
        self._old, self._fifo, self._settings, self._watcher = master, fifo, settings, watcher
        self._wanted = max(1, len(processes.accepting(master)))

    def refork(self, end: Deadline) -> Tuple[Process, List[Process]]:
        """The new master and its workers, once it serves and the old one is gone. Raises Failed."""
        before = [child.process for child in processes.family(self._old)]
        processes.tell(self._fifo, "f")
        new = self._started(before, end.or_after(_SOON))
        self._name(new)
        say(f"process {new.pid} is the new master, beside {self._old.pid}")
        try:
            ready = self._wait_for(new, end)
        except Untouched:
            self._name(self._old)
            raise
        if not _reads(new, self._fifo):
            _take_over(new, self._fifo, self._settings)
        if self._watcher is not None and self._watcher.unit is not None:
            self._watcher.unit.must_follow(new, end)
        say(f"process {new.pid} has {len(ready)} new workers that accept, and the old master is gone")
        return new, ready

    def _name(self, master: Process) -> None:
        """Let the pidfile that systemd looks into name a master: the new one must stand there when its first
        worker ends the old one."""
        if self._watcher is not None:
            proc.write_pidfile(self._watcher.pidfile, master)

    def _wait_for(self, new: Process, end: Deadline) -> List[Process]:
        ready: List[Process] = []
        while proc.lives(self._old) or len(ready) < self._wanted:
            if not proc.lives(new):
                raise self._broken(new)
            if end.passed:
                raise self._late(new, ready)
            time.sleep(_LOOK_AGAIN)
            ready = processes.accepting(new)
        return ready

    def _started(self, before: List[Process], end: Deadline) -> Process:
        """The new master. Raises Failed if none comes."""
        while not end.passed:
            for child in processes.family(self._old):
                # It counts even if it has died and its parent has not noticed yet.
                if child.leads and child.process not in before:
                    return child.process
            if not proc.lives(self._old) and (new := self._taken_over()):
                return new
            time.sleep(_AT_ONCE)
        raise Failed(f"BROKEN: no new master stayed beside process {self._old.pid}")

    def _taken_over(self) -> Optional[Process]:
        """A new master that came, took over, and let the old one go between two looks."""
        try:
            return processes.reader(self._fifo)
        except Failed:  # uWSGI is recreating the FIFO at this moment
            return None

    def _broken(self, new: Process) -> Failed:
        if _reads(self._old, self._fifo):
            return Untouched(
                f"BROKEN: the new master (process {new.pid}) ended before it could take over; "
                f"the old one (process {self._old.pid}) keeps serving"
            )
        return Failed(f"BROKEN: the new master (process {new.pid}) ended after it had taken over")

    def _late(self, new: Process, ready: List[Process]) -> Failed:
        if _reads(self._old, self._fifo):
            _end(new)
            return Untouched(
                f"BROKEN: the new master's first worker did not accept in time, so process {new.pid} was "
                f"ended; the old one (process {self._old.pid}) keeps serving"
            )
        if proc.lives(self._old):
            return Failed(
                f"the new master (process {new.pid}) serves, and the old one (process {self._old.pid}) "
                "has not ended yet: it may still be answering requests"
            )
        return Failed(f"{len(ready)} of {self._wanted} workers of the new master accept requests")


def _reads(master: Process, fifo: str) -> bool:
    own = processes.own_fifo(master)
    try:
        return own is not None and os.path.samestat(os.stat(own), os.stat(fifo))
    except OSError:
        return False


def _take_over(master: Process, fifo: str, settings: Settings) -> None:
    own = processes.own_fifo(master)
    if own is not None:
        processes.tell(own, str(settings.fifos.index(fifo)))
    if not deadline.after(_SOON).wait_for(lambda: _reads(master, fifo), every=_LOOK_AGAIN):
        raise Failed(f"process {master.pid} serves, and does not read the FIFO {fifo}: restart it")


def _end(master: Process) -> None:
    """End a master. It finishes its requests first, unless it has no FIFO yet: then its workers serve
    nobody."""
    own = processes.own_fifo(master)
    if own is not None:
        processes.tell(own, "q")
    else:
        for process in [master, *processes.workers(master)]:
            proc.send(process, signal.SIGKILL)
    if not deadline.after(_SOON).wait_for(lambda: not proc.lives(master), every=_LOOK_AGAIN):
        raise Failed(f"process {master.pid}, the new master of a refork, does not end: kill it")

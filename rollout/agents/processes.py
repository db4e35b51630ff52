"""Has a supervisor replace its workers, new ones first, and makes sure that either all or none are replaced.

A worker is a child of the supervisor that touches the file of its pid in a folder: it beats. The supervisor
does all that matters by itself, so nothing depends on this program or on its connection. The
agent only sets limits. It ends a new worker that does not beat in time, and the supervisor then abandons the
new ones. It also ends an old worker that does not finish in time.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set

from rollout.agents.children import Kind, kind_of, may_be_workers
from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.log import Log
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, NotRunning, Untouched, say

_GIVING_UP = 10.0
"""Seconds that a supervisor may take to abandon the new workers once the agent has ended some of them."""
_WORKERS_COME = 2.0
"""Seconds for a supervisor without workers to start some."""
_LAST_WORDS = 0.5
"""Seconds for the supervisor to write the reason into its log."""


class Options(NamedTuple):
    """`signal` is a name such as HUP; `beats` is a folder; `ready`, `drain` and `timeout` are in seconds, and
    so is `steady`, for which the new workers must live."""

    pidfile: str
    signal: str
    beats: str
    ready: float
    drain: float
    log: Optional[str]
    steady: float
    timeout: float
    check: bool = False
    """Only check that the restart can be carried out, and touch nothing."""


def main(options: Options) -> None:
    end = deadline.before(options.timeout)
    supervisor = proc.of_pidfile(options.pidfile)
    number = signal.Signals["SIG" + options.signal]
    proc.may_signal(supervisor)
    _require_signal_handler(supervisor, number)
    workers = Workers(supervisor, options.beats)
    log = _log(options.log)
    workers.require_any()
    if options.check:
        return
    count = len(workers.old())
    proc.send(supervisor, number)
    say(f"asked supervisor {supervisor.pid} for new workers in place of its {count}")
    try:
        came = _new_ones_come(workers, count, options.ready, end)
        steady = deadline.after(options.steady)
        _old_ones_leave(workers, options.drain, options.ready, end)
        _new_ones_stay(workers, options.ready, end)
        _new_ones_live(came, count, steady)
    except Failed as failed:
        time.sleep(_LAST_WORDS)
        for line in log.last_lines():
            say(line)
        kept = Untouched if workers.only_old_ones(count) else Failed
        raise kept(f"BROKEN: {failed}; {workers.state()}") from None
    say(f"{len(workers.new())} new workers beat, and none of the {count} old ones is left")


class Workers:
    """The workers of a supervisor, before and since the signal. Raises Failed if there is no folder for their
    beats."""

    def __init__(self, supervisor: Process, beats: str) -> None:
        self._supervisor = supervisor
        self._beats = Path(beats)
        self._first = self._children()
        self._old: Set[Process] = set()
        self.asked = time.time_ns()
        if not self._beats.is_dir():
            raise Failed(f"there is no folder {beats} for the workers' heartbeats")

    def require_any(self) -> None:
        """Raises NotRunning if no worker beats, nor soon does: those of a broken release may end before."""

        def some_beat() -> bool:
            self._first = self._children()
            return bool(self.old())

        if not deadline.after(_WORKERS_COME).wait_for(some_beat):
            raise NotRunning(
                f"no child of {proc.described(self._supervisor)} beats in {self._beats}: is it the "
                "supervisor, and is that the folder in which its workers beat?"
            )

    def new(self) -> List[Process]:
        """The workers that have come since, whether they beat or not, but nothing that is like a child which
        never beats. Raises Failed if the supervisor is gone."""
        if not proc.lives(self._supervisor):
            raise Failed(f"supervisor {self._supervisor.pid} is gone")
        self.old()
        workers = [kind for child, kind in self._first.items() if child in self._old]
        helpers = [kind for kind in self._first.values() if kind not in workers]
        came = [child for child in may_be_workers(self._supervisor) if child not in self._first]
        return [child for child in came if kind_of(child) not in helpers]

    def old(self) -> List[Process]:
        """The old workers that are left. A child that never beats is not a worker."""
        self._old |= {child for child in self._first if self._last_beat(child)}
        return sorted(filter(proc.lives, self._old))

    def some_old_ended(self) -> bool:
        """Whether an old worker has ended."""
        return len(self.old()) < len(self._old)

    def only_old_ones(self, count: int) -> bool:
        """Whether there are as many old workers as before, under their supervisor, and no new one."""
        return proc.lives(self._supervisor) and len(self.old()) == count and not self.new()

    def silent(self, among: List[Process], since: int) -> List[Process]:
        """The workers that have not beaten since that time, in nanoseconds."""
        return [worker for worker in among if self._last_beat(worker) <= since]

    def state(self) -> str:
        """Which workers are left, in words."""
        if not proc.lives(self._supervisor):
            return "its workers run without it"
        old, new = self.old(), self.new()
        if old and not new:
            return f"the {len(old)} old ones keep running"
        return f"there are old ones ({_pids(old)}) and new ones ({_pids(new)})"

    def _children(self) -> Dict[Process, Kind]:
        return {child: kind_of(child) for child in may_be_workers(self._supervisor)}

    def _last_beat(self, worker: Process) -> int:
        """The time of the last beat in nanoseconds; 0 if there was none."""
        try:
            return os.stat(self._beats / str(worker.pid)).st_mtime_ns
        except FileNotFoundError:
            return 0


def _log(path: Optional[str]) -> Log:
    """The log of the service, if it has one. Raises Failed if it cannot be read."""
    if path is None:
        return Log([])
    try:
        open(path, "rb").close()
    except OSError as error:
        raise Failed(f"the log {path} cannot be read: {error.strerror}") from None
    return Log([path])


def _new_ones_come(workers: Workers, count: int, limit: float, end: Deadline) -> Set[Process]:
    """Wait until all new workers beat, `limit` seconds at most, and return them. Raises Failed.

    Old ones that end by themselves are replaced by others of their release, which end, too. Then as many must
    beat as there were, `count`.
    """
    came: Set[Process] = set()
    are_failing = False

    def all_beat() -> bool:
        nonlocal are_failing
        new = workers.new()
        came.update(new)
        # Until a helper executes its own program, it is like a worker.
        came.difference_update([child for child in came if child not in new and proc.lives(child)])
        if came and not new:
            raise Failed("the new workers ended before all of them were ready")
        beat = bool(came) and not workers.silent(new, workers.asked)
        if beat and came.issubset(new):
            return True
        are_failing = are_failing or workers.some_old_ended()
        return beat and are_failing and len(new) >= count

    if end.or_after(limit).wait_for(all_beat):
        say(f"{len(came)} new workers beat")
        return came
    if not came:
        raise Failed(f"no new worker started and stayed alive within {limit:g} s")
    for worker in workers.silent(workers.new(), workers.asked):
        _end(worker)
    end.or_after(_GIVING_UP).wait_for(lambda: not workers.new())
    raise Failed(f"the {len(came)} new workers did not all beat within {limit:g} s")


def _old_ones_leave(workers: Workers, limit: float, ready: float, end: Deadline) -> None:
    """Wait until the old workers are gone, `limit` seconds at most; then end those that are left. Raises
    Failed."""
    end.or_after(limit).wait_for(lambda: not workers.old() or not workers.new())
    if not workers.old():
        return
    if not workers.new():
        raise Failed("the new workers started, and then ended")
    _new_ones_stay(workers, ready, end)
    for worker in workers.old():
        say(f"worker {worker.pid} did not finish within {limit:g} s, so it was killed")
        _end(worker)
    if not end.wait_for(lambda: not workers.old()):
        raise Failed("old workers cannot be ended")


def _new_ones_stay(workers: Workers, limit: float, end: Deadline) -> None:
    """Wait until all new workers have beaten once more: those that hang, or were asked to finish, do not.
    Raises Failed."""
    since = time.time_ns()

    def all_have() -> bool:
        new = workers.new()
        return bool(new) and not workers.silent(new, since)

    if not end.or_after(limit).wait_for(all_have):
        raise Failed("the new workers started, but stopped beating")


def _new_ones_live(came: Set[Process], count: int, steady: Deadline) -> None:
    """Wait until as many of those that came as there were, `count`, have lived for long enough. Raises
    Failed."""
    if steady.wait_for(lambda: sum(map(proc.lives, came)) < count):
        raise Failed("the new workers beat, and then ended")


def _end(worker: Process) -> None:
    try:
        proc.send(worker, signal.SIGKILL)
    except Failed:
        if proc.lives(worker):
            raise


def _require_signal_handler(supervisor: Process, number: int) -> None:
    """Raises Failed if that signal would end the supervisor, or do nothing."""
    status = proc.status(supervisor)
    masks = [int(status[name], 16) for name in ("SigCgt", "SigBlk")]
    if not any(mask >> (number - 1) & 1 for mask in masks):
        raise Failed(
            f"{proc.described(supervisor)} does not handle {signal.Signals(number).name}: "
            "is it the supervisor?"
        )


def _pids(workers: List[Process]) -> str:
    return ", ".join(str(worker.pid) for worker in workers) or "none"

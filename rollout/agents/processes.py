"""Has a supervisor replace its workers, new ones first, and sees to it that this ends: well, or as it was.

A worker is a child of the supervisor that touches the file of its pid in a folder: it beats. The supervisor
does all that matters by itself, so that nothing depends on this program, or on the connection that it came
by. It only sets limits. A new worker that does not beat in time is ended, which has the supervisor give up
the new ones; an old one that does not finish in time is ended, too.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

from rollout.agents.common import proc
from rollout.agents.common.log import Log
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say

_LOOK_AGAIN = 0.05
_GIVING_UP = 10.0
"""Seconds that a supervisor may take to give up new workers of which we ended some."""
_LAST_WORDS = 0.5
"""Seconds for the supervisor to write down what it makes of it."""
_IN_HAND = 2.0
"""Seconds before the time-out at which we give up, so that we can say why."""


def main(told: Dict[str, Any]) -> None:
    end = time.monotonic() + max(told["timeout"] - _IN_HAND, told["timeout"] / 2)
    supervisor = proc.of_pidfile(told["pidfile"])
    number = signal.Signals["SIG" + told["signal"]]
    proc.may_signal(supervisor)
    _require_that_it_heeds(supervisor, number)
    workers = Workers(supervisor, told["beats"])
    log = Log(told["log"])
    if told["check"]:
        return
    count = len(workers.old())
    proc.send(supervisor, number)
    say(f"asked supervisor {supervisor.pid} for new workers in place of its {count}")
    try:
        _come(workers, told["ready"], end)
        _leave(workers, told["drain"], told["ready"], end)
        _stay(workers, told["ready"], end)
    except Failed as failed:
        time.sleep(_LAST_WORDS)
        for line in log.last_lines():
            say(line)
        raise Failed(f"BROKEN: {failed}; {workers.state()}") from None
    say(f"{len(workers.new())} new workers beat, and none of the {count} old ones is left")


class Workers:
    """The workers of a supervisor. Raises Failed if it has none."""

    def __init__(self, supervisor: Process, beats: str) -> None:
        self._supervisor = supervisor
        self._beats = Path(beats)
        self._first = set(proc.children(supervisor))
        self._old: Set[Process] = set()
        self.asked = time.time_ns()
        if not self._beats.is_dir():
            raise Failed(f"there is no folder {beats}, in which workers beat")
        if not self.old():
            raise Failed(
                f"no child of {_described(supervisor)} beats in {beats}: is it the supervisor, and is that "
                "the folder in which its workers beat?"
            )

    def new(self) -> List[Process]:
        """Those that came since, whether they beat or not. Raises Failed if the supervisor is gone."""
        if not proc.lives(self._supervisor):
            raise Failed(f"supervisor {self._supervisor.pid} is gone")
        return [child for child in proc.children(self._supervisor) if child not in self._first]

    def old(self) -> List[Process]:
        """Those of before that are left. A child that never beats is none of them."""
        self._old |= {child for child in self._first if self._last_beat(child)}
        return sorted(filter(proc.lives, self._old))

    def silent(self, among: List[Process], since: int) -> List[Process]:
        """Those that have not beaten since then, in nanoseconds."""
        return [worker for worker in among if self._last_beat(worker) <= since]

    def state(self) -> str:
        """In words."""
        if not proc.lives(self._supervisor):
            return "its workers are on their own"
        old, new = self.old(), self.new()
        if old and not new:
            return f"the {len(old)} old ones go on"
        return f"left are the old ones ({_pids(old)}) and new ones ({_pids(new)})"

    def _last_beat(self, worker: Process) -> int:
        """In nanoseconds; 0 if there was none."""
        try:
            return os.stat(self._beats / str(worker.pid)).st_mtime_ns
        except FileNotFoundError:
            return 0


def _come(workers: Workers, limit: float, end: float) -> None:
    """Until all new workers beat."""
    deadline = min(time.monotonic() + limit, end)
    came: Set[Process] = set()
    while time.monotonic() < deadline:
        new = workers.new()
        came.update(new)
        if came and came.issubset(new) and not workers.silent(new, workers.asked):
            say(f"{len(new)} new workers beat")
            return
        if came and not new:
            raise Failed("the new workers ended before all of them were ready")
        time.sleep(_LOOK_AGAIN)
    if not came:
        raise Failed(f"no new worker has come, or none that lived, within {limit:g} s")
    for worker in workers.silent(workers.new(), workers.asked):
        _end(worker)
    _until(lambda: not workers.new(), min(time.monotonic() + _GIVING_UP, end))
    raise Failed(f"the {len(came)} new workers that came did not all beat within {limit:g} s")


def _leave(workers: Workers, limit: float, ready: float, end: float) -> None:
    """Until the old ones are gone."""
    deadline = min(time.monotonic() + limit, end)
    _until(lambda: not workers.old() or not workers.new(), deadline)
    if not workers.old():
        return
    if not workers.new():
        raise Failed("the new workers came, and ended")
    _stay(workers, ready, end)
    for worker in workers.old():
        say(f"worker {worker.pid} has not finished within {limit:g} s: ended")
        _end(worker)
    if not _until(lambda: not workers.old(), end):
        raise Failed("old workers cannot be ended")


def _stay(workers: Workers, limit: float, end: float) -> None:
    """Until all new workers have beaten once more: those that hang, or were asked to finish, do not."""
    since = time.time_ns()

    def all_have() -> bool:
        new = workers.new()
        return bool(new) and not workers.silent(new, since)

    if not _until(all_have, min(time.monotonic() + limit, end)):
        raise Failed("the new workers came, but do not go on beating")


def _until(true: Callable[[], bool], end: float) -> bool:
    """Whether it is true by the end."""
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_AGAIN)
    return True


def _end(worker: Process) -> None:
    try:
        proc.send(worker, signal.SIGKILL)
    except Failed:
        if proc.lives(worker):
            raise


def _require_that_it_heeds(supervisor: Process, number: int) -> None:
    """Raises Failed if that signal would end it, or do nothing."""
    status = Path(f"/proc/{supervisor.pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigCgt:", "SigBlk:"))]
    if not any(mask >> (number - 1) & 1 for mask in masks):
        raise Failed(
            f"{_described(supervisor)} does not handle {signal.Signals(number).name}: is it the supervisor?"
        )


def _described(process: Process) -> str:
    return f"process {process.pid} ({' '.join(proc.command_line(process))})"


def _pids(workers: List[Process]) -> str:
    return ", ".join(str(worker.pid) for worker in workers) or "none"

"""A gunicorn's workers while it is restarted: which there are, and which have proved that they are ready."""

from __future__ import annotations

import time
from typing import Any, Callable, Collection, Dict, List, NamedTuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say
from rollout.agents.gunicorn.log import Log
from rollout.agents.gunicorn.ready import Listener

_LOOK_AGAIN = 0.05
_STILL_THERE = 5.0
"""Seconds between two lines that say what is waited for: if nobody reads them, we end."""


class Restart(NamedTuple):
    """`ready` is in seconds, for one worker or for those that start together; `deadline` is by the monotonic
    clock.
    """

    master: Process
    pidfile: str
    facts: Dict[str, Any]
    listener: Listener
    log: Log
    ready: float
    deadline: float

    @property
    def wanted(self) -> int:
        """How many workers the configuration has."""
        return int(self.facts["workers"])

    def wait_until(self, true: Callable[[], bool], what: str, *, within: float = float("inf")) -> None:
        """Take reports until it is true. Raises Failed."""
        begin = told = time.monotonic()
        end = min(begin + within, self.deadline)
        while not true():
            now = time.monotonic()
            if not proc.lives(self.master):
                raise self.broken(f"its master, process {self.master.pid}, has ended")
            if now > end:
                limit = "the time-out of the restart" if end == self.deadline else f"{within:g} s"
                raise self.broken(f"{what}: waited in vain for {limit}")
            if now - told > _STILL_THERE:
                told = now
                say(f"{what}: for {now - begin:.0f} s")
            self.listener.listen(_LOOK_AGAIN)

    def ready_ones(self, started: Collection[Process]) -> List[Process]:
        """Those that have reported that they are ready. Raises Failed if one has reported that it is not."""
        reports = self.listener.reports
        for worker in started:
            if reports.get(worker.pid):
                raise self.broken(f"worker {worker.pid} is {reports[worker.pid]}")
        return [worker for worker in started if worker.pid in reports]

    def broken(self, why: str) -> Failed:
        """What to raise, after what gunicorn said last."""
        self.log.show()
        return Failed(f"BROKEN: {why}")


def workers(master: Process) -> List[Process]:
    """Its children that are workers, oldest first: they bear its own command line, or setproctitle's."""
    line = proc.command_line(master)
    return [child for child in proc.children(master) if _is_worker(child, line)]


def _is_worker(child: Process, of_master: List[str]) -> bool:
    line = proc.command_line(child)
    return line == of_master or " ".join(line).startswith("gunicorn: worker")

"""A gunicorn's workers while it is restarted: which there are, and which have proved that they are ready."""

from __future__ import annotations

import time
from typing import Any, Callable, Collection, Dict, List, NamedTuple

from rollout.agents.common import proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.log import Log
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say
from rollout.agents.gunicorn.ready import Listener

_LOOK_AGAIN = 0.05
_STILL_THERE = 5.0
"""Seconds between two lines that say what the agent waits for: if nobody reads them, it ends."""


class Restart(NamedTuple):
    """A restart of one master. `ready` is in seconds, for one worker or for those that start together."""

    master: Process
    pidfile: str
    facts: Dict[str, Any]
    listener: Listener
    log: Log
    ready: float
    deadline: Deadline

    @property
    def wanted(self) -> int:
        """The number of workers that the configuration asks for."""
        return int(self.facts["workers"])

    def wait_until(self, condition: Callable[[], bool], what: str, *, within: float = float("inf")) -> None:
        """Take the workers' reports until the condition is true; `what` says it in words. Raises Failed after
        `within` seconds, at the deadline, or when the master has ended."""
        begin = last_said = time.monotonic()
        end = self.deadline.or_after(within)
        while not condition():
            now = time.monotonic()
            if not proc.lives(self.master):
                raise self.broken(f"its master, process {self.master.pid}, has ended")
            if end.passed:
                limit = "the time-out of the restart" if end == self.deadline else f"{within:g} s"
                raise self.broken(f"waited for {what}, and gave up after {limit}")
            if now - last_said > _STILL_THERE:
                last_said = now
                say(f"waiting for {what}: {now - begin:.0f} s so far")
            self.listener.listen(_LOOK_AGAIN)

    def ready_ones(self, started: Collection[Process]) -> List[Process]:
        """The workers that have reported that they are ready. Raises Failed if one has reported that it is
        not."""
        reports = self.listener.reports
        for worker in started:
            if reports.get(worker.pid):
                raise self.broken(f"worker {worker.pid} is {reports[worker.pid]}")
        return [worker for worker in started if worker.pid in reports]

    def broken(self, why: str) -> Failed:
        """The error to raise, after printing the last lines of gunicorn's log."""
        for line in self.log.last_lines():
            say(line)
        return Failed(f"BROKEN: {why}")


def workers(master: Process) -> List[Process]:
    """The master's workers, oldest first: children with the master's own command line, or setproctitle's."""
    line = proc.command_line(master)
    return [child for child in proc.children(master) if _is_worker(child, line)]


def _is_worker(child: Process, of_master: List[str]) -> bool:
    line = proc.command_line(child)
    return line == of_master or " ".join(line).startswith("gunicorn: worker")

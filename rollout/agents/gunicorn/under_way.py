"""A restart of a gunicorn that is under way: what it waits for, and for how long."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import Any, Callable, Collection, Dict, List, NamedTuple, Optional

from rollout.agents.common import proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.log import Log
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed, say
from rollout.agents.gunicorn.on_trial import Outcome
from rollout.agents.gunicorn.ready import Listener
from rollout.agents.gunicorn.workers import serves, workers

_LOOK_AGAIN = 0.05
_STILL_THERE = 5.0
"""Seconds between two lines that say what the agent waits for: if nobody reads them, it ends."""
_STILL = 1.5
"""Seconds without a change after which no worker is being replaced: gunicorn looks once a second."""
_SETTLE = 10.0
_KILLED = 1.0
"""Seconds for a worker that was killed to end."""
_REPORT = 3.0
"""Seconds within which a worker that serves must have reported, which it does before it serves."""


class Restart(NamedTuple):
    """A restart of one master. `ready` is in seconds, for one worker or for those that start together;
    `drain` is in seconds, for an old worker to finish. There is no `trial` where nobody can tell how the
    master was started."""

    master: Process
    pidfile: str
    facts: Dict[str, Any]
    listener: Listener
    log: Log
    ready: float
    drain: float
    deadline: Deadline
    trial: Optional[Outcome]
    hold: float
    """Seconds for which a new worker must live where no trial has."""
    shows: bool
    """Whether workers show when they begin to serve."""
    serving: Dict[Process, float]
    """The workers that have shown that, and when, by the monotonic clock."""

    @property
    def wanted(self) -> int:
        """The number of workers that the configuration asks for."""
        return int(self.facts["workers"])

    def patience(self, left: int = 1) -> float:
        """The seconds for one of `left` old workers to finish: with the new workers that are still to start,
        all of them must fit into the time-out."""
        start = self.trial.worker if self.trial else 0.0
        return min(self.drain, (self.deadline.left - start * (left - 1)) / left - _KILLED)

    def wait_until(self, condition: Callable[[], bool], what: str, *, within: float = float("inf")) -> None:
        """Take the workers' reports until the condition is true; `what` says it in words. Raises Failed after
        `within` seconds, at the deadline, or when the master has ended."""
        if not self._becomes(condition, what, within):
            limit = f"{within:g} s" if not self.deadline.passed else "the time-out of the restart"
            raise self.broken(f"waited for {what}, and gave up after {limit}")

    def ready_ones(self, started: Collection[Process]) -> List[Process]:
        """The workers that have reported that they are ready, and serve. Raises Failed if one has reported
        that it is not, or serves without a report."""
        now = time.monotonic()
        for worker in started:
            if worker not in self.serving and serves(worker):
                self.serving[worker] = now
        self.listener.listen(0)
        reports = self.listener.of(started)
        for worker in started:
            if reports.get(worker.pid) and not (self.trial and self.trial.doubtful):
                raise self.broken(f"worker {worker.pid} is {reports[worker.pid]}")
            if worker.pid not in reports and now - self.serving.get(worker, now) > _REPORT:
                raise Failed(
                    f"worker {worker.pid} serves, but does not report that it is ready: the running master "
                    "does not know the hook that its configuration file has now; restart it once with "
                    "mode: reload or mode: upgrade, which load that file again"
                )
        return [one for one in started if one.pid in reports and (one in self.serving or not self.shows)]

    def let_finish(self, old: Collection[Process], within: float) -> None:
        """Wait until workers have ended that were asked to. Those that still have clients after `within`
        seconds are ended, which is said. Raises Failed when the master has ended."""
        left: List[Process] = []

        def all_ended() -> bool:
            left[:] = filter(proc.lives, old)
            return not left

        if self._becomes(all_ended, f"{len(old)} old workers to finish their requests", max(within, 0)):
            return
        for worker in left:
            say(
                f"warning: old worker {worker.pid} still has clients after {within:.0f} s (`drain`): "
                "it is ended, and their connections with it"
            )
            with suppress(Failed):  # it may have ended by itself
                proc.send(worker, signal.SIGKILL)
        self.wait_until(all_ended, "the old workers that were killed to end")

    def broken(self, why: str) -> Failed:
        """The error to raise, after printing the last lines of gunicorn's log."""
        for line in self.log.last_lines():
            say(line)
        return Failed(f"BROKEN: {why}")

    def _becomes(self, condition: Callable[[], bool], what: str, within: float) -> bool:
        begin = last_said = time.monotonic()
        end = self.deadline.or_after(within)
        while not condition():
            now = time.monotonic()
            if not proc.lives(self.master) and not condition():
                raise self.broken(f"its master, process {self.master.pid}, has ended")
            if end.passed:
                return False
            if now - last_said > _STILL_THERE:
                last_said = now
                say(f"waiting for {what}: {now - begin:.0f} s so far")
            self.listener.listen(_LOOK_AGAIN)
        return True


def settled(master: Process, wanted: int, end: Deadline) -> List[Process]:
    """The workers that the master keeps: `wanted`, or another number that has not changed for a while. Those
    that have just ended are being replaced, and would not be counted."""
    end, seen, since = end.or_after(_SETTLE), workers(master), time.monotonic()
    while len(seen) != wanted and time.monotonic() - since < _STILL and not end.passed:
        time.sleep(_LOOK_AGAIN)
        now = workers(master)
        if now != seen or not now:
            seen, since = now, time.monotonic()
    return seen

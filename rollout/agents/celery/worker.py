"""A Celery worker, controlled through its broker by its node name."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from rollout.agents.common import deadline, proc
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.talk import Failed, NotRunning, still_heard

_ANSWER = 3.0
"""Seconds for a worker to answer."""
_SOON = 1.0
"""Seconds for a worker that is asked repeatedly: one that has yet to start never hears the question."""
_OTHERS = 1.0
"""Seconds for the other workers: nobody knows how many there are, so they are given all of it."""
_LOOK_AGAIN = 0.2
_CLOCKS = 2.0
"""Seconds by which a worker may say that it began too early: it counts whole ones."""


class Life(NamedTuple):
    """One run of a worker. `begun` is about when it began, by the monotonic clock of who asks: in a
    container, each run has the same pid."""

    pid: int
    begun: float

    def follows(self, other: Life) -> bool:
        return self.pid != other.pid or self.begun - other.begun > _ANSWER + 1


class Worker:
    """A worker, known by its node name. A question that it does not answer gives None."""

    def __init__(self, app: Any, node: str) -> None:
        self._app = app
        self.node = node

    def present(self) -> Optional[Life]:
        """The worker's present run; None if it does not answer."""
        return self.life(_ANSWER)

    def require(self, url: str) -> None:
        """Raises NotRunning if it does not answer, with the names of those that do; Failed if one of them
        runs here in the folder of the app, since then the inventory has another name for it."""
        if self.present() is not None:
            return
        others = self._app.control.inspect(timeout=_OTHERS).stats() or {}
        if self.node in others:
            return
        there = f"these do: {', '.join(sorted(others))}" if others else "no other worker does either"
        here = any(_runs_here(stats["pid"]) for stats in others.values())
        raise (Failed if here else NotRunning)(f"no worker {self.node} answers at {url}; {there}")

    def ask(self, command: str, within: float = _ANSWER, **arguments: Any) -> Any:
        replies = self._app.control.broadcast(
            command, arguments, destination=[self.node], reply=True, limit=1, timeout=within
        )
        return replies[0].get(self.node) if replies else None

    def life(self, within: float = _SOON) -> Optional[Life]:
        stats = self.ask("stats", within)
        return None if stats is None else Life(stats["pid"], time.monotonic() - stats["uptime"])

    def busy(self) -> bool:
        """Whether each of the worker's processes runs a task."""
        stats, active = self.ask("stats"), self.ask("active")
        return bool(stats and active) and len(active) >= stats["pool"]["max-concurrency"]

    def tasks(self) -> Optional[List[Dict[str, Any]]]:
        """The tasks that the worker runs, and those that it has fetched and will run."""
        reserved, active = self.ask("reserved"), self.ask("active")  # in this order, none is missed
        return None if reserved is None or active is None else active + reserved

    def queues(self, within: float = _ANSWER) -> Optional[List[Dict[str, Any]]]:
        """The queues that the worker consumes."""
        return self.ask("active_queues", within)  # type: ignore[no-any-return]

    def consumed(self) -> List[str]:
        """The names of the queues that the worker consumes; none if it does not answer at once."""
        return [queue["name"] for queue in self.queues(_SOON) or ()]

    def leave(self, names: List[str]) -> None:
        """Make the worker consume none of these queues. Raises Failed if it does not confirm that."""
        for name in names:
            self.ask("cancel_consumer", queue=name)
        if not wait_for(lambda: self.queues() == [], deadline.after(_ANSWER)):
            raise Failed(f"{self.node} does not stop consuming {', '.join(names)}")

    def come_back(self, names: List[str]) -> bool:
        """Make the worker consume these queues again; return whether it does. It asks for all of them
        before it waits for the first answer, since its caller may be short of time."""
        for name in names:
            self._app.control.add_consumer(name, destination=[self.node])
        return wait_for(lambda: set(names) <= set(self.consumed()), deadline.after(_ANSWER))


def began_after(life: Life, moment: float) -> bool:
    """Whether a run of a worker began after that moment: its process tells exactly, where that runs here."""
    process = proc.find(life.pid)
    if process is not None and _runs_here(life.pid):
        return time.monotonic() - proc.age(process) > moment
    return life.begun > moment - _CLOCKS


def _runs_here(pid: int) -> bool:
    """Whether a process of this machine has that id and works in this process's folder, or in the one that
    was there before."""
    process = proc.find(pid)
    try:
        folder = "" if process is None else proc.folder(process)
    except OSError:
        return False
    return folder.partition(" (deleted)")[0] == os.getcwd()


def wait_for(condition: Callable[[], bool], end: Deadline) -> bool:
    """Wait as `end.wait_for` does. Raises BrokenPipeError once nobody listens to the agent."""
    return end.wait_for(condition, every=_LOOK_AGAIN, between=still_heard)

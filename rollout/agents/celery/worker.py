"""A Celery worker, asked and told through its broker by its node name."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from rollout.agents.common.talk import Failed, still_heard

_ANSWER = 3.0
"""Seconds in which a worker answers."""
_SOON = 1.0
"""The same, while it is asked again and again: one that is yet to start has not heard the question."""
_OTHERS = 1.0
"""Seconds in which the others do: all are waited for, since nobody knows how many there are."""
_LOOK_AGAIN = 0.2


class Life(NamedTuple):
    """One run of a worker. `begun` is about when, by the monotonic clock of who asks: in a container, each
    has the same pid."""

    pid: int
    begun: float

    def follows(self, other: Life) -> bool:
        return self.pid != other.pid or self.begun - other.begun > _ANSWER + 1


class Worker:
    """What it answers is None where it gives no answer."""

    def __init__(self, app: Any, node: str) -> None:
        self._app = app
        self.node = node

    def require(self, url: str) -> Life:
        """Raises Failed if it does not answer, with those that do."""
        life = self.life(_ANSWER)
        if life is not None:
            return life
        others = sorted(self._app.control.inspect(timeout=_OTHERS).ping() or {})
        there = f"those that do: {', '.join(others)}" if others else "nobody else does either"
        raise Failed(f"no worker {self.node} answers at {url}; {there}")

    def ask(self, command: str, within: float = _ANSWER, **arguments: Any) -> Any:
        replies = self._app.control.broadcast(
            command, arguments, destination=[self.node], reply=True, limit=1, timeout=within
        )
        return replies[0].get(self.node) if replies else None

    def life(self, within: float = _SOON) -> Optional[Life]:
        stats = self.ask("stats", within)
        return None if stats is None else Life(stats["pid"], time.monotonic() - stats["uptime"])

    def busy(self) -> bool:
        """Whether each of its processes runs a task."""
        stats, active = self.ask("stats"), self.ask("active")
        return bool(stats and active) and len(active) >= stats["pool"]["max-concurrency"]

    def tasks(self) -> Optional[List[Dict[str, Any]]]:
        """Those that it runs, and those that it has taken and will run."""
        reserved, active = self.ask("reserved"), self.ask("active")  # in this order none escapes
        return None if reserved is None or active is None else active + reserved

    def queues(self, within: float = _ANSWER) -> Optional[List[Dict[str, Any]]]:
        """Those that it consumes."""
        return self.ask("active_queues", within)  # type: ignore[no-any-return]

    def consumed(self) -> List[str]:
        """Their names; none where it does not answer at once."""
        return [queue["name"] for queue in self.queues(_SOON) or ()]

    def leave(self, names: List[str]) -> None:
        """Consume none of these queues. Raises Failed if it does not say so."""
        for name in names:
            self.ask("cancel_consumer", queue=name)
        if not wait_for(lambda: self.queues() == [], time.monotonic() + _ANSWER):
            raise Failed(f"{self.node} does not stop to consume {', '.join(names)}")

    def come_back(self, names: List[str]) -> bool:
        """Consume these queues again, which it had left. Told at once, for whoever is short of time."""
        for name in names:
            self._app.control.add_consumer(name, destination=[self.node])
        return wait_for(lambda: set(names) <= set(self.consumed()), time.monotonic() + _ANSWER)


def wait_for(true: Callable[[], bool], deadline: float) -> bool:
    """Whether it became true before that time by the monotonic clock."""
    while not true():
        if time.monotonic() >= deadline:
            return False
        still_heard()
        time.sleep(_LOOK_AGAIN)
    return True

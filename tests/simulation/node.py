"""Simulated machines: an application that is restarted, crashes and serves, with its health page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rollout.domain import Answer, Note
from tests.simulation.loop import world_time

if TYPE_CHECKING:
    from tests.simulation.checking import Checking
    from tests.simulation.process import SimServer

PORT = 8000
PAGE = "/_status"


@dataclass(frozen=True)
class Release:
    """How an application behaves. Times are in seconds from the start of its process."""

    start: float = 0.3
    """Until it can serve."""
    listens_at_once: bool = False
    """While it starts it answers 503; otherwise nothing listens."""
    dies_after: float | None = None
    comes_back_after: float | None = None
    """Something restarts it so long after it died."""
    page_fails: bool = False
    """It never is healthy: its page and every request are answered 500."""
    page_flaps: float | None = None
    """Its page says 500 for every other span of so long, while it serves."""
    page_takes: float = 0.0


class Watch(Protocol):
    """What is told of a node."""

    def node_changed(self, node: SimNode, why: str, asked: float) -> None: ...
    def lost(self, server: SimServer, why: str) -> None: ...
    def began(self, node: SimNode, beside: Sequence[Note]) -> None: ...


class Request:
    """A request that runs on a node. HAProxy may have its connection in use without a session."""

    __slots__ = ("has_session", "server", "timer")

    def __init__(self, server: SimServer, seconds: float, *, has_session: bool = True) -> None:
        self.server = server
        self.has_session = has_session
        server.requests[self] = None
        server.node.requests[self] = None
        server.stale = True
        self.timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        self.timer.cancel()
        self.server.requests.pop(self, None)
        self.server.node.requests.pop(self, None)
        self.server.stale = True


class SimNode:
    """`serving` is the truth that all invariants are about: a request that comes now is answered."""

    watch: Watch

    def __init__(self, name: str, address: str, release: str, behaviour: Release) -> None:
        self.name = name
        self.address = address
        self.installed = self.release = self.worker = release
        """What is on the disk, what its application runs, and what a worker beside it does, which no page
        shows."""
        self.behaviour = behaviour
        """Of every process that is started from now on."""
        self.listening = self.serving = True
        self.flapped = False
        self._page_takes = 0.0
        self.invocation = 1
        self.down_since = 0.0
        self.crashed = False
        """It is down by itself."""
        self.came_back = -1.0
        """When it last began to start by itself."""
        self.well_since = 0.0
        """When its page last began to say something else."""
        self.files: dict[str, None] = {}
        """Those that make its page answer 404."""
        self.requests: dict[Request, None] = {}
        self.watchers: dict[Checking, None] = {}
        self._timers: list[asyncio.TimerHandle] = []

    def checked(self) -> tuple[float, int | None]:
        """What a load balancer's check of the page gets: after how many seconds, and which status."""
        if not self.listening:
            return 0.0, None
        return self._page_takes, self._status()

    def answer(self) -> tuple[float, Answer | None]:
        """The same for somebody who reads the page."""
        if not self.listening:
            return 0.0, None
        return self._page_takes, Answer(self._status(), json.dumps({"version": self.release}))

    def set_file(self, file: str, *, there: bool) -> None:
        """The file that makes its page answer 404."""
        if there:
            self.files[file] = None
        else:
            self.files.pop(file, None)
        self.page_changed()

    def restart(self, asked: float) -> None:
        """By a command that was sent when it was `asked`."""
        self._end("restarted", asked)
        self._begin()

    def crash(self, back_after: float | None) -> None:
        """By itself."""
        if not self.listening:
            return
        self._end("crashed", world_time())
        if back_after is not None:
            self._later(back_after, self._come_back)

    def flap(self, span: float) -> None:
        """Its page says 500 from now on, for every other `span` of seconds; it serves all the same."""
        self.flapped = not self.flapped
        self._later(span, self.flap, span)
        self.page_changed()

    def page_changed(self) -> None:
        """The next check that is due sees it."""
        self.well_since = world_time()
        for checking in list(self.watchers):
            checking.wake()

    @property
    def well(self) -> bool:
        return self.serving and not self.flapped and not self._page_takes

    def _status(self) -> int:
        if self.files:
            return 404
        if not self.serving:
            return 503
        return 500 if self.flapped else 200

    def _later(self, seconds: float, action: object, *arguments: object) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, action, *arguments))  # type: ignore[arg-type]

    def _end(self, why: str, asked: float) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.listening = self.serving = False
        self.down_since = world_time()
        self.crashed = why == "crashed"
        self.watch.node_changed(self, why, asked)
        for request in list(self.requests):
            request.end()
            if why == "restarted":
                self.watch.lost(request.server, "a request ran on it when it was restarted")
        self.page_changed()

    def _come_back(self) -> None:
        self.came_back = world_time()
        self._begin()

    def _begin(self) -> None:
        self.release = self.installed
        self.invocation += 1
        self.flapped = False
        behaviour = self.behaviour
        self.listening = behaviour.listens_at_once
        self.serving = False
        self._later(behaviour.start, self._up)
        self.page_changed()

    def _up(self) -> None:
        behaviour = self.behaviour
        self.listening = True
        self._page_takes = behaviour.page_takes
        self.serving = not behaviour.page_fails
        if behaviour.dies_after is not None:
            self._later(behaviour.dies_after, self.crash, behaviour.comes_back_after)
        if behaviour.page_flaps is not None:
            self._later(behaviour.page_flaps, self.flap, behaviour.page_flaps)
        self.watch.node_changed(self, "up", self.down_since)
        self.page_changed()

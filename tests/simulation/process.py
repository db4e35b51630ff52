"""One HAProxy process: its servers, their admin flags and states, and how it picks one for a request.

After HAProxy's own sources (`server.c`, `check.c`), as `test_contract.py` holds it to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.checking import Check, Checking
from tests.simulation.loop import world_time

if TYPE_CHECKING:
    from tests.simulation.node import Request, SimNode

FORCED_MAINT, INHERITED_MAINT, CONFIGURED_MAINT, FORCED_DRAIN, INHERITED_DRAIN = 1, 2, 4, 8, 16
MAINT = 0x23
DRAIN = 0x18
STOPPED, STARTING, RUNNING, STOPPING = 0, 1, 2, 3


@dataclass(frozen=True)
class ServerConfig:
    """A `server` line. `track` is `backend/server`; `slowstart` is in seconds."""

    name: str
    node: SimNode
    weight: int = 1
    backup: bool = False
    check: Check | None = None
    track: str = ""
    disabled: bool = False
    slowstart: float = 0.0


@dataclass(frozen=True)
class BackendConfig:
    """A `backend`; `cookie` pins clients, `shutdown_on_down` is `on-marked-down shutdown-sessions`."""

    name: str
    servers: tuple[ServerConfig, ...]
    cookie: bool = False
    disable_on_404: bool = False
    shutdown_on_down: bool = False
    static: bool = False
    """Whether it takes no server at run time, as with `balance static-rr`."""


class SimServer:
    """One server of one process."""

    def __init__(
        self, process: SimProcess, backend: BackendConfig, config: ServerConfig, number: int
    ) -> None:
        self.process = process
        self.backend = backend
        self.config = config
        self.node = config.node
        self.number = number
        self.path = f"{backend.name}/{config.name}"
        self.admin = FORCED_MAINT | CONFIGURED_MAINT if config.disabled else 0
        self.state = STOPPED if config.disabled else RUNNING
        self.weight = config.weight
        self.tracked: SimServer | None = None
        self.trackers: list[SimServer] = []
        self.requests: dict[Request, None] = {}
        self.checking = Checking(self, config.check)
        self.excused = ""
        """Why a request that is lost on it is not the engine's fault, if it is not."""
        self.operated = -1.0
        """When an operator changed it."""
        self.was_taking = self.takes_new
        self.since = process.born
        """When it began, or ceased, to be picked for new clients."""
        self.stale = True
        """What was last written of it is no longer so."""
        self.lines = ("", "")

    @property
    def takes_new(self) -> bool:
        """It may be picked for a client that is not pinned to it."""
        up = self.state in (RUNNING, STARTING)
        return up and self.weight > 0 and not self.admin & (MAINT | DRAIN)

    @property
    def takes_pinned(self) -> bool:
        """It serves clients that are pinned to it: drained, at weight 0 or on its way down as well."""
        return self.backend.cookie and self.state != STOPPED and not self.admin & MAINT

    @property
    def exposed(self) -> bool:
        """A request may come at any moment."""
        return self.takes_new or self.takes_pinned

    def drain(self) -> None:
        self._set(FORCED_DRAIN)
        self._clear(FORCED_MAINT)

    def maint(self) -> None:
        self._set(FORCED_MAINT)
        self._clear(FORCED_DRAIN)

    def ready(self) -> None:
        self._clear(FORCED_DRAIN)
        self._clear(FORCED_MAINT)

    def health(self, word: str) -> None:
        """`up`, `stopping` or `down`, by command."""
        self.checking.health = 0 if word == "down" else self.checking.full
        {"up": self.set_running, "stopping": self.set_stopping, "down": self.set_stopped}[word]()
        self.checking.wake()
        self.check_changed()

    def check_changed(self) -> None:
        """It shows in what tracks it, too."""
        self.stale = True
        for tracker in self.trackers:
            tracker.stale = True

    def set_weight(self, weight: int) -> None:
        self.weight = weight
        self._changed()

    def set_running(self) -> None:
        if not self.admin & MAINT and self.state not in (STARTING, RUNNING):
            self._start()
            for tracker in self.trackers:
                tracker.set_running()

    def set_stopping(self) -> None:
        if not self.admin & MAINT and self.state != STOPPING:
            self.state = STOPPING
            self._changed()
            for tracker in self.trackers:
                tracker.set_stopping()

    def set_stopped(self) -> None:
        if not self.admin & MAINT and self.state != STOPPED:
            self._stop()
            self._changed()
            for tracker in self.trackers:
                tracker.set_stopped()

    def cut(self) -> int:
        """End the sessions that it has; returns how many they were."""
        running = list(self.requests)
        for request in running:
            request.end()
        return len(running)

    def _set(self, flag: int) -> None:
        kind = MAINT if flag & MAINT else DRAIN
        if self.admin & flag:
            return
        was = self.admin
        self.admin |= flag
        if kind == MAINT and not was & MAINT:
            if self.state != STOPPED:
                self.checking.health = 0
            self._stop()
        self._changed()
        if not was & kind:
            for tracker in self.trackers:
                tracker._set(INHERITED_MAINT if kind == MAINT else INHERITED_DRAIN)

    def _clear(self, flag: int) -> None:
        kind = MAINT if flag & MAINT else DRAIN
        if not self.admin & flag:
            return
        self.admin &= ~flag
        if kind == MAINT and not self.admin & MAINT:
            self._leave_maintenance()
        self._changed()
        if not self.admin & kind:
            for tracker in self.trackers:
                tracker._clear(INHERITED_MAINT if kind == MAINT else INHERITED_DRAIN)

    def _leave_maintenance(self) -> None:
        """UP at once, unchecked; one that tracks another is what that one is."""
        if self.config.check is not None:
            self.checking.health = self.config.check.rise
        if self.tracked is None or self.tracked.state in (STARTING, RUNNING):
            self._start()
        else:
            self.state = self.tracked.state
        self.checking.wake()

    def _start(self) -> None:
        self.state = RUNNING
        if self.config.slowstart:
            self.state = STARTING
            asyncio.get_running_loop().call_later(self.config.slowstart, self._started)
        self._changed()

    def _started(self) -> None:
        if self.state == STARTING:
            self.state = RUNNING
            self._changed()

    def _stop(self) -> None:
        self.state = STOPPED
        if self.backend.shutdown_on_down and self.requests:
            self.process.cut_by_marking(self)

    def _changed(self) -> None:
        self.stale = True
        self.process.changed(self)


class SimProcess:
    """What a configuration became at its start. `changed` is called with each server whose state changed."""

    def __init__(
        self,
        pid: int,
        backends: Sequence[BackendConfig],
        changed: Callable[[SimServer], None],
        cut_by_marking: Callable[[SimServer], None],
    ) -> None:
        self.pid = pid
        self.born = world_time()
        self.changed: Callable[[SimServer], None] = _nobody_is_told
        self.cut_by_marking = cut_by_marking
        self.backends_served = tuple(backends)
        self.backends: dict[str, tuple[SimServer, ...]] = {}
        self.numbers: dict[str, int] = {}
        self.servers: dict[str, SimServer] = {}
        self.added: dict[str, SimServer] = {}
        """The servers that were added at run time, by their paths."""
        for index, backend in enumerate(backends):
            # Every backend has a frontend of its name, which takes the number before it.
            self.numbers[backend.name] = 3 + 2 * index
            own = tuple(
                SimServer(self, backend, config, number)
                for number, config in enumerate(backend.servers, start=1)
            )
            self.backends[backend.name] = own
            self.servers.update({server.path: server for server in own})
        for server in self.servers.values():
            if server.config.track:
                server.tracked = self.servers[server.config.track]
                server.tracked.trackers.append(server)
        for server in self.servers.values():
            if server.config.disabled:
                for tracker in server.trackers:
                    tracker._set(INHERITED_MAINT)
        checked = [server for server in self.servers.values() if server.config.check]
        for position, server in enumerate(checked):
            server.checking.begin(position / len(checked))
        self.changed = changed

    def pick(self, backend: str, pinned_to: str | None, rng: random.Random) -> SimServer | None:
        """The server for a request; `None` answers it with 503."""
        servers = self.backends[backend]
        if pinned_to is not None:
            server = self.servers[f"{backend}/{pinned_to}"]
            if server.takes_pinned:
                return server
        able = [server for server in servers if server.takes_new]
        active = [server for server in able if not server.config.backup]
        if active:
            return active[int(rng.random() * len(active))]
        return able[0] if able else None

    def of_backend(self, name: str) -> list[SimServer]:
        """The servers of a backend, those that were added last."""
        added = [server for server in self.added.values() if server.backend.name == name]
        return [*self.backends[name], *added]

    def add(self, backend: str, config: ServerConfig, number: int) -> None:
        """Add a server, in maintenance and with its checks disabled: it has no more from the file."""
        bare = BackendConfig(backend, ())
        server = SimServer(self, bare, config, number)
        server.admin = FORCED_MAINT
        self.added[server.path] = server

    def delete(self, path: str) -> None:
        """Remove a server that was added."""
        self.added.pop(path).checking.stop()

    def retire(self) -> None:
        """A newer process takes over: no checks any more; what runs goes on."""
        for server in [*self.servers.values(), *self.added.values()]:
            server.checking.stop()


def _nobody_is_told(server: SimServer) -> None:
    """While the process is made."""

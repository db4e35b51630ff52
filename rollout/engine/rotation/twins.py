"""Twins: second servers of the same addresses, by which HAProxy checks a node at once.

Nothing makes HAProxy check a server sooner than its `inter` says, but a server that is added is checked 50 ms
later. A twin is such a server: it is reached and checked as its original is, and gets no request. What it
proves, the original's own first check must confirm (`Unconfirmed`).

Without a twin, as where HAProxy refuses one, the original's own check is waited for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rollout.domain import CheckResult, Reading, Server, ServerState
from rollout.engine.configuration import Unreadable
from rollout.engine.loaded_configuration import LoadedConfiguration
from rollout.errors import HostError
from rollout.haproxy_config.check_path import CheckPath, CheckPaths
from rollout.haproxy_config.configuration import read
from rollout.remote import runtime

_SOON_ENOUGH = 0.1
"""Seconds between two checks of a server that is DOWN for which no twin is added: its own comes as soon."""
_UNTIL_CHECKED = 1.5
"""Intervals in which the first check of a server has ended: `spread-checks` makes one half as long again."""


class TwinPaths:
    """The ways to the servers of one load balancer, by the configuration of its running process."""

    def __init__(self, configuration: LoadedConfiguration) -> None:
        self._configuration = configuration
        self._process = (0, 0)
        self._paths = CheckPaths(())
        self._refused: set[str] = set()
        """The backends to which this process adds no server."""

    async def look(self, reading: Reading) -> None:
        """Read the configuration of the process that gave `reading`, unless that was done before. By one that
        cannot be read, or that was changed since, no way is known."""
        if self._process == reading.process:
            return
        self._paths = CheckPaths(())
        self._refused.clear()
        try:
            configuration = await self._configuration.read(reading)
        except (HostError, Unreadable):
            pass
        else:
            if not configuration.changed:
                self._paths = CheckPaths(read(configuration.text, reading.version))
        self._process = reading.process

    def of(self, state: ServerState) -> CheckPath | None:
        """The way to a server; `None` where a twin would not be checked on the same, cannot be had, or would
        not be checked sooner."""
        if state.server.backend in self._refused or not runtime.can_have_a_twin(state):
            return None
        path = self._paths.of(state.server.backend, state.server.name)
        if path is None or path.tls != state.tls or path.while_down <= _SOON_ENOUGH:
            return None
        return path

    def refuse(self, backend: str) -> None:
        """Note that HAProxy adds no server to a backend."""
        self._refused.add(backend)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The servers that came back by their twins' word, each with the checks that had failed until then."""

    failed_checks: Mapping[Server, int]
    seconds: float
    """Time in which their own first checks come."""


class Twins:
    """The twins of one node's servers on one load balancer."""

    def __init__(self, paths: TwinPaths) -> None:
        self._paths = paths
        self._waiting: list[ServerState] = []
        """The servers whose twins have yet to be added."""
        self._added: dict[Server, CheckPath] = {}
        self._proven: dict[Server, CheckPath] = {}
        """The servers whose twins have passed and are removed again."""

    async def look(self, reading: Reading) -> None:
        """Read what the process that gave `reading` says about the ways to its servers."""
        await self._paths.look(reading)

    def begin(self, reading: Reading, states: Iterable[ServerState]) -> list[str]:
        """The commands that add twins of these servers, or of the first of them. Earlier twins do not count:
        those were of another process, or of another try."""
        earlier = self.left(reading)
        self._added.clear()
        self._proven.clear()
        self._waiting = [state for state in states if self._paths.of(state) is not None]
        return [*earlier, *self._add()]

    def go_on(self, reading: Reading, unproven: Iterable[ServerState]) -> list[str]:
        """The commands that replace twins that have passed by further ones; none where none are left."""
        shown = {twin.server for twin in reading.twins}
        for server in [server for server in self._added if server.twin not in shown]:
            del self._added[server]
            self._paths.refuse(server.backend)
        needed = {state.server for state in unproven}
        self._waiting = [s for s in self._waiting if s.server in needed and self._paths.of(s) is not None]
        if not self._waiting:
            return []
        passed = [server for server in self._added if self.has_passed(server, reading)]
        for server in passed:
            self._proven[server] = self._added.pop(server)
        return [*self._removing(passed), *self._add()]

    def has_passed(self, server: Server, reading: Reading) -> bool:
        """Whether HAProxy's check of the server's twin has passed."""
        if server in self._proven:
            return True
        return server in self._added and any(
            twin.server == server.twin and twin.running and twin.check_result is CheckResult.PASSED
            for twin in reading.twins
        )

    def unconfirmed(self, states: Iterable[ServerState]) -> Unconfirmed:
        """What the own first checks of these servers, which are put back now, must confirm."""
        paths = {**self._proven, **self._added}
        counts = {state.server: state.failed_checks for state in states if state.server in paths}
        pace = max((paths[server].seconds for server in counts), default=0.0)
        return Unconfirmed(counts, pace * _UNTIL_CHECKED)

    def remove(self) -> list[str]:
        """The commands that remove all twins that may be there."""
        return self._removing(self._added)

    def left(self, reading: Reading) -> list[str]:
        """The commands that remove the twins that are still there, whoever added them: a deployment that was
        killed leaves them."""
        twins = {twin.server for twin in reading.twins}
        return self._removing(s.server for s in reading.servers if twins and s.server.twin in twins)

    def _add(self) -> list[str]:
        room = runtime.MOST_TWINS - len(self._added)
        adding, self._waiting = self._waiting[:room], self._waiting[room:]
        lines = []
        for state in adding:
            if path := self._paths.of(state):
                self._added[state.server] = path
                lines += runtime.add_twin(state, path.words, path.inter)
        return lines

    def _removing(self, servers: Iterable[Server]) -> list[str]:
        return [line for server in servers for line in runtime.remove_twin(server.twin)]


async def twins_to_add(
    paths: Mapping[str, TwinPaths], readings: Iterable[Reading], servers: Collection[Server]
) -> dict[Server, list[str]]:
    """The commands that add the twin of each of these servers, if it can have one; to show them beforehand.

    `paths` are by the load balancer's name.
    """
    found: dict[Server, list[str]] = {}
    for reading in readings:
        own = paths[reading.load_balancer]
        await own.look(reading)
        for state in reading.servers:
            if state.server in servers and state.checked and (path := own.of(state)):
                found[state.server] = runtime.add_twin(state, path.words, path.inter)
    return found

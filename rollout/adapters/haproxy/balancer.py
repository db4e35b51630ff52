"""A load balancer: HAProxy's runtime API behind the `LoadBalancer` port."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Sequence

from rollout.adapters.haproxy.console import Console, lines
from rollout.adapters.haproxy.master import Master
from rollout.adapters.haproxy.observer import Observer
from rollout.adapters.haproxy.replies import (
    is_message,
    parse_level,
    parse_reading,
    parse_states,
    require_success,
)
from rollout.adapters.haproxy.ring import Rings
from rollout.adapters.haproxy.sessions import parse_sessions, what_it_does
from rollout.adapters.haproxy.transport import Transport
from rollout.domain import Logged, Reading, Server, Session
from rollout.errors import CommandRejected

_BACKENDS_AND_SERVERS = 6
"""The object types of `show stat`, added up."""

_EVERYTHING = ("show servers state", f"show stat -1 {_BACKENDS_AND_SERVERS} -1")


class HAProxy:
    """Implements `LoadBalancer` for HAProxy 2.6 and later."""

    def __init__(self, name: str, transport: Transport, master: Transport | None = None) -> None:
        self._name = name
        self._console = Console(name, transport)
        self._master = None if master is None else Master(name, master)
        self._observer = Observer(self._read)
        self._focus: frozenset[str] = frozenset()
        self._numbers: dict[str, int] = {}
        self._process = (0, 0)
        self._rings = Rings(name, self._console.ask)

    @property
    def name(self) -> str:
        return self._name

    def focus(self, backends: Iterable[str]) -> None:
        self._focus = frozenset(backends)

    async def read(self) -> Reading:
        return await self._observer.read()

    async def process(self) -> tuple[int, int]:
        command = "show info"
        reading, _ = parse_reading(self._name, command, await self._console.ask(command))
        return reading.process

    async def send(self, commands: Sequence[str]) -> None:
        sending = asyncio.ensure_future(self._carry_out(commands))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # Until HAProxy has answered, it may still carry this out, after the next command.
            await asyncio.gather(sending, return_exceptions=True)
            raise
        finally:
            self._observer.hurry()

    async def server_states(self) -> str:
        return parse_states(self._name, await self._console.ask("show servers state"))

    async def sessions(self, servers: Collection[Server], *, named: int) -> list[Session]:
        reply = await self._console.ask("show sess")
        if is_message(reply):
            require_success(self._name, "show sess", reply)
        oldest_first = sorted(parse_sessions(reply, servers), key=lambda each: -each[1].age)
        details = [await self._console.ask(f"show sess {identity}") for identity, _ in oldest_first[:named]]
        detailed = [
            dataclasses.replace(session, what=what_it_does(detail))
            for (_, session), detail in zip(oldest_first, details, strict=False)
        ]
        return [*detailed, *(session for _, session in oldest_first[named:])]

    async def logged(self) -> Logged | None:
        return await self._rings.logged()

    async def level(self) -> str:
        return parse_level(self._name, await self._console.ask("show cli level"))

    async def _read(self) -> Reading:
        """A reading of workers old and new.

        The master is asked last: after a reload between the two, a session shows twice rather than never.
        """
        reading = await self._read_worker()
        if self._master is None:
            return reading
        old = await self._master.old_sessions()
        servers = (
            dataclasses.replace(state, old_sessions=sessions)
            if (sessions := old.get(state.server.path))
            else state
            for state in reading.servers
        )
        return dataclasses.replace(reading, servers=tuple(servers), old_processes_shown=True)

    async def _carry_out(self, commands: Sequence[str]) -> None:
        """Send all commands. One that HAProxy rejects does not hold up the others, on whatever line they are:
        the first rejection is raised after all of them."""
        rejection: CommandRejected | None = None
        for line in lines(commands):
            try:
                require_success(self._name, line, await self._console.ask(line))
            except CommandRejected as error:
                rejection = rejection or error
        if rejection is not None:
            raise rejection

    async def _read_worker(self) -> Reading:
        """A reading of the focus; of everything, if that costs no more than twice as much, or if another
        process numbered the backends."""
        known = self._focus and self._focus <= self._numbers.keys()
        if known and 2 * len(self._focus) <= len(self._numbers):
            with contextlib.suppress(CommandRejected):  # a reload may have removed a backend
                reading, _ = await self._read_by(self._of_focus())
                if reading.process == self._process:
                    return reading
        reading, self._numbers = await self._read_by(_EVERYTHING)
        self._process = reading.process
        return reading

    def _of_focus(self) -> list[str]:
        """The commands that show the focus; by number, since a frontend may have the name of a backend."""
        return [
            command
            for backend in sorted(self._focus)
            for command in (
                f"show servers state {backend}",
                f"show stat {self._numbers[backend]} {_BACKENDS_AND_SERVERS} -1",
            )
        ]

    async def _read_by(self, commands: Sequence[str]) -> tuple[Reading, dict[str, int]]:
        sent = [*lines(commands, first="show info")]
        replies = [await self._console.ask(line) for line in sent]
        return parse_reading(self._name, ";".join(sent), "".join(replies))

"""A load balancer: HAProxy's runtime API behind the `LoadBalancer` port."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Sequence

from rollout.adapters.haproxy.master import Master
from rollout.adapters.haproxy.observer import Observer
from rollout.adapters.haproxy.replies import (
    SEVERITY,
    is_message,
    parse_level,
    parse_reading,
    parse_states,
    require_success,
)
from rollout.adapters.haproxy.sessions import parse_sessions, what_it_does
from rollout.adapters.haproxy.transport import Transport
from rollout.domain import Reading, Server, Session
from rollout.errors import CommandRejected

_BACKENDS_AND_SERVERS = 6
"""The object types of `show stat`, added up."""


class HAProxy:
    """Implements `LoadBalancer` for HAProxy 2.6 and later."""

    def __init__(self, name: str, transport: Transport, master: Transport | None = None) -> None:
        self._name = name
        self._transport = transport
        self._master = None if master is None else Master(name, master)
        self._observer = Observer(self._read)
        self._focus: frozenset[str] = frozenset()
        self._numbers: dict[str, int] = {}
        self._process = (0, 0)

    @property
    def name(self) -> str:
        return self._name

    def focus(self, backends: Iterable[str]) -> None:
        self._focus = frozenset(backends)

    async def read(self) -> Reading:
        return await self._observer.read()

    async def send(self, commands: Sequence[str]) -> None:
        line = ";".join(commands)
        answer = asyncio.ensure_future(self._ask(line))
        try:
            reply = await asyncio.shield(answer)
        except asyncio.CancelledError:
            # Until HAProxy has answered, it may still carry this out, after the next command.
            await asyncio.gather(answer, return_exceptions=True)
            raise
        require_success(self._name, line, reply)
        self._observer.hurry()

    async def server_states(self) -> str:
        return parse_states(self._name, await self._ask("show servers state"))

    async def sessions(self, servers: Collection[Server], *, named: int) -> list[Session]:
        reply = await self._ask("show sess")
        if is_message(reply):
            require_success(self._name, "show sess", reply)
        oldest_first = sorted(parse_sessions(reply, servers), key=lambda each: -each[1].age)
        details = [await self._ask(f"show sess {identity}") for identity, _ in oldest_first[:named]]
        detailed = [
            dataclasses.replace(session, what=what_it_does(detail))
            for (_, session), detail in zip(oldest_first, details, strict=False)
        ]
        return [*detailed, *(session for _, session in oldest_first[named:])]

    async def level(self) -> str:
        return parse_level(self._name, await self._ask("show cli level"))

    async def _read(self) -> Reading:
        """A reading of workers old and new.

        The master is asked last: after a reload between the two, a session shows twice rather than never.
        """
        reading = await self._read_worker()
        if self._master is None:
            return reading
        old = await self._master.old_sessions()
        servers = (
            dataclasses.replace(state, old_sessions=old.get(state.server.path, 0))
            for state in reading.servers
        )
        return dataclasses.replace(reading, servers=tuple(servers), old_processes_shown=True)

    async def _read_worker(self) -> Reading:
        """A reading of the focus; of everything, if another process numbered the backends."""
        if self._focus and self._focus <= self._numbers.keys():
            with contextlib.suppress(CommandRejected):  # a reload may have removed a backend
                reading, _ = await self._read_by(sorted(self._focus))
                if reading.process == self._process:
                    return reading
        reading, self._numbers = await self._read_by(None)
        self._process = reading.process
        return reading

    async def _read_by(self, backends: Sequence[str] | None) -> tuple[Reading, dict[str, int]]:
        commands = ["show info"]
        if backends is None:
            commands += ["show servers state", f"show stat -1 {_BACKENDS_AND_SERVERS} -1"]
        else:
            # By number, since a frontend may have the same name.
            commands += [f"show servers state {backend}" for backend in backends]
            commands += [
                f"show stat {self._numbers[backend]} {_BACKENDS_AND_SERVERS} -1" for backend in backends
            ]
        line = ";".join(commands)
        return parse_reading(self._name, line, await self._ask(line))

    async def _ask(self, line: str) -> str:
        reply = await self._transport.ask(f"{SEVERITY};{line}\n".encode())
        return reply.decode(errors="replace")

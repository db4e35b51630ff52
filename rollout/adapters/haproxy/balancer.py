"""A load balancer: HAProxy's runtime API behind the `LoadBalancer` port."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence

from rollout.adapters.haproxy.all_states import AllStates
from rollout.adapters.haproxy.console import Console, lines
from rollout.adapters.haproxy.errand import Errand
from rollout.adapters.haproxy.looks import Looks
from rollout.adapters.haproxy.master import Master
from rollout.adapters.haproxy.observer import Observer
from rollout.adapters.haproxy.recent import Recent
from rollout.adapters.haproxy.replies import (
    Shown,
    States,
    Table,
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
from rollout.errors import CommandRejected, LoadBalancerUnreachable

_BACKENDS_AND_SERVERS = 6
"""The object types of `show stat`, added up."""

Ask = Callable[[str], Awaitable[str]]
"""Asks one line, and gives its answer."""

_EVERYTHING = ("show servers state", f"show stat -1 {_BACKENDS_AND_SERVERS} -1")


class HAProxy:
    """Implements `LoadBalancer` for HAProxy 2.6 and later."""

    def __init__(self, name: str, transport: Transport, master: Transport | None = None) -> None:
        self._name = name
        self._console = Console(name, transport)
        self._master = None if master is None else Master(name, master)
        self._recent = Recent()
        self._observer = Observer(lambda _: self._read(self._console.ask), self._recent)
        self._looker = Observer(lambda servers: self._look(servers, self._console.ask), self._recent)
        self._looks = Looks(name)
        self._stater = Observer(lambda _: self._read_states(), Recent())
        self._all_states = AllStates()
        self._focus: frozenset[str] = frozenset()
        self._numbers: dict[str, int] = {}
        self._process = (0, 0)
        """The process that numbered the backends."""
        self._answered = (0, 0)
        """The process that answered last."""
        self._rings = Rings(name, self._console.ask)

    @property
    def name(self) -> str:
        return self._name

    def focus(self, backends: Iterable[str]) -> None:
        self._focus = frozenset(backends)

    async def read(self) -> Reading:
        return await self._observer.read()

    async def states(self) -> Reading:
        return await self._stater.read()

    async def look(self, servers: Collection[Server], *, now: bool = False) -> Reading:
        if self._looks.are_worth_it(servers):
            if now:
                self._looks.forget(servers)
            return await self._looker.read(frozenset(servers))
        return await self._observer.read()

    def recent(self, since: float = 0.0, of: Collection[Server] | None = None) -> Reading | None:
        return self._recent.find(since, of)

    async def process(self) -> tuple[int, int]:
        return (await self._looker.read()).process

    async def send(self, commands: Sequence[str], servers: Collection[Server] | None = None) -> None:
        errand = Errand(self._console, commands)
        sending = asyncio.ensure_future(self._send(errand, servers))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # Until HAProxy has answered, it may still carry this out, after the next command.
            await asyncio.gather(sending, return_exceptions=True)
            raise
        errand.require_success()

    async def _send(self, errand: Errand, servers: Collection[Server] | None) -> None:
        if servers is None or not self._looks.are_worth_it(servers):
            await self._recent.changing(self._read(errand.ask))
            return
        self._looks.change(servers)
        try:
            await self._recent.changing(self._look(frozenset(servers), errand.ask, changing=True))
        finally:
            self._looks.change(servers)

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

    async def _read(self, ask: Ask) -> Reading:
        return await self._with_old_workers(self._read_worker(ask))

    async def _read_states(self) -> Reading:
        async def read(commands: Sequence[str], counted: Sequence[Table]) -> Shown:
            return await self._read_by(self._console.ask, commands, counted=counted)

        if (states := await self._all_states.read(read)) is not None:
            return states
        return await self._observer.read()

    async def _look(self, servers: frozenset[Server], ask: Ask, *, changing: bool = False) -> Reading:
        if not servers:
            # Who answers is all that somebody wants to know.
            return dataclasses.replace((await self._read_by(ask, ())).reading, only=servers)
        return await self._with_old_workers(self._look_at_worker(servers, ask, changing))

    async def _with_old_workers(self, of_worker: Awaitable[Reading]) -> Reading:
        """A reading of workers old and new.

        The old ones are asked last: after a reload between the two, a session shows twice rather than never.
        """
        if self._master is None:
            return await of_worker
        asking = asyncio.create_task(self._master.workers())
        try:
            reading = await of_worker  # also if the master fails: commands may be on their way to the worker
        except BaseException:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            raise
        workers = await asking
        if str(reading.pid) not in workers.new:
            # A reload came between, and the master may have answered before it.
            workers = await self._master.workers()
        old = await self._master.sessions(workers.old)
        servers = (
            dataclasses.replace(state, old_sessions=sessions)
            if (sessions := old.get(state.server.path))
            else state
            for state in reading.servers
        )
        return dataclasses.replace(reading, servers=tuple(servers), old_processes_shown=True)

    async def _look_at_worker(self, servers: frozenset[Server], ask: Ask, changing: bool) -> Reading:
        """A look at some servers; a reading of the focus where a reload or a person has changed which there
        are."""
        with contextlib.suppress(CommandRejected):
            read = functools.partial(self._read_by, ask)
            if reading := await self._looks.look(servers, read, changing=changing):
                return reading
        return await self._read_worker(ask)

    async def _read_worker(self, ask: Ask) -> Reading:
        """A reading of the focus; of everything, if that costs no more than twice as much, or if another
        process numbered the backends."""
        known = self._focus and self._focus <= self._numbers.keys()
        if known and 2 * len(self._focus) <= len(self._numbers):
            with contextlib.suppress(CommandRejected):  # a reload may have removed a backend
                reading = (await self._read_by(ask, self._of_focus())).reading
                if reading.process == self._process:
                    return reading
        shown = await self._read_by(ask, _EVERYTHING)
        self._numbers, self._process = shown.numbers, shown.reading.process
        self._looks.numbered(shown)
        self._all_states.note(shown)
        return dataclasses.replace(shown.reading, of_everything=True)

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

    async def _read_by(
        self,
        ask: Ask,
        commands: Sequence[str],
        beginnings: Collection[str] | None = None,
        remembered: States | None = None,
        counted: Sequence[Table] = (),
    ) -> Shown:
        """What commands show, as `parse_reading` says."""
        with self._noticing_reloads():
            sent = [*lines(commands, first="show info")] or ["show info"]
            replies = [await ask(line) for line in sent]
            asked, reply = ";".join(sent), "".join(replies)
            shown = parse_reading(self._name, asked, reply, beginnings, remembered, counted)
            self._note_process(shown.reading)
        return shown

    @contextlib.contextmanager
    def _noticing_reloads(self) -> Iterator[None]:
        """Connections that were opened ahead lead to the old process: they are of no use after a reload."""
        try:
            yield
        except LoadBalancerUnreachable:
            self._renew()
            raise

    def _note_process(self, reading: Reading) -> None:
        if reading.process != self._answered:
            self._answered = reading.process
            self._renew()

    def _renew(self) -> None:
        self._console.renew()
        if self._master is not None:
            self._master.renew()

"""Looks at some servers of a load balancer: they cost what these servers cost, however many others it has.

HAProxy shows a server's statistics alone (`show stat BACKEND 4 SERVER`, by numbers), but its state only
together with those of its backend (`show servers state`). So a state that was read a moment ago counts until
a command is sent to the server, or until the statistics show that it has changed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from rollout.adapters.haproxy.replies import Shown, States, Table
from rollout.adapters.haproxy.table import Columns, Row
from rollout.domain import Reading, Server
from rollout.remote.runtime import twin_number

_LASTS = 0.25
"""Seconds for which a state counts at most: the statistics do not show all changes, such as the drain of a
server that is DOWN. They end for all servers at once, so that one exchange shows all states anew."""
_STATE = ("status", "weight", "check_status", "check_health", "agent_status", "agent_health", "addr")
"""The columns of the statistics that change when a server's state does."""
_AS_MUCH = 8
"""The servers of a reading of everything that cost as much as one that is shown alone, with a header of its
own."""
_AT_LEAST = 40
"""The same for the exchange itself."""

Read = Callable[[Sequence[str], Collection[str], States], Awaitable[Shown]]
"""Reads what commands show, as `parse_reading` says."""


_Number = tuple[str, str]
"""The numbers of a backend and of a server in it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The state of a server as its line showed it, and what its statistics showed at the same time."""

    line: Row | None
    """`None` for a twin that is not there."""
    signs: Row | None
    since: float
    changes: int
    """How many changes of the server had begun or ended."""


class Looks:
    """Looks at servers of one load balancer, after everything has been shown once."""

    def __init__(self, load_balancer: str) -> None:
        self._load_balancer = load_balancer
        self._changes: Counter[Server] = Counter()
        """How many changes of each server have begun or ended. A look is as old as its beginning."""
        self._process = (0, 0)
        self._tables: Sequence[Table] = ()
        self._all = 0
        """The servers that a reading of everything shows."""
        self._numbers: dict[Server, _Number] = {}
        """Of the servers that were looked for."""
        self._places: dict[Server, tuple[int, int]] = {}
        """Where each of them stands among all: a look shows them in the same order."""
        self._columns: Columns | None = None
        self._known: dict[Server, _Known] = {}

    def numbered(self, everything: Shown) -> None:
        """Note how the process that answered numbers its servers."""
        if everything.reading.process != self._process:
            self._process = everything.reading.process
            self._known.clear()
        self._numbers.clear()
        self._places.clear()
        self._tables, self._all = everything.tables, len(everything.reading.servers)

    def forget(self, servers: Collection[Server]) -> None:
        """Read all of these servers anew at the next look."""
        for server in _with_twins(servers):
            self._known.pop(server, None)

    def change(self, servers: Collection[Server]) -> None:
        """Note that commands to servers are about to be sent, or that HAProxy has answered them."""
        self._changes.update(_with_twins(servers))

    def are_worth_it(self, servers: Collection[Server]) -> bool:
        """Whether a look at `servers` costs less than a reading of everything."""
        return _AT_LEAST + _AS_MUCH * len(servers) < self._all

    async def look(self, servers: Collection[Server], read: Read, *, changing: bool) -> Reading | None:
        """A look at `servers` and their twins; `None` where another process answers, or the same one has
        other servers now.

        `changing` says that it comes with the answer to commands to these servers.
        """
        numbers = self._numbers_of(servers)
        known = {server: self._known[server] for server in numbers if self._is_known(server)}
        reading, changed = await self._read(numbers, known, read, int(changing))
        if changed:
            reading, changed = await self._read(numbers, known, read, int(changing))
        if changed or {state.server for state in reading.servers} != set(servers):
            return None
        return None if reading.process != self._process else replace(reading, only=frozenset(servers))

    async def _read(
        self, numbers: Mapping[Server, _Number], known: dict[Server, _Known], read: Read, ending: int
    ) -> tuple[Reading, bool]:
        """What is shown of the servers with these `numbers`: now, but for the states that are `known`.

        Says whether one of these states has changed; it is not known any more then. `ending` is how many
        changes of these servers end with it.
        """
        begun = asyncio.get_running_loop().time()
        anew = [server for server in numbers if server not in known]
        changes = {server: self._changes[server] + ending for server in anew}
        there = [server for server in numbers if server not in known or known[server].line is not None]
        shown = await read(
            [
                *(f"show servers state {backend}" for backend in dict.fromkeys(s.backend for s in anew)),
                *(f"show stat {iid} 4 {sid}" for iid, sid in map(numbers.__getitem__, there)),
            ],
            [" ".join((iid, s.backend, sid, s.name)) for s in anew for iid, sid in [numbers[s]]],
            States(self._columns, {_named(s): state.line for s, state in known.items() if state.line}),
        )
        if shown.reading.process != self._process:
            return shown.reading, False
        self._columns = shown.states.columns
        signs = self._signs(shown)
        for server in anew:
            line = shown.states.rows.get(_named(server))
            known[server] = _Known(line, signs.get(server), begun, changes[server])
        self._known.update((server, known[server]) for server in anew)
        changed = [server for server in there if signs.get(server) != known[server].signs]
        for server in changed:
            del known[server]
        return shown.reading, bool(changed)

    def _is_known(self, server: Server) -> bool:
        """Whether the state of a server was read a moment ago, and nothing was sent to it since."""
        known, now = self._known.get(server), asyncio.get_running_loop().time()
        if known is None or known.changes != self._changes[server]:
            return False
        return now // _LASTS == known.since // _LASTS

    def _signs(self, shown: Shown) -> dict[Server, Row]:
        """What the statistics of each server show of its state; not whether a check runs at the moment."""
        signs = {}
        for columns, rows in shown.tables:
            named, state = columns.getter("pxname", "svname"), columns.getter_of_some(*_STATE)
            for row in rows:
                backend, name = named(row)
                server = Server(self._load_balancer, backend, name)
                signs[server] = tuple(sign.removeprefix("* ") for sign in state(row))
        return signs

    def _numbers_of(self, servers: Collection[Server]) -> dict[Server, _Number]:
        """The numbers of `servers` and of their twins, whether or not they have some. One that HAProxy did
        not have at the last reading of everything is missing."""
        wanted: dict[Row, Server] = {_named(s): s for s in servers if s not in self._numbers}
        for place, (columns, rows) in enumerate(self._tables if wanted else ()):
            named, numbers = columns.getter("pxname", "svname"), columns.getter("iid", "sid")
            for row_number, row in enumerate(rows):
                if server := wanted.get(named(row)):
                    iid, sid = numbers(row)
                    self._numbers[server] = iid, sid
                    self._places[server] = place, row_number
        there = sorted((s for s in servers if s in self._numbers), key=self._places.__getitem__)
        own = {server: self._numbers[server] for server in there}
        twins = {server.twin: (iid, str(twin_number(server))) for server, (iid, _) in own.items()}
        return own | twins


def _with_twins(servers: Collection[Server]) -> Iterator[Server]:
    return chain(servers, (server.twin for server in servers))


def _named(server: Server) -> Row:
    return server.backend, server.name

"""Several machines with deployers, and the place where they meet: each has its own copy of the journal."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rollout.adapters.journal import SqliteJournal
from rollout.adapters.journal.database import Database, Entry
from rollout.adapters.journal.lines import read_fact
from rollout.adapters.journal.schema import prepare
from rollout.adapters.journal.worker import Worker
from rollout.domain import LockHolder, Publication
from rollout.errors import PlaceError
from rollout.events import Event, Record
from rollout.ports import Document
from tests.simulation.client import Client
from tests.simulation.faults import Port
from tests.simulation.invariants import Invariants
from tests.simulation.journal import WRITING
from tests.simulation.loop import world_time
from tests.simulation.node import SimNode
from tests.simulation.turns import Turns
from tests.support.memory_place import MemoryPlace, Stored

T = TypeVar("T")

HOMES = ("laptop", "ci")
"""The machines of deployers."""
_TIMEOUT = 10.0
"""Seconds after which a place that does not answer counts as away."""


class Deployers:
    """The place, and what each machine has of it. Its methods say what must hold between deployers."""

    def __init__(self, watch: Invariants) -> None:
        self.stored = Stored()
        self.away_until = self.slow_until = 0.0
        self.watch = watch
        self.there = Turns(watch.turns.names)
        """Each node's way, as the place has it."""
        self.databases = {home: MemoryDatabase(self) for home in HOMES}
        self.processes: dict[str, Client] = {}
        """Those that wanted the lock, by the token."""

    def holder(self, client: Client, purpose: str) -> LockHolder:
        """A process as the holder of the lock."""
        number = len(self.processes) + 1
        token = f"{number:032x}"
        self.processes[token] = client
        return LockHolder(
            token, "ann", client.home, number, world_time(), purpose, boot=client.home, started=number
        )

    def has_ended(self, client: Client, holder: LockHolder) -> bool:
        """Whether a process knows that the one of the holder has ended: on its own machine."""
        return holder.host == client.home and self.processes[holder.token].is_killed

    def fence(self, client: Client, node: SimNode) -> str:
        """Why a process may not touch a node now: somebody else may, or nobody knows of it."""
        holder = self.stored.holder
        if holder is None or self.processes[holder.token] is not client:
            return f"sent from {client.home}, and the lock is held by {holder or 'nobody'}"
        is_own = self.watch.turns[node.name].epoch == self.stored.epoch
        if is_own and not client.by_hand and not self._is_there(node.name):
            return f"the turn of {node.name} has begun, and the place does not know it"
        return ""

    @property
    def waiting(self) -> set[str]:
        """The nodes whose turn the place does not know: only the machine that began it takes them for out."""
        return {name for name in self.watch.turns.names if not self._is_there(name)}

    def _is_there(self, name: str) -> bool:
        """Whether the place knows that the last turn of a node has begun."""
        turn, there = self.watch.turns[name], self.there[name]
        return (turn.deployment, turn.epoch) == (there.deployment, there.epoch)

    def took(self, record: Record) -> None:
        """A process has put a record into its journal."""
        if record.epoch == self.stored.epoch:  # else it has lost the lock, and tells its own machine alone
            self.watch.recorded(record)

    def written(self, record: Record) -> None:
        """A record has come to the disk of a machine."""
        if record.epoch == self.stored.epoch:
            self.watch.written(record)

    def published(self, holder: LockHolder, deployment: int, lines: Sequence[str]) -> None:
        """Facts have come to the place."""
        if self.stored.holder != holder:
            self.watch.violate(f"the place took facts from {holder}, and {self.stored.holder} holds the lock")
        for line in lines:
            if (record := read_fact(deployment, line)) is not None:
                self.there.recorded(record)


class SimPlace(MemoryPlace):
    """One process's way to the place."""

    def __init__(self, deployers: Deployers, client: Client, latency: float) -> None:
        super().__init__(deployers.stored, world_time)
        self._deployers = deployers
        self._client = client
        self._latency = latency

    def _publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        before = len(self.stored.facts.get(published.deployment, ()))
        super()._publish(holder, epoch, published)
        added = self.stored.facts[published.deployment][before:]
        self._deployers.published(holder, published.deployment, added)

    async def _exchange(self, act: Callable[[], T]) -> T:
        client = self._client
        fault = await client.cross(Port.PLACE, self.where)
        await self._travel()
        if fault == "place is silent":
            await asyncio.sleep(_TIMEOUT)
            raise PlaceError("the place did not answer in time")
        if fault == "place refuses" or world_time() < self._deployers.away_until:
            raise PlaceError("the place does not answer")
        done = act()
        await client.crossed(fault)
        await self._travel()
        await client.crossed("")
        if fault == "place loses the answer":
            raise PlaceError("the answer of the place was lost")
        return done

    async def _travel(self) -> None:
        slow = world_time() < self._deployers.slow_until
        await asyncio.sleep(self._client.delay(0.3 if slow else self._latency))


class MemoryDatabase(Database):
    """The database of a machine's copy of the journal, which outlives each process there."""

    def __init__(self, deployers: Deployers) -> None:
        self._deployers = deployers
        self._path = Path("copy")
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        prepare(self._database, self._path, 0.0)

    def begin(
        self,
        service: str,
        time: float,
        events: Sequence[Event],
        summarize: Callable[[Sequence[Record]], Document],
        number: int | None = None,
        epoch: int = 0,
    ) -> list[Record]:
        records = super().begin(service, time, events, summarize, number, epoch)
        for record in records:
            self._deployers.written(record)
        return records

    def write(self, entries: Sequence[Entry], shared: Mapping[int, int]) -> None:
        super().write(entries, shared)
        for entry in entries:
            self._deployers.written(entry.record)

    def close(self) -> None:
        """Stay open for the machine's next process."""


class SimWorker(Worker):
    """A process's thread for the disk: it does one thing after the other, until the process is killed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[[], T]) -> Any:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._later()
        self._waiting.append((future, work))
        return future

    def end(self) -> None:
        """There is no thread to be ended."""

    def _later(self) -> None:
        asyncio.get_running_loop().call_later(WRITING, self._work)

    def _work(self) -> None:
        if self._client.is_killed:
            return
        if self._client.asleep:
            self._later()
            return
        waiting, self._waiting = self._waiting, []
        for future, work in waiting:
            if future.cancelled():
                continue
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)


def copy_of(deployers: Deployers, client: Client) -> SqliteJournal:
    """A machine's copy of the journal, as a process there opens it."""
    return SqliteJournal(
        Path("copy"), deployers.databases[client.home], SimWorker(client), world_time, masked=str
    )

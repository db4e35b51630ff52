"""The journal's port over its database: facts are taken at once, and a thread writes them in order.

WAL mode lets `status` read while a deployment writes, and a process that is killed in mid-write leaves a
database that loads. Facts are written at once, all that wait in one transaction, which is synced to disk.
Printed lines and progress, which may be thousands, go along with the next fact, or after a quarter of a
second.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rollout.adapters.journal.database import Database, Entry
from rollout.adapters.journal.path import ELSEWHERE
from rollout.adapters.journal.schema import PRINTED
from rollout.adapters.journal.worker import Worker
from rollout.errors import JournalError
from rollout.events import Event, Record, Sampled, ServerNoted
from rollout.ports import Conclusions, Document, no_conclusions

T = TypeVar("T")

_MAY_LAG = (*PRINTED, ServerNoted, Sampled)
"""Events that may wait for the next fact. A step that touches a noted server begins with one."""
_LAG = 0.25
"""Seconds that they may wait."""
_PATIENCE = 30.0
"""Seconds for the disk, which may be slow or far away. A journal that takes longer counts as failed."""
_LAST_PATIENCE = 10.0
"""Seconds for what is left at the end."""
_MOST_WAITING = 100_000
"""Records that wait for a slow disk; beyond that, printed lines are not kept."""


class SqliteJournal:
    """Implements `Journal` by a database. Make it by `open`, and close it after use.

    It belongs to one event loop.
    """

    def __init__(
        self,
        path: Path,
        database: Database,
        worker: Worker,
        clock: Callable[[], float],
        masked: Callable[[str], str],
    ) -> None:
        self._path = path
        self._database = database
        self._worker = worker
        self._clock = clock
        self._masked = masked
        self.epoch = 0
        """The epoch of the lock in which events happen from now on."""
        self._sequences: dict[int, int] = {}
        self._guard = threading.Lock()
        """Held while one of the next two attributes changes, by whichever thread."""
        self._waiting: list[Entry] = []
        self._shared: dict[int, int] = {}
        """How many facts of deployments others have, which is yet to be noted."""
        self._later: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
        masked: Callable[[str], str] = str,
    ) -> SqliteJournal:
        """The journal in the file `path`, which is made, or converted from an older format.

        `clock` gives Unix time, and `masked` the name under which a service is kept. Raises JournalError.
        """
        worker = Worker("journal")
        try:
            opening = worker.submit(lambda: Database(path, read_only=read_only))
            return cls(path, await asyncio.wrap_future(opening), worker, clock, masked)
        except BaseException:
            worker.end()
            raise

    async def begin(
        self,
        service: str,
        events: Sequence[Event],
        summarize: Callable[[Sequence[Record]], Document],
        number: int | None = None,
    ) -> Sequence[Record]:
        """As `Journal.begin`; `number` is one that others have chosen."""
        now, name, epoch = self._clock(), self._masked(service), self.epoch
        records = await self._run(lambda: self._database.begin(name, now, events, summarize, number, epoch))
        self._sequences[records[0].deployment] = len(records)
        return records

    def append(
        self,
        deployment: int,
        event: Event,
        conclude: Callable[[Record], Conclusions] = no_conclusions,
    ) -> Record:
        self._sequences[deployment] += 1
        record = Record(deployment, self._sequences[deployment], self._clock(), event, self.epoch)
        summary, nodes = conclude(record)
        if len(self._waiting) < _MOST_WAITING or not isinstance(event, PRINTED):
            with self._guard:
                self._waiting.append(Entry(record, summary, nodes))
        if not isinstance(event, _MAY_LAG):
            self._worker.submit(self._write)
        else:
            self._write_soon()
        return record

    async def written(self, node: str = "") -> None:
        if self._waiting:
            await self._run(lambda: None)

    async def records(self, deployment: int) -> Sequence[Record]:
        records, last = await self._run(
            lambda: (self._database.records(deployment), self._database.last_sequence(deployment))
        )
        self._sequences[deployment] = last
        return records

    async def printed(self, deployment: int, latest: int | None, node: str = "") -> Sequence[Record]:
        return await self._run(lambda: self._database.printed(deployment, latest, node))

    async def summaries(self, service: str, latest: int | None = None) -> Mapping[int, Document | None]:
        name = self._masked(service)
        return await self._run(lambda: self._database.summaries(name, latest))

    async def summary(self, deployment: int) -> Document | None:
        """The summary of a deployment; `None` if it has none. Raises JournalError."""
        return await self._run(lambda: self._database.summary(deployment))

    async def without_summary(self, service: str) -> Sequence[int]:
        """The service's deployments of which an older rollout kept no summary, oldest first.

        Raises JournalError.
        """
        name = self._masked(service)
        return await self._run(lambda: self._database.without_summary(name))

    async def nodes(self, service: str) -> Mapping[str, Document]:
        name = self._masked(service)
        return await self._run(lambda: self._database.nodes(name))

    async def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        await self._run(lambda: self._database.keep(deployment, summary, nodes))

    async def numbers(self, service: str, but: int = 0) -> Sequence[int]:
        name = self._masked(service)
        return await self._run(lambda: self._database.numbers(name, but))

    async def forget(self, deployments: Collection[int]) -> None:
        await self._run(lambda: self._database.forget(deployments))

    async def receive(
        self,
        service: str,
        records: Mapping[int, Sequence[Record]],
        summaries: Mapping[int, Document],
        nodes: Mapping[str, Document],
        shared: Mapping[int, int],
    ) -> None:
        """Take over what others have: the facts and summaries of deployments, memories of nodes, and how many
        facts of a deployment others have."""
        name = self._masked(service)
        await self._run(lambda: self._database.receive(name, records, summaries, nodes, shared))

    def note_shared(self, deployment: int, facts: int) -> None:
        """Note soon how many facts of a deployment others have, too: together with the next fact."""
        with self._guard:
            self._shared[deployment] = facts
        self._write_soon()

    async def counts(self, first: int) -> Mapping[int, tuple[int, int]]:
        """How many facts each deployment from `first` on has here, and how many of them others have."""
        return await self._run(lambda: self._database.counts(first))

    async def unsettled(self) -> Mapping[int, tuple[int, int]]:
        """The same for the last deployment, and for each that has facts which others do not have."""
        return await self._run(self._database.unsettled)

    async def shared(self, deployment: int) -> int:
        """How many facts of a deployment others have, too."""
        return await self._run(lambda: self._database.shared(deployment))

    async def total(self) -> int:
        """How many deployments are here."""
        return await self._run(self._database.total)

    async def last_epoch(self) -> int:
        """The latest epoch of any fact; 0 without facts."""
        return await self._run(self._database.last_epoch)

    async def aclose(self) -> None:
        """Write what is left, and close the database. Raises JournalError."""
        if self._later is not None:
            self._later.cancel()
        try:
            await self._run(self._database.close, patience=_LAST_PATIENCE)
        finally:
            self._worker.submit(self._database.close)  # also if something could not be written
            self._worker.end()

    async def _run(self, work: Callable[[], T], patience: float | None = None) -> T:
        """The result of `work`, in the thread, once all that waits is written. Raises JournalError."""

        def written_and_done() -> T:
            self._write()
            return work()

        patience = patience or _PATIENCE
        future = asyncio.wrap_future(self._worker.submit(written_and_done))
        done, _ = await asyncio.wait([future], timeout=patience)
        if not done:
            future.cancel()
            raise JournalError(
                f"journal {self._path}: its disk did not answer within {patience:g} s", hint=ELSEWHERE
            )
        return future.result()

    def _write_soon(self) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_LAG, self._write_later)

    def _write_later(self) -> None:
        self._later = None
        self._worker.submit(self._write)

    def _write(self) -> None:
        """Write all that waits, in the thread. What cannot be written goes on waiting: it is tried again with
        the next record. Raises JournalError."""
        with self._guard:
            entries, shared = self._waiting[:], dict(self._shared)
        if entries or shared:
            self._database.write(entries, shared)
            with self._guard:
                del self._waiting[: len(entries)]
                for deployment, facts in shared.items():
                    if self._shared[deployment] == facts:
                        del self._shared[deployment]

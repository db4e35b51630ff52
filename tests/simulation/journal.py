"""The journal in memory. What was written outlives the process that wrote it; what was not, is lost."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.events import Event, Record
from rollout.ports import Conclusions, Document, no_conclusions
from tests.simulation.client import Client
from tests.simulation.loop import world_time

WRITING = 0.003
"""Seconds that the disk takes."""


@dataclass
class Disk:
    """What is on disk of the one deployment of a world. `written` hears of each record that comes there."""

    written: Callable[[Record], None]
    records: list[Record] = field(default_factory=list)
    summary: Document | None = None
    nodes: dict[str, Document] = field(default_factory=dict)

    def write(self, record: Record, conclusions: Conclusions) -> None:
        summary, nodes = conclusions
        self.records.append(record)
        self.written(record)
        self.summary = summary or self.summary
        self.nodes |= copy.deepcopy(dict(nodes))


class SimJournal:
    """Implements `Journal`, for one process and the one deployment of a world. `took` hears of each record as
    it is taken."""

    def __init__(self, client: Client, disk: Disk, took: Callable[[Record], None]) -> None:
        self._client = client
        self._disk = disk
        self._took = took
        self._count = len(disk.records)
        self._waiting: list[tuple[Record, Conclusions]] = []
        self._writing: asyncio.Future[None] | None = None

    async def begin(
        self, service: str, events: Sequence[Event], summarize: Callable[[Sequence[Record]], Document]
    ) -> Sequence[Record]:
        self._client.require_alive()
        now = world_time()
        records = [Record(1, sequence, now, event) for sequence, event in enumerate(events, 1)]
        for record in records:
            self._disk.write(record, (None, {}))
            self._client.events += 1
            self._took(record)
        self._disk.summary = summarize(records)
        self._count = len(records)
        return records

    def append(
        self,
        deployment: int,
        event: Event,
        conclude: Callable[[Record], Conclusions] = no_conclusions,
    ) -> Record:
        self._client.require_alive()
        self._count += 1
        record = Record(deployment, self._count, world_time(), event)
        self._waiting.append((record, conclude(record)))
        self._client.events += 1
        self._took(record)
        if self._writing is None:
            loop = asyncio.get_running_loop()
            self._writing = loop.create_future()
            loop.call_later(WRITING, self._write)
        return record

    async def written(self, node: str = "") -> None:
        while self._writing is not None:
            await asyncio.shield(self._writing)

    async def records(self, deployment: int) -> Sequence[Record]:
        return list(self._disk.records)

    async def summaries(self, service: str, latest: int | None = None) -> Mapping[int, Document | None]:
        return {1: self._disk.summary} if self._disk.records else {}

    async def nodes(self, service: str) -> Mapping[str, Document]:
        return copy.deepcopy(self._disk.nodes)

    async def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        raise AssertionError("no older rollout has written anything here")

    async def numbers(self, service: str, but: int = 0) -> Sequence[int]:
        return (1,)[but:]

    async def forget(self, deployments: Collection[int]) -> None:
        raise AssertionError("one deployment is not too many")

    def _write(self) -> None:
        """Write what waits, unless the process was killed meanwhile."""
        assert self._writing is not None
        if not self._client.is_killed:
            for record, conclusions in self._waiting:
                self._disk.write(record, conclusions)
            self._waiting.clear()
            self._writing.set_result(None)
            self._writing = None

"""The journal in memory. What was written outlives the process that wrote it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from rollout.events import Event, Record
from tests.simulation.client import Client


class SimJournal:
    """Implements `Journal`, for one process and the one deployment of a world. `write` keeps a record."""

    def __init__(self, client: Client, written: Sequence[Record], write: Callable[[Record], None]) -> None:
        self._client = client
        self._written = written
        self._write = write

    def begin(self, service: str) -> int:
        return 1

    def append(self, deployment: int, event: Event) -> Record:
        self._client.require_alive()
        record = Record(deployment, len(self._written) + 1, asyncio.get_running_loop().time(), event)
        self._write(record)
        return record

    def deployments(self, service: str) -> Sequence[int]:
        return [1] if self._written else []

    def records(self, deployment: int) -> Sequence[Record]:
        return self._written

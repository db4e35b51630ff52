"""The configuration that a running HAProxy was started with, read once for each of its processes."""

from __future__ import annotations

import asyncio

from rollout.domain import Reading
from rollout.engine.configuration import Configuration, Unreadable, read_configuration
from rollout.errors import HostError
from rollout.ports import Host


class LoadedConfiguration:
    """The configuration of one load balancer. `host` is its machine, if shell lines can be run there."""

    def __init__(self, host: Host | None) -> None:
        self._host = host
        self._lock = asyncio.Lock()
        self._process = (0, 0)
        self._read: Configuration | HostError | Unreadable

    async def read(self, reading: Reading) -> Configuration:
        """The configuration of the process that gave `reading`. Raises HostError, Unreadable."""
        async with self._lock:
            if self._process != reading.process:
                try:
                    self._read = await self._read_now(reading)
                except (HostError, Unreadable) as error:
                    self._read = error
                self._process = reading.process
            if isinstance(self._read, Configuration):
                return self._read
            raise self._read

    async def _read_now(self, reading: Reading) -> Configuration:
        if self._host is None:
            raise Unreadable("its machine is not reached by SSH")
        return await read_configuration(self._host, reading)

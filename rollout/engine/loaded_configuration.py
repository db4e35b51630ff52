"""The configuration that a running HAProxy was started with, read once for each of its processes."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass

from rollout.domain import Reading
from rollout.engine.configuration import Unreadable, read_configuration
from rollout.errors import HostError
from rollout.ports import Host

_LOOK = 10.0
"""Seconds for looking at the files' times."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The lines of all files of a configuration, in order."""

    places: tuple[str, ...]
    """`FILE:NUMBER` of each line."""
    text: str
    changed: str
    """A file that was changed after HAProxy was started, so that other lines may hold; empty if none was."""


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
        lines = await read_configuration(self._host, reading.pid)
        files = {place.rpartition(":")[0] for place, _ in lines}
        return Configuration(
            places=tuple(place for place, _ in lines),
            text="\n".join(text for _, text in lines),
            changed=await _changed_since(reading.started, sorted(files), self._host),
        )


async def _changed_since(started: int, files: list[str], host: Host) -> str:
    """The first of `files` that was changed after the Unix time `started`; empty if none was, or if their
    times cannot be seen. Raises HostError."""
    times = [f"echo $(stat -c %Y {name}) {name}" for name in map(shlex.quote, files)]
    changed: list[str] = []

    def look(line: str) -> None:
        time, _, name = line.partition(" ")
        if time.isdecimal() and int(time) > started:
            changed.append(name)

    await host.run("; ".join(times) or ":", environment={}, timeout=_LOOK, output=look)
    return "".join(changed[:1])

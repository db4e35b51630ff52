"""HAProxy's state file: where HAProxy loads one, what was set by the socket survives a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rollout.domain import Server
from rollout.engine.configuration import Unreadable
from rollout.engine.loaded_configuration import LoadedConfiguration
from rollout.engine.log import StepLog
from rollout.errors import RolloutError
from rollout.haproxy_config.state_file import state_file as find_path
from rollout.ports import Host, LoadBalancer
from rollout.remote import state_file

_COMMAND = 10.0
"""Seconds for one command on the load balancer's machine."""


class StateFile:
    """The state file of one load balancer, if it has one. `host` is its machine, if it runs shell lines."""

    def __init__(self, balancer: LoadBalancer, host: Host | None, configuration: LoadedConfiguration) -> None:
        self._balancer = balancer
        self._configuration = configuration
        self._host = host
        self._path: str | None = None
        self._kept = False
        """Whether the file had content before: then somebody else keeps it up to date."""
        self._out: set[Server] = set()
        """The servers of all nodes that rollout has taken out."""
        self._lock = asyncio.Lock()
        self._looked = False
        self._warned = False

    @property
    def why_not_kept(self) -> str:
        """Why the next process will not load what this one was told; empty if the file has it."""
        if self._host is None:
            return "no shell line can be run on its machine, to look for a state file of HAProxy"
        if self._path is None:
            return "its HAProxy loads no state file that rollout can write"
        return f"its state file {self._path} could not be written" if self._warned else ""

    async def look(self) -> str:
        """Find the file. Returns why drains will not survive a reload although HAProxy loads the file; empty
        if they will."""
        async with self._lock:
            self._looked = True
            if self._host is None:
                return ""
            try:
                path = find_path((await self._configuration.read(await self._balancer.read())).text)
                if path is None:
                    return ""
                looked = await self._host.run(state_file.look(path), environment={}, timeout=_COMMAND)
            except (RolloutError, Unreadable):
                return ""  # `rollout check` says so
            if looked.status != 0:
                return f"{self._balancer.name}: {path} is not writable, so a reload of HAProxy forgets drains"
            self._path, self._kept = path, bool(looked.tail)
            return ""

    async def update(self, servers: Iterable[Server], log: StepLog, *, out: bool) -> None:
        """Write what HAProxy shows now, after servers were taken out or put back. Failing is one warning."""
        if not self._looked:
            await self.look()
        if self._host is None or self._path is None:
            return
        async with self._lock:
            if out:
                self._out.update(servers)
            else:
                self._out.difference_update(servers)
            try:
                # Nobody else keeps it up to date: any later reload would bring back its old states.
                unwanted = not self._out and not self._kept
                line = (
                    state_file.remove(self._path)
                    if unwanted
                    else state_file.write(self._path, await self._balancer.server_states())
                )
                done = await self._host.run(line, environment={}, timeout=_COMMAND)
                problem = "" if done.status == 0 else "; ".join(done.tail) or f"exit status {done.status}"
            except RolloutError as error:
                problem = str(error)
        if problem and not self._warned:
            self._warned = True
            log.warn(f"{self._balancer.name}: {self._path} could not be written: {problem}")

"""`rollout` on its way beside a test's event loop, in a prepared process: see `prepared`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from multiprocessing.process import BaseProcess

from tests.support import prepared


class Begun:
    """A command that has begun, in the words of `asyncio.subprocess.Process`."""

    def __init__(self, process: BaseProcess, stdout: asyncio.StreamReader) -> None:
        self._process = process
        self.stdout = stdout
        """What it prints, standard error included."""

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError if it has ended."""
        if self._process.pid is None or self.returncode is not None:
            raise ProcessLookupError
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Does nothing if it has ended."""
        self._process.kill()

    async def wait(self) -> int:
        """Its exit code."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self.returncode is not None
        return self.returncode

    async def end(self) -> None:
        """Kill it, if it still runs."""
        self.kill()
        await self.wait()


Running = Begun | asyncio.subprocess.Process


async def begin(*words: str, environment: Mapping[str, str] | None = None) -> Begun:
    """A command with nothing to read."""
    reads, writes = os.pipe()
    try:
        process = prepared.start(words, writes, writes, environment=environment)
    finally:
        os.close(writes)
    reader = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reads, "rb", 0))
    return Begun(process, reader)

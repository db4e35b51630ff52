"""This machine as a host: `ssh: local` in the inventory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from typing import cast

from rollout.adapters.shell import (
    CHUNK,
    GRACE,
    LATE,
    PATIENCE,
    QUIET,
    Printed,
    ShellHost,
    completed,
    ended,
)
from rollout.domain import Completed
from rollout.errors import CommandTimedOut


class LocalHost(ShellHost):
    """Implements `Host` for this machine. A line sees the environment of this process, too."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def connect(self) -> None:
        """Do nothing: there is nothing to connect to."""

    def expect(self, lines: int) -> None:
        """Do nothing: a shell starts at once here."""

    async def _run(
        self,
        wrapper: str,
        written: AsyncIterator[bytes],
        timeout: float,
        output: Callable[[str], None] | None,
    ) -> Completed:
        printed = Printed(output)
        async with _shell(wrapper) as (process, stream):
            writing = asyncio.create_task(_write(process, written))
            try:
                async with asyncio.timeout(timeout):
                    await _read(process, stream, printed)
                    status = await process.wait()
                    await ended(writing)
            except BaseException as error:
                writing.cancel()
                await _end(process)
                if isinstance(error, TimeoutError):
                    message = f"the command did not end within {timeout:g} s, so rollout ended it"
                    raise CommandTimedOut(self._name, message) from None
                raise
        return completed(self._name, status if status >= 0 else 128 - status, printed)


@contextlib.asynccontextmanager
async def _shell(wrapper: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """A shell with a process group of its own, and the stream of its output.

    The stream is a pipe of our own: a background process may keep it open when the shell has long ended.
    """
    reading, writing = os.pipe()
    stream = asyncio.StreamReader(limit=CHUNK)
    protocol = asyncio.StreamReaderProtocol(stream)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
    try:
        try:
            process = await _started(wrapper, writing)
        finally:
            os.close(writing)
        yield process, stream
    finally:
        pipe.close()


async def _started(wrapper: str, output: int) -> Process:
    """The shell, once it has started: asyncio waits for ever if it is cancelled while it starts a process."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            "sh", "-c", wrapper, stdin=PIPE, stdout=output, stderr=output, start_new_session=True
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        await _end(starting.result())
        raise


async def _write(process: Process, written: AsyncIterator[bytes]) -> None:
    stdin = cast(asyncio.StreamWriter, process.stdin)
    try:
        async for data in written:
            stdin.write(data)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended already; its status will tell
    finally:
        stdin.close()


async def _read(process: Process, stream: asyncio.StreamReader, printed: Printed) -> None:
    """Read until the stream ends, or is silent although the process has ended."""
    clock = asyncio.get_running_loop().time
    end_seen: float | None = None
    while end_seen is None or clock() - end_seen < PATIENCE:
        try:
            async with asyncio.timeout(LATE if printed.process is None else QUIET):
                data = await stream.read(CHUNK)
        except TimeoutError:
            if process.returncode is None:
                continue
            return
        if not data:
            return
        printed.feed(data)
        if end_seen is None and process.returncode is not None:
            end_seen = clock()


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
                return

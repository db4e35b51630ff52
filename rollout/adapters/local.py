"""This machine as a host: `ssh: local` in the inventory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast

from rollout.adapters.shell import CHUNK, GRACE, PATIENCE, QUIET, WRAPPER, Printed, script
from rollout.domain import Completed
from rollout.errors import CommandTimedOut


class LocalHost:
    """Runs shell lines here, in the environment of this process and what is given with the line."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def connect(self) -> None:
        """There is nothing to connect to."""

    def expect(self, lines: int) -> None:
        """A shell starts at once here."""

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        """As `Host.run`. A command that is given up, by timeout or cancellation, is ended with its group."""
        text = script(line, environment)
        printed = Printed(output)
        async with _shell() as (process, stream):
            try:
                async with asyncio.timeout(timeout):
                    await _write(process, text)
                    await _read(process, stream, printed)
                    status = await process.wait()
            except BaseException as error:
                await _end(process)
                if isinstance(error, TimeoutError):
                    message = f"the command did not end within {timeout:g} s and was ended"
                    raise CommandTimedOut(self._name, message) from None
                raise
        return Completed(status if status >= 0 else 128 - status, printed.end())


@contextlib.asynccontextmanager
async def _shell() -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """A shell with a process group of its own, and what it prints.

    The stream is our own pipe: a background process may hold it when the shell has long ended.
    """
    reading, writing = os.pipe()
    stream = asyncio.StreamReader(limit=CHUNK)
    protocol = asyncio.StreamReaderProtocol(stream)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                "sh", "-c", WRAPPER, stdin=PIPE, stdout=writing, stderr=writing, start_new_session=True
            )
        finally:
            os.close(writing)
        yield process, stream
    finally:
        pipe.close()


async def _write(process: Process, text: bytes) -> None:
    stdin = cast(asyncio.StreamWriter, process.stdin)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(text)
        await stdin.drain()
    stdin.close()


async def _read(process: Process, stream: asyncio.StreamReader, printed: Printed) -> None:
    """Until the stream ends, or is silent although the process has ended."""
    clock = asyncio.get_running_loop().time
    patience = PATIENCE
    while patience > 0:
        begun = clock()
        try:
            async with asyncio.timeout(QUIET):
                data = await stream.read(CHUNK)
        except TimeoutError:
            if process.returncode is None:
                continue
            return
        if not data:
            return
        printed.feed(data)
        if process.returncode is not None:
            patience -= clock() - begun


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
                return

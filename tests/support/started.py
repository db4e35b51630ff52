"""HAProxy with a command line and a configuration of a test's own. Its socket is `folder`/socket."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.haproxy.transport import UnixTransport
from rollout.domain import Reading, UnixSocket
from rollout.errors import LoadBalancerError
from tests.support.until import until_seen


def at(folder: Path) -> HAProxy:
    """HAProxy by its socket."""
    return HAProxy("lb1", UnixTransport("lb1", UnixSocket(f"{folder}/socket")))


@asynccontextmanager
async def started(
    folder: Path, *command: str | Path, work: Path
) -> AsyncIterator[tuple[subprocess.Popen[bytes], Reading]]:
    """A running HAProxy, and its first reading; it and its workers end with the block."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait
            command, cwd=work, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process, await answering(folder, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def answering(folder: Path, process: subprocess.Popen[bytes], *, not_pid: int = 0) -> Reading:
    """A reading of the process that answers now, another one than `not_pid`."""
    seen: list[Reading] = []

    async def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            seen.append(await at(folder).read())
        except LoadBalancerError:
            return False
        return seen[-1].pid != not_pid

    await until_seen(answers, "HAProxy")
    return seen[-1]

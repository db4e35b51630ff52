"""Keepalives: a connection whose host gives no sign of life is closed, so that whoever waits for an answer
learns of it soon. paramiko's own keepalives ask for no answer."""

from __future__ import annotations

import asyncio
import contextlib
import functools

from paramiko import SSHException

from rollout.adapters.ssh.settings import Settings
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import Transport

_INTERVAL = 15
"""Seconds between two questions, where `ssh_config` does not say."""
_JUMP_HOST = 5.0
"""Seconds in which the jump host of a silent host must answer, or it is named as silent too."""


async def keep_alive(transport: Transport, settings: Settings, threads: Threads) -> None:
    """Ask the host for a sign of life until the connection ends, and end it when the host stays silent.

    Whatever the host sends is a sign of life. Each silence is counted when it is over, so a pause of this
    process counts as one.
    """
    interval = settings.server_alive_interval or _INTERVAL
    most = max(1, settings.server_alive_count_max)
    asking = asyncio.create_task(threads.run(functools.partial(_ask, transport)))
    unanswered = 0
    while transport.is_active():
        if asking.done():  # else the host takes nothing any more
            asking = asyncio.create_task(threads.run(functools.partial(_ask, transport)))
        heard = transport.heard
        await asyncio.sleep(interval)
        unanswered = unanswered + 1 if transport.heard == heard else 0
        if unanswered == most:
            silence = (
                f"gave no sign of life for {interval * most:g} s (ServerAliveInterval {interval:g} × {most})"
            )
            await threads.run(functools.partial(_give_up, transport, silence))


def _ask(transport: Transport) -> None:
    with contextlib.suppress(SSHException, EOFError, OSError):
        transport.ask()


def _give_up(transport: Transport, silence: str) -> None:
    """Close the connection of a silent host, and say so if its jump host is silent as well."""
    if (jump := transport.jump) is not None and not jump.answers(_JUMP_HOST):
        silence += f", and jump host {jump.destination} does not answer"
    transport.give_up(silence)

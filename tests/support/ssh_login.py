"""A login over SSH by the adapter itself, and the error of one that is refused."""

from __future__ import annotations

import asyncio

import pytest

from rollout.adapters.ssh import SshPool
from rollout.domain import SshTarget
from rollout.errors import AuthenticationFailed


def connect(target: SshTarget) -> None:
    """Log in, and leave. Raises HostError."""

    async def work() -> None:
        async with SshPool(5.0) as pool:
            await pool.host("web1", target).connect()

    asyncio.run(work())


def refusal(target: SshTarget) -> AuthenticationFailed:
    """The error of a login that is refused."""
    with pytest.raises(AuthenticationFailed, match=r"^web1: ") as caught:
        connect(target)
    return caught.value

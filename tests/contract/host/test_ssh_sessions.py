"""Sessions that are started ahead of their use, against a real sshd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from paramiko import Channel, ChannelException

from rollout.adapters.ssh import SshHost, SshPool
from rollout.adapters.ssh.dialing import TcpStream
from rollout.adapters.ssh.sessions import Sessions
from rollout.adapters.ssh.threads import Threads
from tests.support.sshd import Sshd, descendants
from tests.support.until import wait

StartSshd = Callable[..., Sshd]


@asynccontextmanager
async def connected(sshd: Sshd) -> AsyncIterator[SshHost]:
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        await host.connect()
        yield host


async def say(host: SshHost, word: str) -> None:
    done = await host.run(f"echo {word}", environment={}, timeout=10.0)
    assert done.tail == (word,)


def sessions(sshd: Sshd) -> int:
    return sshd.log.count("Starting session")


async def test_commands_run_in_the_sessions_that_were_expected(start_sshd: StartSshd) -> None:
    """Two commands that were expected need no session of their own; the third does."""
    sshd = start_sshd(options=("LogLevel VERBOSE",))
    async with connected(sshd) as host:
        host.expect(2)
        await asyncio.to_thread(wait, lambda: sessions(sshd) == 2, "two sessions")
        await say(host, "one")
        await say(host, "two")
        assert sessions(sshd) == 2
        await say(host, "three")
        assert sessions(sshd) == 3


async def test_expected_session_whose_connection_died(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet connection that was lost after the session was started ahead does not lose the command."""
    monkeypatch.setattr("rollout.adapters.ssh.sessions._HEARD", 0.0)  # as if it had been quiet for longer
    async with connected(sshd) as host:
        host.expect(1)
        await say(host, "one")
        host.expect(1)
        await asyncio.sleep(0)
        sshd.cut()
        await say(host, "two")


async def test_expected_sessions_where_only_one_is_allowed(start_sshd: StartSshd) -> None:
    """Sessions started ahead never keep a command from running."""
    sshd = start_sshd(options=("MaxSessions 1",))
    async with connected(sshd) as host:
        host.expect(2)
        await asyncio.gather(*(say(host, str(number)) for number in range(4)))


async def test_commands_that_are_all_refused_at_once() -> None:
    """Eight sessions are refused at the same time, after another one has ended: all are tried again."""
    tried = 0
    seven_wait, eight_wait = asyncio.Event(), asyncio.Event()

    async def channel(start: object) -> Channel:
        nonlocal tried
        tried += 1
        if 1 < tried <= 9:
            if tried == 8:
                seven_wait.set()
            elif tried == 9:
                eight_wait.set()
            await eight_wait.wait()
            raise ChannelException(1, "Administratively prohibited")
        return Mock(Channel)

    sessions = Sessions(channel, Threads())

    async def run(until: asyncio.Event | None = None) -> None:
        async with sessions.run("true"):
            if until is not None:
                await until.wait()

    async with asyncio.timeout(10):
        await asyncio.gather(run(seven_wait), *(run() for _ in range(20)))


async def test_nothing_stays_of_a_session_that_nobody_used(start_sshd: StartSshd) -> None:
    """What was started ahead in vain ends with the connection, without an error."""
    sshd = start_sshd(options=("LogLevel VERBOSE",))
    async with connected(sshd) as host:
        host.expect(1)
        await asyncio.to_thread(wait, lambda: sessions(sshd) == 1, "a session")
    wait(lambda: not descendants(sshd.pid), "no process is left")


async def test_first_command_is_not_cut_off(
    start_sshd: StartSshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without quick acknowledgements a first command makes sshd quick; the connection outlives it."""
    ended = tmp_path / "ended"
    sshd = start_sshd(options=(f"ForceCommand sleep 0.3; touch {ended}",))
    monkeypatch.setattr(TcpStream, "quick", False)
    async with connected(sshd):
        assert not ended.exists()
    assert ended.exists()

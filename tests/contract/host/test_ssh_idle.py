"""A connection that waits costs nothing, and is closed at once all the same."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from paramiko.packet import Packetizer

from rollout.adapters.ssh import SshPool
from rollout.adapters.ssh.transport import Transport
from tests.support.sshd import Sshd
from tests.support.until import until

StartSshd = Callable[..., Sshd]


def reading() -> list[Transport]:
    """The threads of connections."""
    return [thread for thread in threading.enumerate() if isinstance(thread, Transport)]


async def test_the_thread_of_an_idle_connection_sleeps(
    start_sshd: StartSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a command runs elsewhere for a second, the thread of an idle connection wakes once at most, where
    paramiko's own wakes ten times."""
    woken: Counter[threading.Thread] = Counter()
    monkeypatch.setattr(Packetizer, "_check_keepalive", lambda _: woken.update([threading.current_thread()]))
    async with SshPool() as pool:
        await pool.host("idle", start_sshd("one", address="127.0.0.5").target()).connect()
        (idle,) = reading()
        busy = pool.host("busy", start_sshd("two", address="127.0.0.6").target())
        await busy.connect()
        before = woken[idle]
        await busy.run("sleep 1", environment={}, timeout=10.0)
        assert woken[idle] - before <= 1


async def test_the_thread_ends_with_its_connection(sshd: Sshd) -> None:
    """No thread goes on to wait on a socket that was closed."""
    async with SshPool() as pool:
        await pool.host("web1", sshd.target()).run("true", environment={}, timeout=10.0)
        (thread,) = reading()
    await until(lambda: not thread.is_alive(), "the thread to end", within=5.0)


async def test_the_threads_end_behind_a_jump_host(start_sshd: StartSshd) -> None:
    """The stream of such a connection is a channel of the jump host's."""
    jump, node = start_sshd("jump", address="127.0.0.5"), start_sshd("node", address="127.0.0.6")
    jump.known_hosts.write_text(jump.known_hosts.read_text() + node.known_hosts.read_text())
    node.authorized_keys.write_text(jump.authorized_keys.read_text())
    target = node.target(
        jump=f"{jump.user}@{jump.address}:{jump.port}",
        identity_file=str(jump.identity_file),
        known_hosts=str(jump.known_hosts),
    )
    async with SshPool() as pool:
        await pool.host("web1", target).run("true", environment={}, timeout=10.0)
        threads = reading()
    assert len(threads) == 2
    await until(lambda: not any(thread.is_alive() for thread in threads), "the threads to end", within=5.0)

"""How connections are opened, shared, lost and refused, against a real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from rollout.adapters.ssh import SshHost, SshPool
from rollout.adapters.ssh.dialing import explain
from rollout.domain import Completed, SshTarget
from rollout.errors import AnswerLost, HostUnreachable
from tests.support.sshd import Sshd
from tests.support.until import wait

StartSshd = Callable[..., Sshd]


async def say(host: SshHost, word: str = "hello") -> Completed:
    return await host.run(f"echo {word}", environment={}, timeout=10.0)


async def begun(host: SshHost) -> asyncio.Task[Completed]:
    """A command that certainly runs and does not end by itself soon."""
    output = asyncio.Event()
    line = "echo begun; sleep 60"
    running = host.run(line, environment={}, timeout=60.0, output=lambda _: output.set())
    task = asyncio.create_task(running)
    await asyncio.wait_for(output.wait(), 10)
    return task


def logins(sshd: Sshd) -> int:
    return sshd.log.count("Accepted publickey")


def refusal(target: SshTarget, *, connect_timeout: float = 5.0) -> HostUnreachable:
    async def work() -> HostUnreachable:
        async with SshPool(connect_timeout) as pool:
            with pytest.raises(HostUnreachable) as caught:
                await pool.host("web1", target).connect()
            return caught.value

    return asyncio.run(work())


async def test_one_connection_for_all_who_want_the_same_target(sshd: Sshd) -> None:
    """Nodes and load balancers with the same target share one connection, also when they begin together."""
    async with SshPool() as pool:
        hosts = [pool.host(name, sshd.target()) for name in ("web1", "lb1", "web1")]
        done = await asyncio.gather(*(say(host) for host in hosts * 5))
        await asyncio.gather(*(host.connect() for host in hosts))
    assert done == [Completed(0, ("hello",))] * 15
    assert logins(sshd) == 1


async def test_dead_connection_is_opened_again(sshd: Sshd) -> None:
    """A connection that is found dead before a command is sent is replaced, and nobody notices."""
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        await say(host)
        sshd.cut()
        done = await say(host)
    assert done.tail == ("hello",)
    assert logins(sshd) == 2


async def test_answer_that_is_lost(sshd: Sshd) -> None:
    """A connection that breaks while a command runs leaves its outcome unknown, and that is said at once."""
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        running = await begun(host)
        sshd.cut()
        cut = time.monotonic()
        with pytest.raises(AnswerLost, match=r"^web1: "):
            await running
        seconds = time.monotonic() - cut
        assert (await say(host)).tail == ("hello",)
    assert seconds < 2.0


async def test_server_with_few_sessions(start_sshd: StartSshd) -> None:
    """An sshd that allows two sessions on a connection makes commands wait, not fail."""
    sshd = start_sshd(options=("MaxSessions 2",))
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        all_done = await asyncio.gather(*(say(host, str(number)) for number in range(20)))
    assert [done.tail for done in all_done] == [(str(number),) for number in range(20)]


async def test_server_without_sessions(start_sshd: StartSshd) -> None:
    """An sshd that allows no session at all is an error with its reason, not a wait without end."""
    sshd = start_sshd(options=("MaxSessions 0",))
    async with SshPool() as pool:
        with pytest.raises(HostUnreachable, match=r"^web1: its sshd allows no session") as caught:
            await say(pool.host("web1", sshd.target()))
    assert "MaxSessions" in str(caught.value.hint)


async def test_server_that_is_busy_with_logins(start_sshd: StartSshd) -> None:
    """Logins that an sshd turns away because too many come at once are tried again."""
    sshd = start_sshd(options=("MaxStartups 2:100:2",))
    files = [sshd.folder / f"known_hosts_{number}" for number in range(8)]
    for file in files:
        file.write_text(sshd.known_hosts.read_text())
    async with SshPool() as pool:
        targets = [sshd.target(known_hosts=str(file)) for file in files]
        await asyncio.gather(*(pool.host("web1", target).connect() for target in targets))
    assert logins(sshd) == 8


def test_nothing_listens(sshd: Sshd) -> None:
    """A refused connection is said in plain words."""
    sshd.stop()
    error = refusal(sshd.target())
    assert str(error) == f"web1: nothing listens on {sshd.address}:{sshd.port} (connection refused)"


def test_server_that_says_nothing(sshd: Sshd) -> None:
    """A host that takes the connection and never answers is given up at the connect timeout."""
    with socket.create_server((sshd.address, 0)) as silent:
        begun = time.monotonic()
        error = refusal(sshd.target(port=silent.getsockname()[1]), connect_timeout=0.5)
    assert "no answer from" in str(error)
    assert "within 0.5 s" in str(error)
    assert time.monotonic() - begun < 3.0


def test_server_that_does_not_speak_ssh(sshd: Sshd) -> None:
    """Another kind of server on the port is named as that."""
    with socket.create_server((sshd.address, 0)) as web:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = web.accept()
                    with connection:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        error = refusal(sshd.target(port=web.getsockname()[1]))
        web.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert "does not speak SSH" in str(error)


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "web 1", "web1:22", "user@web1"])
def test_names_that_are_none(sshd: Sshd, host: str) -> None:
    """A name that cannot be a host's is an error like any other."""
    assert str(refusal(sshd.target(host=host))).startswith("web1: ")


def test_unknown_name() -> None:
    """A name that DNS does not know is said in plain words."""
    told = explain(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "web1.example:22", 10.0)
    assert told.message == "the name in web1.example:22 cannot be resolved (Name or service not known)"


async def test_no_delay(sshd: Sshd) -> None:
    """Small packets are sent at once: otherwise each command takes 40 ms more."""
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        transport = await host._link.open()
        no_delay = int(transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))  # type: ignore[attr-defined]
    assert no_delay == 1


def test_closing_leaves_nothing_behind(sshd: Sshd) -> None:
    """After `aclose` there is no connection and no thread; a command that still ran has lost its answer."""

    async def work() -> None:
        pool = SshPool()
        host = pool.host("web1", sshd.target())
        running = await begun(host)
        await pool.aclose()
        with pytest.raises(AnswerLost):
            await running
        with pytest.raises(HostUnreachable, match="closed"):
            await host.connect()

    before = threading.active_count()
    asyncio.run(work())
    gc.collect()
    wait(lambda: threading.active_count() <= before, "the end of the threads")


def test_libraries_print_nothing(sshd: Sshd) -> None:
    """Whatever goes wrong inside the SSH library reaches the user as our error alone."""
    program = f"""
import asyncio, socket
from rollout.adapters.ssh import SshPool
from rollout.domain import SshTarget
from rollout.errors import HostError

async def work():
    async with SshPool(3.0) as pool:
        for port in ({sshd.port}, other.getsockname()[1]):
            try:
                await pool.host("web1", SshTarget("{sshd.address}", port=port)).connect()
            except HostError as error:
                print(error)

async def hang_up(reader, writer):
    writer.close()

async def main():
    async with await asyncio.start_server(hang_up, sock=other):
        await work()

other = socket.create_server(("{sshd.address}", 0))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert "its host key is unknown" in done.stdout
    assert "does not speak SSH" in done.stdout
    assert done.stderr == ""

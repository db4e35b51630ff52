"""A connection that goes silent: whoever waits for an answer learns of it soon, wherever the silence is."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from rollout.adapters.ssh import SshHost, SshPool
from rollout.domain import Completed
from rollout.errors import AnswerLost
from tests.support.ssh_lab import FORWARD
from tests.support.sshd import Sshd
from tests.support.until import until
from tests.support.wire import Wire

StartSshd = Callable[..., Sshd]

SILENCE = r"gave no sign of life for 0\.9 s \(ServerAliveInterval 0\.3 × 3\)"
LINE = "echo begun; sleep 60"


@pytest.fixture(autouse=True)
def interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keepalives more often than ssh_config can say, which counts in seconds."""
    monkeypatch.setattr("rollout.adapters.ssh.keepalive._INTERVAL", 0.3)


@pytest.fixture
def wire(sshd: Sshd) -> Iterator[Wire]:
    with wire_to(sshd) as wire:
        yield wire


def wire_to(sshd: Sshd) -> Wire:
    """A wire on which the sshd's key is known."""
    wire = Wire(sshd.address, sshd.port)
    known = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text(known + known.replace(sshd.address, wire.address))
    return wire


async def lost_in_silence(host: SshHost, *wires: Wire) -> str:
    """The error of a command while which the wires go silent; it must come soon."""
    begun = asyncio.Event()
    running = asyncio.create_task(host.run(LINE, environment={}, timeout=60.0, output=lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 10)
    for wire in wires:
        wire.go_silent()
    since = time.monotonic()
    with pytest.raises(AnswerLost) as caught:
        await running
    assert time.monotonic() - since < 5.0
    return str(caught.value)


async def say_hello(host: SshHost) -> Completed:
    return await host.run("echo hello", environment={}, timeout=10.0)


async def test_silent_host(sshd: Sshd, wire: Wire) -> None:
    """A host that falls silent while a command runs is given up, and reached again once it answers."""
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target(host=wire.address))
        told = await lost_in_silence(host, wire)
        wire.carry_on()
        assert (await say_hello(host)).tail == ("hello",)
    assert re.fullmatch(f"web1: the connection broke while the command ran: it {SILENCE}", told)


async def test_host_that_takes_nothing_any_more(sshd: Sshd, wire: Wire) -> None:
    """Nor does it help a silent host that what is sent to it fills all buffers."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1_000_000)

    async with SshPool() as pool:
        host = pool.host("web1", sshd.target(host=wire.address))
        await host.connect()
        sending = asyncio.create_task(
            host.send("cat >/dev/null", endless(), environment={}, timeout=60.0, output=None)
        )
        await asyncio.sleep(0.5)
        wire.go_silent()
        with pytest.raises(AnswerLost, match=SILENCE):
            await asyncio.wait_for(sending, 5.0)


async def test_silent_jump_host(sshd: Sshd, start_sshd: StartSshd) -> None:
    """Where the jump host is what is silent, the error names it."""
    bastion = start_sshd("bastion", address="127.0.0.6")
    with wire_to(bastion) as wire:
        know(sshd, bastion)
        jump = f"{bastion.user}@{wire.address}:{wire.port}"
        async with SshPool() as pool:
            told = await lost_in_silence(pool.host("web1", sshd.target(jump=jump)), wire)
    ours = f"it {SILENCE}, and jump host {jump} does not answer"
    assert re.fullmatch(
        f"web1: the connection broke while the command ran: ({ours}|jump host {jump} {SILENCE})", told
    )


async def test_silent_host_behind_a_jump_host(sshd: Sshd, start_sshd: StartSshd) -> None:
    """Behind a jump host that answers, the host itself is named; others behind it lose nothing."""
    bastion, other = start_sshd("bastion", address="127.0.0.6"), start_sshd("other", address="127.0.0.7")
    with wire_to(sshd) as wire:
        know(sshd, other, bastion)
        jump = f"{bastion.user}@{bastion.address}:{bastion.port}"
        async with SshPool() as pool:
            web2 = pool.host("web2", other.target(jump=jump))
            quiet = asyncio.create_task(web2.run("sleep 3", environment={}, timeout=10.0))
            told = await lost_in_silence(pool.host("web1", sshd.target(host=wire.address, jump=jump)), wire)
            assert (await quiet).status == 0
    assert re.fullmatch(f"web1: the connection broke while the command ran: it {SILENCE}", told)


async def test_silent_proxy_command(sshd: Sshd, wire: Wire, home: Path) -> None:
    """The same where a ProxyCommand leads to the host."""
    program = home / "forward"
    program.write_text(FORWARD.format(python=sys.executable))
    program.chmod(0o755)
    (home / ".ssh/config").write_text(f"Host *\n  ProxyCommand {program} {wire.address} %p\n")
    async with SshPool() as pool:
        told = await lost_in_silence(pool.host("web1", sshd.target()), wire)
    assert re.fullmatch(f"web1: the connection broke while the command ran: it {SILENCE}", told)


async def test_silence_while_a_socket_is_asked(sshd: Sshd, wire: Wire, tmp_path: Path) -> None:
    """A question to HAProxy's socket on a silent host is given up for the same reason."""
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(never_answer, tmp_path / "socket"), SshPool() as pool:
        host = pool.host("lb1", sshd.target(host=wire.address))
        asking = asyncio.create_task(host.stream_query(str(tmp_path / "socket"), b"show info", 60.0))
        await asyncio.wait_for(asked.wait(), 10)
        wire.go_silent()
        with pytest.raises(AnswerLost, match=f"the connection broke before the answer came: it {SILENCE}"):
            await asyncio.wait_for(asking, 5.0)
        wire.carry_on()


async def test_idle_connection_falls_silent(sshd: Sshd, wire: Wire) -> None:
    """A connection that nobody uses is given up too: the next command opens a new one at once."""
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target(host=wire.address))
        await say_hello(host)
        wire.go_silent()
        await until(lambda: not alive(host), "the end of the silent connection")
        wire.carry_on()
        since = time.monotonic()
        assert (await say_hello(host)).tail == ("hello",)
    assert time.monotonic() - since < 5.0


async def test_host_that_answers_is_waited_for(sshd: Sshd) -> None:
    """A command that prints nothing for many intervals ends as it should."""
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target())
        assert (await host.run("sleep 2; echo done", environment={}, timeout=10.0)).tail == ("done",)


async def test_short_silence(sshd: Sshd, wire: Wire) -> None:
    """A silence that is shorter than the limit loses nothing."""
    begun = asyncio.Event()
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target(host=wire.address))
        running = asyncio.create_task(
            host.run(
                "echo begun; sleep 1; echo done", environment={}, timeout=10.0, output=lambda _: begun.set()
            )
        )
        await begun.wait()
        wire.go_silent()
        await asyncio.sleep(0.5)
        wire.carry_on()
        assert (await running).tail == ("begun", "done")


@pytest.mark.parametrize("ssh", [True, False], ids=["ssh -G", "paramiko"])
async def test_ssh_config_counts(
    sshd: Sshd, wire: Wire, home: Path, monkeypatch: pytest.MonkeyPatch, *, ssh: bool
) -> None:
    """ServerAliveInterval and ServerAliveCountMax are heeded, with the program `ssh` and without."""
    if not ssh:
        monkeypatch.setattr("rollout.adapters.ssh.openssh.program", lambda: None)
    (home / ".ssh/config").write_text("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 1\n")
    async with SshPool() as pool:
        told = await lost_in_silence(pool.host("web1", sshd.target(host=wire.address)), wire)
    assert told.endswith("it gave no sign of life for 1 s (ServerAliveInterval 1 × 1)")


def alive(host: SshHost) -> bool:
    transport = host._link._transport
    return transport is not None and transport.is_active()


def know(*servers: Sshd) -> None:
    """Put the host keys of all into the file of each, and let one key log in to all."""
    known = "".join(server.known_hosts.read_text() for server in servers)
    authorized = "".join(server.authorized_keys.read_text() for server in servers)
    for server in servers:
        server.known_hosts.write_text(known)
        server.authorized_keys.write_text(authorized)

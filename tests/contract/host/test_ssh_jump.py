"""Jump hosts: one connection to each, and their keys are checked like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.adapters.ssh import SshPool
from rollout.adapters.ssh.config import resolve
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import Completed, SshTarget
from rollout.errors import AuthenticationFailed, HostKeyChanged, HostKeyUnknown, HostUnreachable
from tests.support.sshd import Sshd, free_port, generate_key

StartSshd = Callable[..., Sshd]


@pytest.fixture
def bastion(start_sshd: StartSshd) -> Sshd:
    return start_sshd("bastion", address="127.0.0.6")


def spec(jump: Sshd) -> str:
    return f"{jump.user}@{jump.address}:{jump.port}"


def know(*servers: Sshd) -> None:
    """Put the host keys of all into the file of each, and let one key log in to all."""
    known = "".join(server.known_hosts.read_text() for server in servers)
    authorized = "".join(server.authorized_keys.read_text() for server in servers)
    for server in servers:
        server.known_hosts.write_text(known)
        server.authorized_keys.write_text(authorized)


def say_hello(*targets: SshTarget, connect_timeout: float = 5.0) -> list[Completed]:
    async def work() -> list[Completed]:
        async with SshPool(connect_timeout) as pool:
            hosts = [pool.host("web1", target) for target in targets]
            return await asyncio.gather(
                *(host.run("echo hello", environment={}, timeout=10.0) for host in hosts)
            )

    return asyncio.run(work())


def logins(sshd: Sshd) -> int:
    return sshd.log.count("Accepted publickey")


def test_through_a_jump_host(sshd: Sshd, bastion: Sshd) -> None:
    """`jump` in the inventory leads the connection through that host."""
    know(sshd, bastion)
    assert say_hello(sshd.target(jump=spec(bastion)))[0].tail == ("hello",)
    assert (logins(bastion), logins(sshd)) == (1, 1)


def test_one_connection_to_the_jump_host(start_sshd: StartSshd, bastion: Sshd) -> None:
    """Many hosts behind a jump host share one connection to it, however many begin at once."""
    servers = [start_sshd(f"web{number}", address=f"127.0.0.{10 + number}") for number in range(4)]
    know(bastion, *servers)
    key = str(bastion.identity_file)
    targets = [
        server.target(jump=spec(bastion), identity_file=key, known_hosts=str(bastion.known_hosts))
        for server in servers
    ]
    assert len(say_hello(*targets)) == 4
    assert logins(bastion) == 1


def test_two_jump_hosts(start_sshd: StartSshd, sshd: Sshd, bastion: Sshd) -> None:
    """Several hops, with commas, are taken in their order."""
    second = start_sshd("second", address="127.0.0.7")
    know(sshd, bastion, second)
    assert say_hello(sshd.target(jump=f"{spec(bastion)},{spec(second)}"))[0].tail == ("hello",)
    assert (logins(bastion), logins(second), logins(sshd)) == (1, 1, 1)
    sshd.known_hosts.write_text(sshd.known_hosts.read_text())
    bastion.stop()
    with pytest.raises(
        HostUnreachable, match=f"jump host {spec(second)}: jump host {spec(bastion)}: nothing listens"
    ):
        say_hello(sshd.target(jump=f"{spec(bastion)},{spec(second)}"))


def test_jump_host_of_ssh_config(sshd: Sshd, bastion: Sshd, home: Path) -> None:
    """`ProxyJump` for everything does not send the jump host through itself, and its alias has settings."""
    know(sshd, bastion)
    (home / ".ssh/config").write_text(
        f"Host gate\n  HostName {bastion.address}\n  Port {bastion.port}\n  User {bastion.user}\n"
        "Host *\n  ProxyJump gate\n"
    )
    assert say_hello(sshd.target())[0].tail == ("hello",)
    assert logins(bastion) == 1


def test_unknown_key_of_a_jump_host(sshd: Sshd, bastion: Sshd) -> None:
    """A jump host is not trusted more than others; the hint adds its key."""
    with pytest.raises(
        HostKeyUnknown, match=f"^web1: jump host {spec(bastion)}: its host key is unknown"
    ) as caught:
        say_hello(sshd.target(jump=spec(bastion)))
    assert f"ssh-keyscan -p {bastion.port} -H {bastion.address}" in str(caught.value.hint)
    assert logins(bastion) == 0


def test_changed_key_of_a_jump_host(sshd: Sshd, bastion: Sshd) -> None:
    """Neither is one whose key has changed."""
    know(sshd, bastion)
    generate_key(bastion.folder / "other")
    other = (bastion.folder / "other.pub").read_text()
    sshd.known_hosts.write_text(f"[{bastion.address}]:{bastion.port} {other}")
    with pytest.raises(HostKeyChanged, match="jump host"):
        say_hello(sshd.target(jump=spec(bastion)))


def test_unknown_key_behind_a_jump_host(sshd: Sshd, bastion: Sshd) -> None:
    """ssh-keyscan cannot go through a jump host, so the hint is an `ssh` that can."""
    know(sshd, bastion)
    sshd.known_hosts.write_text(f"[{bastion.address}]:{bastion.port} " + " ".join(key_of(bastion)) + "\n")
    with pytest.raises(HostKeyUnknown, match=r"^web1: its host key is unknown") as caught:
        say_hello(sshd.target(jump=spec(bastion)))
    assert f"-J {spec(bastion)} -p {sshd.port} {sshd.user}@{sshd.address} true" in str(caught.value.hint)


def test_jump_host_that_refuses_the_key(sshd: Sshd, bastion: Sshd) -> None:
    """An error names the host it happened at."""
    know(sshd, bastion)
    bastion.authorized_keys.write_text("")
    with pytest.raises(AuthenticationFailed, match=f"^web1: jump host {spec(bastion)}: "):
        say_hello(sshd.target(jump=spec(bastion)))


def test_jump_host_that_forwards_nothing(start_sshd: StartSshd, sshd: Sshd) -> None:
    """Forbidden forwarding is named, with the setting to look at."""
    closed = start_sshd("closed", options=("AllowTcpForwarding no",))
    know(sshd, closed)
    with pytest.raises(HostUnreachable, match="does not allow forwarding") as caught:
        say_hello(sshd.target(jump=spec(closed)))
    assert "AllowTcpForwarding" in str(caught.value.hint)


async def test_nothing_listens_behind_the_jump_host(sshd: Sshd, bastion: Sshd) -> None:
    """The jump host itself is fine then, and others can still be reached through it."""
    know(sshd, bastion)
    dead = sshd.target(jump=spec(bastion), port=free_port(sshd.address))
    async with SshPool() as pool:
        with pytest.raises(HostUnreachable, match=f"cannot reach {sshd.address}:{dead.port}"):
            await pool.host("web2", dead).connect()
        good = pool.host("web1", sshd.target(jump=spec(bastion)))
        done = await good.run("echo hello", environment={}, timeout=10.0)
    assert done.tail == ("hello",)
    assert logins(bastion) == 1


async def test_jump_host_that_died(sshd: Sshd, bastion: Sshd) -> None:
    """When the jump host hung up, both connections are made again."""
    know(sshd, bastion)
    async with SshPool() as pool:
        host = pool.host("web1", sshd.target(jump=spec(bastion)))
        await host.connect()
        bastion.cut()
        done = await host.run("echo hello", environment={}, timeout=10.0)
    assert done.tail == ("hello",)
    assert (logins(bastion), logins(sshd)) == (2, 2)


def test_circle_of_jump_hosts(home: Path) -> None:
    """Jump hosts that need each other are a mistake that is named."""
    (home / ".ssh/config").write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(HostUnreachable, match=r"^web1: its jump hosts form a loop \(a\)$"):
        say_hello(SshTarget("a"))


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        ("gate", SshTarget("gate")),
        ("me@gate:2222", SshTarget("gate", user="me", port=2222)),
        ("ssh://me@gate:2222", SshTarget("gate", user="me", port=2222)),
        ("[::1]:2222", SshTarget("::1", port=2222)),
        ("one,me@two", SshTarget("two", user="me", jump="one")),
        ("none", None),
    ],
)
def test_spellings(jump: str, expected: SshTarget | None) -> None:
    """As in OpenSSH's `ProxyJump`."""
    assert resolve(SshTarget("web1", jump=jump)).jump == expected


@pytest.mark.parametrize("jump", ["gate:port", "a,,b", "@gate", "::1"])
def test_spellings_that_are_none(jump: str) -> None:
    """A jump host that cannot be one is named."""
    with pytest.raises(NoConnection, match="is not a jump host"):
        resolve(SshTarget("web1", jump=jump))


def key_of(sshd: Sshd) -> list[str]:
    return sshd.host_key.with_suffix(".pub").read_text().split()[:2]

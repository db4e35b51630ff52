"""ssh_config is understood as OpenSSH users expect, and the inventory goes before it."""

from __future__ import annotations

import asyncio
import getpass
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.adapters.ssh import SshPool, local_user, openssh
from rollout.adapters.ssh.config import resolve
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import Completed, SshTarget
from rollout.errors import HostUnreachable
from tests.support.sshd import Sshd
from tests.support.until import wait

FORWARD = """
import socket, sys, threading
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def pump():
    while data := far.recv(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
threading.Thread(target=pump, daemon=True).start()
while data := sys.stdin.buffer.raw.read(65536):
    far.sendall(data)
"""


def write(home: Path, text: str, name: str = "config") -> None:
    file = home / ".ssh" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def say_hello(target: SshTarget) -> Completed:
    async def work() -> Completed:
        async with SshPool(5.0) as pool:
            return await pool.host("web1", target).run("echo hello", environment={}, timeout=10.0)

    return asyncio.run(work())


def test_everything_from_an_alias(sshd: Sshd, home: Path) -> None:
    """A bare alias is enough if ssh_config knows the rest."""
    write(
        home,
        f"Host shop-*\n  HostName {sshd.address}\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile /nowhere/key\n  IdentityFile {sshd.identity_file}\n"
        f"  UserKnownHostsFile {sshd.known_hosts}\n",
    )
    assert say_hello(SshTarget("shop-web1")).tail == ("hello",)


def test_a_host_that_is_silent_is_given_up_when_it_says(home: Path) -> None:
    """`ConnectTimeout` goes before our own time."""
    write(home, "Host silent\n  HostName 127.0.0.1\n  ConnectTimeout 1\n")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(HostUnreachable, match=r"no answer from 127\.0\.0\.1:\d+ within 1 s"),
    ):
        say_hello(SshTarget("silent", port=silent.getsockname()[1]))


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("7s", 7), ("2m", 120), ("1m30", 90), ("none", None)]
)
def test_times_are_those_of_openssh(home: Path, text: str, seconds: float | None) -> None:
    """With units, or without."""
    write(home, f"ConnectTimeout {text}\n")
    assert resolve(SshTarget("web1")).connect_timeout == seconds


def test_a_time_that_is_none_is_refused(home: Path) -> None:
    """As `ssh` refuses it, with the file and the line."""
    write(home, "ConnectTimeout soon\n")
    place = rf"{home}/\.ssh/config line 1"
    with pytest.raises(
        NoConnection, match=f"the SSH configuration cannot be used: {place}: invalid time value"
    ):
        resolve(SshTarget("web1"))


def test_inventory_goes_first(home: Path) -> None:
    """What the inventory says wins; the rest comes from ssh_config, then from OpenSSH's defaults."""
    write(home, "Host *\n  User other\n  Port 1\n  HostName %h.example\n  ProxyCommand connect %r %h %p\n")
    settings = resolve(SshTarget("web1", user="deploy", port=2222, identity_file="~/k", known_hosts="/kh"))
    assert (settings.user, settings.port, settings.host) == ("deploy", 2222, "web1.example")
    assert settings.identity_file == home / "k"
    assert settings.known_hosts[0] == Path("/kh")
    assert settings.proxy_command == "connect deploy web1.example 2222"
    assert resolve(SshTarget("web1")).user == "other"
    write(home, "")
    plain = resolve(SshTarget("web1"))
    assert (plain.user, plain.port, plain.host) == (getpass.getuser(), 22, "web1")
    assert plain.known_hosts[0] == home / ".ssh/known_hosts"


def test_first_value_wins_and_patterns_match(home: Path) -> None:
    """Sections apply by pattern, negation and `Match`, and the first value found is used."""
    write(
        home,
        "Port=1000\nHost web* !web9\n  User web\n  Port 2000\nMatch host web9 user nine\n  HostName nine\n"
        "Host *\n  User rest\n",
    )
    assert (resolve(SshTarget("web1")).user, resolve(SshTarget("web1")).port) == ("web", 1000)
    assert resolve(SshTarget("web9")).user == "rest"
    assert resolve(SshTarget("web9", user="nine")).host == "nine"


def test_included_files(home: Path) -> None:
    """`Include` takes patterns, relative paths and `~`, and the section around it goes on afterwards."""
    write(home, "Host web1\n  User one\n", "conf.d/10-one")
    write(home, "Host web2\n  User two\n", "conf.d/20-two")
    write(home, "Include conf.d/* ~/none\nHost web3\n  Include more\n  Port 3\nHost *\n  User rest\n")
    write(home, "Port 4\n", "more")
    assert [resolve(SshTarget(f"web{number}")).user for number in (1, 2, 3)] == ["one", "two", "rest"]
    assert resolve(SshTarget("web3")).port == 4
    assert resolve(SshTarget("web1")).port == 22


@pytest.mark.parametrize("text", ["Port many\n", "nonsense\n", "Match host\n"])
def test_broken_configuration(home: Path, text: str) -> None:
    """A mistake in ssh_config is an error with a reason."""
    write(home, text)
    with pytest.raises(NoConnection) as caught:
        resolve(SshTarget("web1"))
    assert issubclass(caught.value.kind, HostUnreachable)


@pytest.mark.parametrize("user", ["a b", "x\nProxyCommand touch /tmp/y"])
def test_no_way_to_smuggle_settings_in(user: str) -> None:
    """A value of the inventory stays one value."""
    with pytest.raises(NoConnection, match="white space"):
        resolve(SshTarget("web1", user=user))


def test_proxy_command(sshd: Sshd, home: Path, tmp_path: Path) -> None:
    """The connection may go through a program, which is ended with the connection."""
    program = tmp_path / "forward.py"
    program.write_text(FORWARD)
    write(home, f"Host *\n  ProxyCommand {sys.executable} {program} %h %p\n")
    assert say_hello(sshd.target()).tail == ("hello",)
    wait(lambda: not children_of(os.getpid(), str(program)), "the end of the proxy command")


def test_proxy_command_that_fails(sshd: Sshd, home: Path) -> None:
    """What the program complained about is in the message."""
    write(home, "Host *\n  ProxyCommand sh -c 'echo no way through >&2; exit 1'\n")
    with pytest.raises(HostUnreachable, match=r"^web1: ProxyCommand: no way through$"):
        say_hello(sshd.target())


def test_looked_up_once(sshd: Sshd, home: Path) -> None:
    """However often a host is connected, `ssh` is asked about it once, unless that failed."""
    write(home, f'Match exec "echo >> {home}/asked; test -e {home}/right"\n  Port {sshd.port}\n')

    async def work() -> None:
        async with SshPool(5.0) as pool:
            hosts = [pool.host(name, sshd.target(port=None)) for name in ("web1", "web1 again")]
            await asyncio.gather(*(host.connect() for host in hosts))
            sshd.cut()
            await hosts[0].run("true", environment={}, timeout=10.0)

    (home / "right").touch()
    asyncio.run(work())
    assert (home / "asked").read_text() == "\n"


def test_a_failure_is_looked_up_again(sshd: Sshd, home: Path) -> None:
    """A configuration that is mended while a deployment waits counts."""
    write(home, "nonsense\n")

    async def work() -> None:
        async with SshPool(5.0) as pool:
            host = pool.host("web1", sshd.target())
            with pytest.raises(HostUnreachable, match="nonsense"):
                await host.connect()
            write(home, "")
            await host.connect()

    asyncio.run(work())


def test_a_command_of_the_configuration_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Match exec` is ended with everything that it started, and named."""
    monkeypatch.setattr(openssh, "_PATIENCE", 0.5)
    write(home, f'Match exec "sleep 987 & echo $! > {home}/sleeper; wait"\n')
    with pytest.raises(NoConnection, match=r"`ssh -G` did not end within 0\.5 s; see Match exec"):
        resolve(SshTarget("web1"))
    sleeper = int((home / "sleeper").read_text())
    wait(lambda: not Path(f"/proc/{sleeper}").exists(), "the end of what Match exec started")


def test_a_home_that_is_not_the_account_s(home: Path) -> None:
    """In CI, HOME is often another: what is there counts, below it, and in files that it includes."""
    write(home, 'Include sub/*\nIdentityFile "~/.ssh/a b"\nUserKnownHostsFile ~/.ssh/mine %d/.ssh/other\n')
    write(home, "Match all\n  Include ~/.ssh/deep\n", "sub/one")
    write(home, "CertificateFile ~/cert\n", "deep")
    settings = resolve(SshTarget("web1"))
    assert settings.identity_files == (home / ".ssh/a b",)
    assert settings.known_hosts[:2] == (home / ".ssh/mine", home / ".ssh/other")
    assert settings.certificate_files == (home / "cert",)
    write(home, "")
    assert resolve(SshTarget("web1")).known_hosts[:2] == (
        home / ".ssh/known_hosts",
        home / ".ssh/known_hosts2",
    )


def test_an_older_ssh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that prints paths as they were written, and knows fewer keywords."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    lines = ["user deploy", "hostname web1.example", "port 22", "identityagent ~/%n.agent", "rsaminsize 2048"]
    lines += ["userknownhostsfile ~/.ssh/known_%h ~/.ssh/known_hosts2", "pubkeyacceptedkeytypes ssh-ed25519"]
    program.write_text("\n".join(["#!/bin/sh", *(f"echo '{line}'" for line in lines)]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    settings = resolve(SshTarget("web1"))
    assert (settings.login, settings.agent) == ("deploy@web1.example", home / "web1.agent")
    assert settings.known_hosts[0] == home / ".ssh/known_web1.example"
    assert (settings.required_rsa_size, settings.algorithms.user_keys) == (2048, ("ssh-ed25519",))


def test_a_home_without_ssh_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where HOME has no `.ssh`, the account's home counts, as it always does for `ssh`."""
    (home / ".ssh").rmdir()
    assert local_user.home() == Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.delenv("HOME")
    assert local_user.home() == Path(pwd.getpwuid(os.getuid()).pw_dir)


def children_of(pid: int, word: str) -> str:
    done = subprocess.run(["pgrep", "-P", str(pid), "-f", word], capture_output=True, text=True, check=False)
    return done.stdout

"""Only a host whose key is known is spoken to. Each hint is a command that works."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from paramiko import PKey, SSHClient

from rollout.adapters.ssh import SshPool
from rollout.adapters.ssh.config import resolve
from rollout.adapters.ssh.host_keys import HostKeyCheck
from rollout.adapters.ssh.known_hosts import fingerprint, read
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import SshTarget
from rollout.errors import HostError, HostKeyChanged, HostKeyUnknown
from tests.support.sshd import Sshd, generate_key

StartSshd = Callable[..., Sshd]


def connect(target: SshTarget) -> None:
    async def work() -> None:
        async with SshPool(5.0) as pool:
            await pool.host("web1", target).connect()

    asyncio.run(work())


def follow(hint: str | None) -> None:
    """Do what a person would do with a hint."""
    assert hint is not None
    command = hint.removeprefix("if the host was reinstalled: ")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=20)


def public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def shown_by_ssh_keygen(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def test_unknown_key_is_refused_with_the_line_that_adds_it(sshd: Sshd, home: Path) -> None:
    """The message has the fingerprint to compare; the hint, run as it stands, makes the host known."""
    target = sshd.target(known_hosts=None)
    with pytest.raises(HostKeyUnknown) as caught:
        connect(target)
    assert shown_by_ssh_keygen(sshd.host_key) in str(caught.value)
    assert caught.value.hint == f"ssh-keyscan -p {sshd.port} -H {sshd.address} >> ~/.ssh/known_hosts"
    follow(caught.value.hint)
    connect(target)


def test_changed_key_is_refused_with_both_fingerprints(sshd: Sshd) -> None:
    """A host that shows another key than the known one is refused, until a person says it is right."""
    other = sshd.folder / "other key"
    generate_key(other)
    sshd.known_hosts = sshd.folder / "known hosts"
    sshd.known_hosts.write_text(f"[{sshd.address}]:{sshd.port} {public(other)}\n")
    with pytest.raises(HostKeyChanged) as caught:
        connect(sshd.target())
    assert shown_by_ssh_keygen(sshd.host_key) in str(caught.value)
    assert shown_by_ssh_keygen(other) in str(caught.value)
    follow(caught.value.hint)
    connect(sshd.target())


def test_missing_known_hosts_file(sshd: Sshd) -> None:
    """A file that was asked for and is not there is named; the hint makes it."""
    target = sshd.target(known_hosts=str(sshd.folder / "none"))
    with pytest.raises(HostKeyUnknown, match="does not exist") as caught:
        connect(target)
    follow(caught.value.hint)
    connect(target)


def test_weak_settings_of_ssh_config_count_for_nothing(sshd: Sshd, home: Path) -> None:
    """`StrictHostKeyChecking no` does not let an unknown key in."""
    (home / ".ssh/config").write_text("Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n")
    with pytest.raises(HostKeyUnknown):
        connect(sshd.target(known_hosts=None))


@pytest.mark.parametrize(
    "line",
    [
        "[{address}]:{port} {key}",
        "other,[{address}]:{port},third {key} a comment",
        "[127.0.0.*]:{port} {key}",
        "[127.0.0.?]:* {key}",
        "*,!other {key}",
        "{address} {key}",
        "# a comment\n\nnonsense\n@revoked {address}\n\x00\n[{address}]:{port} {key}",
        "@cert-authority * ssh-ed25519 broken\n[{address}]:{port} {key}",
        "[{address}]:{port} ssh-rsa AAAA\n[{address}]:{port} {key}",
        "[{address}]:{port} {otherkey}\n[{address}]:{port} {key}",
    ],
)
def test_lines_that_know_the_host(sshd: Sshd, line: str) -> None:
    """known_hosts is read as OpenSSH reads it: lists, patterns, no port, comments, several keys."""
    other = sshd.folder / "other"
    generate_key(other)
    values = {"address": sshd.address, "port": sshd.port, "key": public(sshd.host_key)}
    sshd.known_hosts.write_text(line.format(otherkey=public(other), **values) + "\n")
    connect(sshd.target())


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", HostKeyUnknown),
        ("*,![{address}]:{port},!{address} {key}", HostKeyUnknown),
        ("[{address}]:{port} {otherkey}\n{address} {key}", HostKeyChanged),
        ("[{address}]:1 {key}", HostKeyUnknown),
        ("[127.0.0.[0-9]]:{port} {key}", HostKeyUnknown),
        ("@revoked * {key}\n[{address}]:{port} {key}", HostKeyChanged),
        ("@cert-authority * {key}", HostKeyUnknown),
        ("{address} {otherkey}", HostKeyUnknown),
        ("|1|AAAA|BBBB {key}\n|1|broken {key}", HostKeyUnknown),
    ],
)
def test_lines_that_do_not(sshd: Sshd, line: str, error: type[HostError]) -> None:
    """A line that excludes, revokes, or speaks of another host lets nobody in."""
    other = sshd.folder / "other"
    generate_key(other)
    values = {"address": sshd.address, "port": sshd.port, "key": public(sshd.host_key)}
    sshd.known_hosts.write_text(line.format(otherkey=public(other), **values) + "\n")
    with pytest.raises(error, match=r"^web1: "):
        connect(sshd.target())


def test_hashed_names(sshd: Sshd) -> None:
    """Names hashed by ssh-keygen are recognized."""
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", sshd.known_hosts], check=True, capture_output=True)
    assert "|1|" in sshd.known_hosts.read_text()
    connect(sshd.target())


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_host_with_many_keys_shows_the_known_one(start_sshd: StartSshd, tmp_path: Path, kind: str) -> None:
    """If only one of a host's keys is known, that is the one that is asked for."""
    keys = {name: tmp_path / f"host_{name}" for name in ("rsa", "ecdsa")}
    for name, key in keys.items():
        generate_key(key, kind=name)
    sshd = start_sshd(options=tuple(f"HostKey {key}" for key in keys.values()))
    known = public(keys.get(kind, sshd.host_key))
    sshd.known_hosts.write_text(f"[{sshd.address}]:{sshd.port} {known}\n")
    connect(sshd.target())


def test_alias_names_the_key(sshd: Sshd, home: Path) -> None:
    """`HostKeyAlias` is what the key is looked up by, without a port, as with OpenSSH."""
    (home / ".ssh/config").write_text("Host *\n  HostKeyAlias Shop-Web1\n")
    with pytest.raises(HostKeyUnknown) as caught:
        connect(sshd.target())
    assert "HostKeyAlias=shop-web1" in str(caught.value.hint)
    sshd.known_hosts.write_text(f"shop-web1 {public(sshd.host_key)}\n")
    connect(sshd.target())


def test_files_of_ssh_config(sshd: Sshd, home: Path) -> None:
    """`UserKnownHostsFile` may name several files."""
    sshd.known_hosts.rename(home / ".ssh/mine")
    (home / ".ssh/config").write_text('UserKnownHostsFile ~/.ssh/none "~/.ssh/mine"\n')
    connect(sshd.target(known_hosts=None))


def test_address_that_belongs_to_another(sshd: Sshd, home: Path) -> None:
    """CheckHostIP: a host's key is right, but its address is known for another key."""
    (home / ".ssh/config").write_text("Host *\n  CheckHostIP yes\n  HostName web1.internal\n")
    key = PKey.from_path(sshd.host_key)
    other = sshd.folder / "other"
    generate_key(other)
    sshd.known_hosts.write_text(f"web1.internal {public(sshd.host_key)}\n10.0.0.9 {public(other)}\n")
    settings = resolve(sshd.target(host="web1", port=22))
    with pytest.raises(NoConnection, match=r"known_hosts, line 2 has another for its address 10\.0\.0\.9"):
        HostKeyCheck(settings, "10.0.0.9").missing_host_key(SSHClient(), "", key)
    HostKeyCheck(settings, "10.0.0.10").missing_host_key(SSHClient(), "", key)


def test_fingerprint_is_openssh_s(sshd: Sshd) -> None:
    """People compare it with what `ssh-keygen -l` prints."""
    (known,) = read([sshd.known_hosts])
    assert fingerprint(known.blob) == shown_by_ssh_keygen(sshd.host_key)
    assert re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", fingerprint(b""))

"""Without the program `ssh`, ssh_config is read all the same; what only `ssh` can read is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.adapters.ssh.config import resolve
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import SshTarget
from tests.support.needs import missing


@pytest.fixture(autouse=True)
def no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def write(home: Path, text: str, name: str = "config") -> None:
    file = home / ".ssh" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_what_it_says_counts(home: Path) -> None:
    """Sections, includes, comments, quotes and tokens are read as by OpenSSH."""
    write(
        home,
        "Include more/*.conf\nHost web1 # the first\n  HostName %h.example # its name\n  Port=2222\n"
        '  IdentityFile "~/.ssh/a %n"\n  IdentityFile %d/%%x\n  CertificateFile ~/%r.pub\n'
        '  UserKnownHostsFile "~/a b" ~/c_%n\n  ProxyCommand connect %h %p # all\n  ConnectTimeout 1m\n'
        "  SetEnv A=1 'B=two words'\n  IdentityAgent ~/agent\nMatch final all\n  Compression yes\n",
    )
    write(home, "Host *\n  User deploy\n  IdentitiesOnly yes\n", "more/a.conf")
    settings = resolve(SshTarget("web1"))
    assert (settings.login, settings.port) == ("deploy@web1.example", 2222)
    assert settings.identity_files == (home / ".ssh/a web1", home / "%x")
    assert settings.certificate_files == (home / "deploy.pub",)
    assert settings.known_hosts[-3:-1] == (home / "c_web1", Path("/etc/ssh/ssh_known_hosts"))
    assert settings.proxy_command == "connect web1.example 2222 # all"
    assert (settings.connect_timeout, settings.agent) == (60, home / "agent")
    assert settings.environment == (("A", "1"), ("B", "two words"))
    assert settings.identities_only
    assert settings.compression
    assert not resolve(SshTarget("web2")).proxy_command


def test_default_keys(home: Path) -> None:
    """With nothing configured, OpenSSH's default files are tried."""
    settings = resolve(SshTarget("web1"))
    assert home / ".ssh/id_ed25519" in settings.identity_files
    assert not settings.identities_configured


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Match tagged shop", "`Match tagged`"),
        ("Match host=web1", "`Match host=web1`"),
        ("Match localnetwork 10.0.0.0/8", "`Match localnetwork`"),
        ("CanonicalizeHostname yes", "CanonicalizeHostname"),
        ("Ciphers +aes128-cbc", "`ciphers \\+aes128-cbc`"),
        ("CertificateFile a\nCertificateFile b", "a second certificatefile"),
    ],
)
def test_what_only_ssh_can_read(home: Path, line: str, what: str) -> None:
    """The file and the line are named."""
    write(home, f"# a comment\n{line}\n")
    number = 2 + line.count("\n")
    expected = f"{home}/.ssh/config, line {number}: {what} needs the program `ssh`, which is not available"
    with pytest.raises(NoConnection, match=expected):
        resolve(SshTarget("web1"))


def test_sections_within_sections(home: Path) -> None:
    """paramiko cannot tell that they depend on the section around the `Include`."""
    write(home, "Host web1\n  Include more\n")
    write(home, "Port 22\nHost *\n", "more")
    with pytest.raises(
        NoConnection, match=rf"{home}/\.ssh/more, line 2: sections in a file that is included"
    ):
        resolve(SshTarget("web1"))


NAMELESS = """
import os, sys
from rollout.adapters.ssh.config import resolve
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import SshTarget
os.setuid(54321)
for user in (None, "deploy"):
    try:
        print(resolve(SshTarget("web1", user=user)).login)
    except NoConnection as error:
        print(error, "|", error.hint)
"""


def nameless(**environment: str) -> list[str]:
    """What a user who is nothing but a number gets to see."""
    if os.geteuid() != 0:
        missing("needs root, to become a user without a name")
    words = [sys.executable, "-c", NAMELESS]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_user_without_an_account() -> None:
    """In a container, a user may have no name: one must be given, and the error says where."""
    without, with_user = nameless(HOME="/")
    assert without == (
        "user id 54321 has no account on this machine, so there is no user to log in as | "
        "set `user:` under `ssh:` in the inventory, or the variable USER"
    )
    assert with_user == "deploy@web1"
    assert nameless(HOME="/", USER="ci") == ["ci@web1", "deploy@web1"]


def test_a_user_without_an_account_and_a_home() -> None:
    """Then nobody knows where their keys are."""
    without, _ = nameless(USER="ci")
    assert without == (
        "user id 54321 has no account on this machine, so its ~/.ssh is not known | set the variable HOME"
    )

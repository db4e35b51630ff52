"""Keys and certificates wherever people keep them; and what is said where one cannot be used."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from rollout.adapters.ssh import SshPool
from rollout.adapters.ssh.authentication import PublicKeys
from rollout.adapters.ssh.config import resolve
from rollout.domain import SshTarget
from tests.support.ssh_login import connect, refusal
from tests.support.sshd import Sshd, generate_key

StartSshd = Callable[..., Sshd]
Add = Callable[..., None]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A real ssh-agent, which ssh_config has to name."""
    address = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield address
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    key = tmp_path / "authority"
    generate_key(key)
    return key


def add(agent: Path, *keys: Path | str) -> None:
    environment = {"SSH_AUTH_SOCK": str(agent), "PATH": "/usr/bin:/bin"}
    subprocess.run(["ssh-add", "-q", *keys], check=True, stdin=subprocess.DEVNULL, env=environment)


def sign(authority: Path, key: Path, *options: str) -> Path:
    """The certificate of a key."""
    words = ["ssh-keygen", "-q", "-s", authority, "-I", "x", *options, f"{key}.pub"]
    subprocess.run(words, check=True)
    return key.with_name(f"{key.name}-cert.pub")


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_an_agent_that_holds_a_certificate_alone(
    start_sshd: StartSshd, authority: Path, agent: Path, home: Path, tmp_path: Path, kind: str
) -> None:
    """As step-ca's and Teleport's do: the bare key is not known there, nor anywhere else."""
    sshd = start_sshd(options=(f"TrustedUserCAKeys {authority}.pub",))
    key = tmp_path / "key"
    generate_key(key, kind=kind)
    certificate = sign(authority, key, "-n", sshd.user)
    add(agent, key)
    certificate.unlink()
    add(agent, "-d", key)
    key.unlink()
    (home / ".ssh/config").write_text(f"IdentityAgent {agent}\n")
    connect(sshd.target(identity_file=None))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_certificate_for_a_key_of_the_agent(
    start_sshd: StartSshd, authority: Path, agent: Path, home: Path, tmp_path: Path, kind: str
) -> None:
    """CertificateFile and IdentitiesOnly: the agent signs, the certificate is shown."""
    sshd = start_sshd(options=(f"TrustedUserCAKeys {authority}.pub",))
    key = tmp_path / "key"
    generate_key(key, kind=kind)
    add(agent, key)
    key.unlink()
    certificate = sign(authority, key, "-n", sshd.user).rename(tmp_path / "signed")
    (home / ".ssh/config").write_text(
        f"IdentityAgent {agent}\nIdentitiesOnly yes\nIdentityFile {key}\nCertificateFile {certificate}\n"
    )
    connect(sshd.target(identity_file=None))


def test_a_certificate_that_has_expired(
    start_sshd: StartSshd, authority: Path, home: Path, tmp_path: Path
) -> None:
    """It is tried, as by OpenSSH, and named when the login fails: a new one has to be fetched."""
    sshd = start_sshd(options=(f"TrustedUserCAKeys {authority}.pub",))
    key = tmp_path / "key"
    generate_key(key)
    certificate = sign(authority, key, "-n", sshd.user, "-V", "20200101:20200102")
    (home / ".ssh/config").write_text(f"CertificateFile {certificate}\nIdentityFile {key}\n")
    assert f"the certificate {certificate} expired on " in str(refusal(sshd.target(identity_file=None)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CertificateFile ~/none", "the certificate {home}/none does not exist"),
        ("CertificateFile ~/text", "the certificate {home}/text is not a certificate"),
        ("IdentityFile ~/none", "{home}/none does not exist"),
        ("IdentityAgent ~/none", "no agent answers on {home}/none"),
        (
            "IdentityFile ~/key.pub",
            "{home}/key.pub is a public key, and no agent has its private half: give the",
        ),
        ("PubkeyAcceptedAlgorithms rsa-sha2-512", "PubkeyAcceptedAlgorithms in ssh_config excludes"),
    ],
)
def test_what_is_configured_and_of_no_use(sshd: Sshd, home: Path, text: str, said: str) -> None:
    """It is named when the login fails."""
    (home / ".ssh/config").write_text(f"{text}\n")
    (home / "text").write_text("nothing\n")
    (home / "key.pub").write_text(sshd.host_key.with_suffix(".pub").read_text())
    other = home / ".ssh/id_ed25519"
    generate_key(other)
    assert said.format(home=home) in str(refusal(sshd.target(identity_file=None)))


def test_a_public_key_in_the_inventory(sshd: Sshd) -> None:
    """The private one is named, if it lies beside it."""
    error = refusal(sshd.target(identity_file=f"{sshd.identity_file}.pub"))
    assert f"give {sshd.identity_file} instead" in str(error)


def test_a_public_key_in_the_inventory_whose_half_the_agent_has(sshd: Sshd, agent: Path, home: Path) -> None:
    """This is a way to choose one of the agent's keys."""
    add(agent, sshd.identity_file)
    sshd.identity_file.unlink()
    (home / ".ssh/config").write_text(f"IdentityAgent {agent}\n")
    connect(sshd.target(identity_file=f"{sshd.identity_file}.pub"))
    connect(sshd.target())


def test_a_card(sshd: Sshd, home: Path) -> None:
    """Keys on a card are reached by an agent: the hint says how."""
    (home / ".ssh/config").write_text("PKCS11Provider /usr/lib/card.so\nIdentityFile none\n")
    error = refusal(sshd.target(identity_file=None))
    assert error.hint == "rollout reaches the keys of PKCS11Provider by an agent: ssh-add -s /usr/lib/card.so"


class LetsIn(paramiko.ServerInterface):
    """A server that knows who comes, as a VPN's own does."""

    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if username == "deploy" else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"


def test_a_server_that_asks_for_nothing() -> None:
    """With no key at all, one is let in where the network has proved who one is."""
    ours, theirs = socket.socketpair()
    server = paramiko.Transport(theirs)
    client = paramiko.Transport(ours)
    server.add_server_key(paramiko.ECDSAKey.generate())
    listening = threading.Thread(target=server.start_server, kwargs={"server": LetsIn()})
    listening.start()
    try:
        client.start_client()
        PublicKeys(resolve(SshTarget("web1", user="deploy"))).authenticate(client)
        assert client.is_authenticated()
    finally:
        client.close()
        server.close()
        listening.join(10)


def run(target: SshTarget, line: str) -> tuple[str, ...]:
    async def work() -> tuple[str, ...]:
        async with SshPool(5.0) as pool:
            host = pool.host("web1", target)
            first = await host.run(line, environment={}, timeout=10.0)
            again = await host.run(line, environment={}, timeout=10.0)
            assert first.tail == again.tail
            return first.tail

    return asyncio.run(work())


def test_the_agent_can_be_used_on_the_node(sshd: Sshd, agent: Path, home: Path, tmp_path: Path) -> None:
    """ForwardAgent: a command there, such as git, lists and uses its keys, as often as it likes."""
    held = tmp_path / "held"
    generate_key(held)
    add(agent, held)
    (home / ".ssh/config").write_text(f"ForwardAgent {agent}\nIdentityAgent none\n")
    signed = 'echo x | ssh-keygen -q -Y sign -f "$HELD" -n file | head -1'
    lines = run(sshd.target(), f"HELD={held}.pub; ssh-add -L | cut -d' ' -f3; {signed}; {signed}")
    assert lines == ("held", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----")
    held.unlink()


def test_nothing_is_forwarded_unasked(sshd: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent is of use to whoever rules the node."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    assert run(sshd.target(), 'echo "${SSH_AUTH_SOCK:-none}"') == ("none",)


def test_the_language_of_this_machine_stays_here(
    start_sshd: StartSshd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SendEnv LANG LC_*, which distributions ship, does not change what a node prints. SetEnv does."""
    sshd = start_sshd(options=("AcceptEnv *",))
    monkeypatch.setenv("LC_ALL", "tlh")
    monkeypatch.setenv("LC_SHOP", "1")
    (home / ".ssh/config").write_text("SendEnv LANG LC_*\nSetEnv LC_TIME=C\n")
    assert run(sshd.target(), 'echo "${LC_ALL:-none} $LC_SHOP $LC_TIME"') == ("none 1 C",)

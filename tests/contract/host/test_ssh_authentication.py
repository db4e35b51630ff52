"""Which keys are used to log in, and what is said when none is accepted."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ssh_login import connect, refusal
from tests.support.sshd import Sshd, generate_key

StartSshd = Callable[..., Sshd]


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """A real ssh-agent; gives a function that adds a key without a passphrase."""
    address = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(address))

    def add(key: Path) -> None:
        subprocess.run(["ssh-add", "-q", key], check=True, stdin=subprocess.DEVNULL)

    yield add
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)


def lock(key: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True, capture_output=True
    )


def test_wrong_key(sshd: Sshd, tmp_path: Path) -> None:
    """The message names the login and the key; the hint puts the key there."""
    other = tmp_path / "other"
    generate_key(other)
    error = refusal(sshd.target(identity_file=str(other)))
    assert str(error) == f"web1: {sshd.user}@{sshd.address} accepts none of these keys: {other}"
    assert error.hint == f"ssh-copy-id -i {other} -p {sshd.port} {sshd.user}@{sshd.address}"


def test_no_key_at_all(sshd: Sshd) -> None:
    """Without any key there is nothing to try."""
    assert f"no key for {sshd.user}@{sshd.address}" in str(refusal(sshd.target(identity_file=None)))


def test_missing_identity_file(sshd: Sshd) -> None:
    """A file that was asked for and is not there is named."""
    assert "the identity file /nowhere/key does not exist" in str(
        refusal(sshd.target(identity_file="/nowhere/key"))
    )


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_identity_file_that_is_no_key(sshd: Sshd, tmp_path: Path, content: str) -> None:
    """A file that holds something else is named."""
    file = tmp_path / "broken"
    file.write_text(content)
    error = refusal(sshd.target(identity_file=str(file)))
    assert f"{file}: not a private key that can be read" in str(error)


def test_encrypted_key_needs_the_agent(sshd: Sshd, agent: Callable[[Path], None]) -> None:
    """A key with a passphrase is not asked for one: the hint is `ssh-add`, and after it the login works."""
    plain = sshd.folder / "plain"
    plain.write_text(sshd.identity_file.read_text())
    plain.chmod(0o600)
    lock(sshd.identity_file)
    error = refusal(sshd.target())
    assert "is encrypted and not in the agent" in str(error)
    assert error.hint == f"ssh-add {sshd.identity_file}"
    agent(plain)
    connect(sshd.target())


def test_key_of_the_agent_alone(sshd: Sshd, agent: Callable[[Path], None]) -> None:
    """Nothing need be configured if the agent has the key."""
    agent(sshd.identity_file)
    connect(sshd.target(identity_file=None))


def test_dead_agent_is_no_agent(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is gone does not keep a key file from being used."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    connect(sshd.target())


def test_agent_full_of_other_keys(sshd: Sshd, agent: Callable[[Path], None], tmp_path: Path) -> None:
    """The configured key is tried first: an agent with many keys would use up sshd's six tries."""
    for number in range(8):
        other = tmp_path / f"other{number}"
        generate_key(other)
        agent(other)
    connect(sshd.target())
    error = refusal(sshd.target(identity_file=None))
    assert "was disconnected after" in str(error)
    assert "identity_file" in str(error.hint)


def test_identities_only(sshd: Sshd, agent: Callable[[Path], None], tmp_path: Path, home: Path) -> None:
    """With `IdentitiesOnly yes` the agent's other keys are left alone."""
    agent(sshd.identity_file)
    other = tmp_path / "other"
    generate_key(other)
    connect(sshd.target(identity_file=str(other)))
    (home / ".ssh/config").write_text("IdentitiesOnly yes\n")
    refusal(sshd.target(identity_file=str(other)))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_default_files(sshd: Sshd, home: Path, kind: str) -> None:
    """With nothing configured, OpenSSH's default files are used, whatever their kind."""
    key = home / f".ssh/id_{kind}"
    generate_key(key, kind=kind)
    sshd.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    connect(sshd.target(identity_file=None))


def test_home_is_expanded(sshd: Sshd, home: Path) -> None:
    """`~` in the inventory is the user's home."""
    (home / "key").write_text(sshd.identity_file.read_text())
    (home / "known").write_text(sshd.known_hosts.read_text())
    connect(sshd.target(identity_file="~/key", known_hosts="~/known"))


def test_certificate_beside_the_key(start_sshd: StartSshd, tmp_path: Path) -> None:
    """A user certificate is presented without being named: the server trusts only its authority."""
    authority = tmp_path / "authority"
    generate_key(authority)
    sshd = start_sshd(options=(f"TrustedUserCAKeys {authority}.pub",))
    sshd.authorized_keys.write_text("")
    refusal(sshd.target())
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "deploy", "-n", sshd.user, f"{sshd.identity_file}.pub"]
    subprocess.run(sign, check=True)
    connect(sshd.target())


def test_useless_certificate_does_not_hide_the_key(sshd: Sshd, tmp_path: Path) -> None:
    """If the certificate beside a key is not accepted, the key itself is tried."""
    authority = tmp_path / "authority"
    generate_key(authority)
    sign = ["ssh-keygen", "-q", "-s", authority, "-I", "deploy", "-n", "nobody", f"{sshd.identity_file}.pub"]
    subprocess.run(sign, check=True)
    connect(sshd.target())


def test_server_that_wants_more_than_a_key(start_sshd: StartSshd) -> None:
    """A second factor cannot be given here, and the message says which."""
    sshd = start_sshd(options=("PasswordAuthentication yes", "AuthenticationMethods publickey,password"))
    assert "must log in by password" in str(refusal(sshd.target()))


def test_server_that_takes_no_keys(start_sshd: StartSshd) -> None:
    """Neither can a password."""
    sshd = start_sshd(options=("PasswordAuthentication yes", "PubkeyAuthentication no"))
    assert "must log in by password" in str(refusal(sshd.target()))


def test_identity_file_that_cannot_be_read(sshd: Sshd) -> None:
    """The reason is named, not only that the login failed: here a folder in its place."""
    sshd.identity_file.unlink()
    sshd.identity_file.mkdir()
    assert "Is a directory" in str(refusal(sshd.target()))

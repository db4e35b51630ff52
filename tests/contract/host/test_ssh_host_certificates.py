"""A host that a known authority vouches for is trusted, by OpenSSH's rules, and no certificate in doubt."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.adapters.ssh import SshPool
from rollout.adapters.ssh.certificates import parse
from rollout.domain import SshTarget
from rollout.errors import HostError, HostKeyChanged, HostKeyUnknown
from tests.support.sshd import Sshd, generate_key

StartSshd = Callable[..., Sshd]


class Authority:
    """An authority, and the sshd whose key it signs."""

    def __init__(self, start_sshd: StartSshd, folder: Path) -> None:
        self.key = folder / "authority"
        generate_key(self.key)
        self.file = folder / "sshd/host_key-cert.pub"
        self._start = start_sshd

    def certified(self, *options: str, key: Path | None = None) -> Sshd:
        """An sshd with a certificate that `ssh-keygen` makes by `options`. Only the authority is known."""
        sshd = self._start(options=(f"HostCertificate {self.file}", "HostKeyAlgorithms +rsa-sha2-512"))
        sign = ["ssh-keygen", "-q", "-s", key or self.key, "-I", "host", *options, f"{sshd.host_key}.pub"]
        subprocess.run(sign, check=True, stdin=subprocess.DEVNULL)
        sshd.stop()
        sshd.start()
        sshd.known_hosts.write_text(f"@cert-authority * {public(key or self.key)}\n")
        return sshd


@pytest.fixture
def authority(start_sshd: StartSshd, tmp_path: Path) -> Authority:
    return Authority(start_sshd, tmp_path)


def public(key: Path) -> str:
    return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])


def connect(target: SshTarget) -> None:
    async def work() -> None:
        async with SshPool(5.0) as pool:
            await pool.host("web1", target).connect()

    asyncio.run(work())


def refusal(target: SshTarget) -> HostError:
    with pytest.raises(HostError) as caught:
        connect(target)
    return caught.value


@pytest.mark.parametrize("names", [["-n", "other,127.0.0.1"], ["-n", "127.0.0.*"], []])
def test_a_certificate_for_the_host(authority: Authority, names: list[str]) -> None:
    """By its name, by a pattern, or by none, which means any."""
    connect(authority.certified("-h", *names).target())


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_authorities_of_other_kinds(authority: Authority, tmp_path: Path, kind: str) -> None:
    """An authority's key may be of any kind that OpenSSH accepts."""
    key = tmp_path / "other"
    generate_key(key, kind=kind)
    connect(authority.certified("-h", "-n", "127.0.0.1", key=key).target())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-h", "-n", "web2,web3"], "its certificate is for web2, web3, not for 127.0.0.1"),
        (["-h", "-V", "20200101:20200102"], "its certificate expired on .* 2020"),
        (["-h", "-V", "20900101:20900102"], "its certificate is not valid before .* 2090"),
    ],
)
def test_a_certificate_that_does_not_count(authority: Authority, options: list[str], reason: str) -> None:
    """The error says what is wrong with it. The bare key still counts, if it is known."""
    sshd = authority.certified(*options)
    with pytest.raises(HostKeyUnknown, match=rf"^web1: its host key is unknown: ssh-ed25519 .*\({reason}"):
        connect(sshd.target())
    sshd.known_hosts.write_text(
        f"{sshd.known_hosts.read_text()}[{sshd.address}]:{sshd.port} {public(sshd.host_key)}\n"
    )
    connect(sshd.target())


def test_a_weak_signature(authority: Authority, home: Path, tmp_path: Path) -> None:
    """CASignatureAlgorithms counts."""
    sshd = authority.certified("-h")
    (home / ".ssh/config").write_text("CASignatureAlgorithms rsa-sha2-512\n")
    assert "its certificate is signed by ssh-ed25519, which is not allowed" in str(refusal(sshd.target()))


@pytest.mark.parametrize("names", ["other.example", "[127.0.0.1]:1", "*,!127.0.0.1,![127.0.0.1]:*"])
def test_an_authority_for_other_hosts(authority: Authority, names: str) -> None:
    """Its line does not speak of this one."""
    sshd = authority.certified("-h")
    sshd.known_hosts.write_text(f"@cert-authority {names} {public(authority.key)}\n")
    assert isinstance(refusal(sshd.target()), HostKeyUnknown)


def test_an_authority_s_key_is_no_host_key(authority: Authority) -> None:
    """Nor does a host key vouch for others, although it is known."""
    sshd = authority.certified("-h")
    sshd.known_hosts.write_text(f"* {public(authority.key)}\n")
    assert isinstance(refusal(sshd.target()), HostKeyChanged)
    sshd.known_hosts.write_text(f"@cert-authority * {public(sshd.host_key)}\n")
    assert "known_hosts wants a certificate of" in str(refusal(sshd.target()))


@pytest.mark.parametrize("revoked", ["authority", "host_key"])
def test_revoked(authority: Authority, revoked: str) -> None:
    """By a marked line, whatever the certificate says."""
    sshd = authority.certified("-h")
    key = authority.key if revoked == "authority" else sshd.host_key
    with sshd.known_hosts.open("a") as known:
        known.write(f"@revoked * {public(key)}\n")
    with pytest.raises(HostKeyChanged, match="is revoked"):
        connect(sshd.target())


@pytest.mark.parametrize("of", ["certificate", "host_key", "nothing"])
def test_revoked_in_openssh_s_own_format(authority: Authority, home: Path, tmp_path: Path, of: str) -> None:
    """RevokedHostKeys may be made by `ssh-keygen -k`, by a certificate's serial number, too."""
    sshd = authority.certified("-h", "-z", "17")
    listed = {"certificate": "serial: 17\n", "host_key": f"key: {public(sshd.host_key)}\n", "nothing": ""}[of]
    (tmp_path / "list").write_text(listed)
    revoked = tmp_path / "revoked"
    make = ["ssh-keygen", "-q", "-k", "-f", revoked, "-s", f"{authority.key}.pub", tmp_path / "list"]
    subprocess.run(make, check=True, capture_output=True)
    (home / ".ssh/config").write_text(f"RevokedHostKeys {revoked}\n")
    if of == "nothing":
        connect(sshd.target())
    else:
        with pytest.raises(HostKeyChanged, match=f"is revoked .{revoked}"):
            connect(sshd.target())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A host's certificate, as it is sent."""
    folder = tmp_path_factory.mktemp("certificate")
    for name in ("authority", "host"):
        generate_key(folder / name)
    sign = [
        "ssh-keygen",
        "-q",
        "-s",
        folder / "authority",
        "-I",
        "x",
        "-h",
        "-n",
        "web1",
        folder / "host.pub",
    ]
    subprocess.run(sign, check=True)
    encoded = (folder / "host-cert.pub").read_text().split()[1]
    return base64.b64decode(encoded)


def test_one_that_is_as_it_was_made(certificate: bytes) -> None:
    """Its names and its signature are read."""
    read = parse(certificate)
    assert (read.principals, read.is_signed()) == (("web1",), True)


def test_one_that_was_changed(certificate: bytes) -> None:
    """Whatever byte is changed, it can no longer be read, or its signature is wrong."""
    for position in range(len(certificate)):
        changed = bytearray(certificate)
        changed[position] ^= 1
        try:
            read = parse(bytes(changed))
        except ValueError:
            continue
        assert not read.is_signed(), position


def test_one_that_is_cut_off_or_longer(certificate: bytes) -> None:
    """Nothing is made up for what is missing, and nothing may follow."""
    for length in range(len(certificate)):
        with pytest.raises(ValueError, match=r".+"):
            parse(certificate[:length])
    with pytest.raises(ValueError, match="follows the signature"):
        parse(certificate + b"x")

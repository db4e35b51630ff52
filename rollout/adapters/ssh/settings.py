"""The settings of one SSH connection, each decided: where it goes, whom it trusts, who logs in."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from rollout.domain import SshTarget


@dataclass(frozen=True, slots=True)
class Algorithms:
    """The names of the algorithms that may be used, most wanted first; empty for paramiko's own choice."""

    kex: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    host_keys: tuple[str, ...]
    user_keys: tuple[str, ...]
    authorities: tuple[str, ...]
    """Those by which a certificate may be signed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one connection. Paths are absolute."""

    host: str
    port: int
    user: str
    jump: SshTarget | None
    proxy_command: str | None
    address_family: socket.AddressFamily
    bind_address: str | None
    bind_interface: str | None
    connect_timeout: float | None
    """Seconds; `None` where `ssh_config` does not say."""
    server_alive_interval: float | None
    """Seconds; `None` where `ssh_config` does not say."""
    server_alive_count_max: int
    compression: bool
    algorithms: Algorithms
    required_rsa_size: int
    """Bits that an RSA key must have, whoever shows it."""

    own_known_hosts: bool
    """Whether the inventory names the file of known hosts."""
    known_hosts: tuple[Path, ...]
    """Where the host's key may be; the first is the user's own."""
    known_hosts_command: tuple[str, ...]
    """The words of a command that prints known keys, with its own tokens still in them; or empty."""
    host_key_alias: str | None
    revoked_host_keys: tuple[Path, ...]
    check_host_ip: bool
    trusts_new_keys: str | None
    """What ssh_config says to trust keys that are not known: rollout names it, and does not."""

    identity_file: Path | None
    """The key of the inventory."""
    identity_files: tuple[Path, ...]
    """Those of `ssh_config`, or else OpenSSH's default files."""
    identities_configured: bool
    """Whether `identity_files` are more than the default files."""
    certificate_files: tuple[Path, ...]
    identities_only: bool
    agent: Path | None
    """The socket of the agent whose keys are used."""
    pkcs11_provider: str | None
    """A library for keys on a card, which rollout reaches by an agent only."""

    forwarded_agent: Path | None
    """The socket of the agent that commands on the host can use."""
    environment: tuple[tuple[str, str], ...]
    """Variables that are offered to each command; the host's sshd takes those that it accepts."""

    @property
    def address(self) -> str:
        """`host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def login(self) -> str:
        """`user@host`."""
        return f"{self.user}@{self.host}"

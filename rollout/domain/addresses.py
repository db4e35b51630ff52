"""Addresses: how a host is reached over SSH, and where a runtime socket of HAProxy is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A host and how to log in there. `None` leaves a setting to `ssh_config` and OpenSSH's defaults."""

    host: str
    """Name or address."""
    user: str | None = None
    port: int | None = None
    identity_file: str | None = None
    """Path of a private key on this machine."""
    known_hosts: str | None = None
    """Path of a file of host keys on this machine."""
    jump: str | None = None
    """`[user@]host[:port]`, or several with commas, as OpenSSH's `ProxyJump`."""

    def __str__(self) -> str:
        """`[user@]host[:port]`."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{self.host}{port}"


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A runtime socket on this machine. `path` is absolute."""

    path: str

    def __str__(self) -> str:
        """`unix:///path`."""
        return f"unix://{self.path}"


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """A runtime socket that listens on TCP."""

    host: str
    port: int

    def __str__(self) -> str:
        """`tcp://host:port`."""
        return f"tcp://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SshSocket:
    """A UNIX runtime socket on another machine, reached over SSH. `path` is absolute there."""

    target: SshTarget
    path: str

    def __str__(self) -> str:
        """`ssh://[user@]host[:port]/path`."""
        return f"ssh://{self.target}{self.path}"


RuntimeSocket = UnixSocket | TcpSocket | SshSocket


@dataclass(frozen=True, slots=True)
class FolderAddress:
    """A folder in which deployers meet. `path` is absolute."""

    path: str
    target: SshTarget | None = None
    """The machine that has it; `None` for this one."""


@dataclass(frozen=True, slots=True)
class EtcdAddress:
    """An etcd in which deployers meet, and how to be let in."""

    members: tuple[str, ...]
    """`host:port` of each; all are members of one cluster."""
    prefix: str
    """The beginning of all keys, such as `/rollout`."""
    ca: str = ""
    """Path of the certificates that are trusted to sign those of the members; empty for no TLS."""
    certificate: str = ""
    """Path of the client's own certificate; empty for none."""
    key: str = ""
    """Path of the key of that certificate."""
    user: str = ""
    """The user; empty where etcd knows none."""
    password: str = field(default="", repr=False)


PlaceAddress = FolderAddress | EtcdAddress

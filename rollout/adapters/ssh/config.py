"""SSH settings of a target: those of the inventory over those of `ssh_config`."""

from __future__ import annotations

import getpass
import glob
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from paramiko import SSHConfig, SSHException

from rollout.adapters.ssh.no_connection import NoConnection
from rollout.domain import SshTarget
from rollout.errors import HostUnreachable

_INCLUDE_DEPTH = 16
_INCLUDE = re.compile(r"\s*include(?:\s*=\s*|\s+)(?P<paths>.+)", re.IGNORECASE)
_SECTION = re.compile(r"\s*(?:host|match)\b", re.IGNORECASE)
_TIME = re.compile(r"(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s?)?", re.IGNORECASE)
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^]]+\]|[^:/@\[\]]+)(?::(?P<port>\d+))?/?")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one connection. Paths are absolute; `identity_files` are those of `ssh_config`."""

    host: str
    port: int
    user: str
    identity_file: Path | None
    identity_files: tuple[Path, ...]
    identities_only: bool
    own_known_hosts: bool
    known_hosts: tuple[Path, ...]
    """Where the host's key may be; the first is the user's own."""
    host_key_alias: str | None
    jump: SshTarget | None
    proxy_command: str | None
    connect_timeout: float | None
    """Seconds; `None` where `ssh_config` does not say."""

    @property
    def address(self) -> str:
        """`host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def login(self) -> str:
        """`user@host`."""
        return f"{self.user}@{self.host}"


def resolve(target: SshTarget) -> Settings:
    """The settings of `target` on this machine. Reads files, may run `Match exec`. Raises NoConnection."""
    settings = _resolve(target)
    passed, hop = [target], settings.jump
    while hop is not None:
        if hop in passed:
            raise NoConnection(HostUnreachable, f"its jump hosts form a loop ({hop})", _CONFIG_HINT)
        passed.append(hop)
        hop = _resolve(hop).jump
    return settings


_CONFIG_HINT = "see ProxyJump in ~/.ssh/config and ssh.jump in the inventory"


def _resolve(target: SshTarget) -> Settings:
    try:
        options = SSHConfig.from_text(_config_text(target)).lookup(target.host)
        port = int(options.get("port", 22))
        user = options.get("user") or getpass.getuser()
        connect_timeout = _seconds(options.get("connecttimeout", "none"))
    except (SSHException, ValueError, KeyError, OSError) as error:
        raise NoConnection(HostUnreachable, f"the SSH configuration cannot be used: {error}") from error
    host = options["hostname"]
    if re.search(r"[\s@/]", host) or host.count(":") == 1:
        raise NoConnection(HostUnreachable, f"{host!r} is not a host name or an address")
    own_known_hosts = target.known_hosts is not None
    return Settings(
        host=host,
        port=port,
        user=user,
        identity_file=_path(target.identity_file) if target.identity_file else None,
        identity_files=tuple(_path(file) for file in options.get("identityfile", []) if file != "none"),
        identities_only=options.get("identitiesonly") == "yes",
        own_known_hosts=own_known_hosts,
        known_hosts=tuple(_known_hosts(target.known_hosts, options)),
        host_key_alias=options.get("hostkeyalias"),
        jump=_jump(target, options.get("proxyjump")),
        proxy_command=options.get("proxycommand"),
        connect_timeout=connect_timeout,
    )


def _config_text(target: SshTarget) -> str:
    """One configuration of the target's, the user's and the system's settings: the first value wins."""
    own = {"User": target.user, "Port": target.port, "ProxyJump": target.jump}
    lines = ["Host *"]
    for key, value in own.items():
        if value is not None:
            if re.search(r"\s", str(value)):
                raise ValueError(f"{key} {value!r} contains white space")
            lines.append(f"{key} {value}")
    for file in (Path.home() / ".ssh/config", Path("/etc/ssh/ssh_config")):
        if file.is_file():
            lines += ["Host *", *_lines(file, file.parent)]
    return "\n".join(lines)


def _lines(file: Path, folder: Path, depth: int = 0) -> Iterator[str]:
    """The lines of a file of configuration, `Include` followed, which paramiko does not."""
    section = "Host *"
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if _SECTION.match(line):
            section = line
        include = _INCLUDE.fullmatch(line)
        if include is None:
            yield line
        elif depth < _INCLUDE_DEPTH:
            for pattern in shlex.split(include["paths"]):
                for included in sorted(glob.glob(str(folder / _path(pattern, folder)))):
                    yield from _lines(Path(included), folder, depth + 1)
            yield section


def _seconds(text: str) -> float | None:
    """The seconds of a time such as `10`, `10s` or `1m30s`; `None` for `none`. Raises ValueError."""
    if text == "none":
        return None
    time = _TIME.fullmatch(text)
    if not text or time is None:
        raise ValueError(f"{text!r} is not a time")
    return 60.0 * int(time["minutes"] or 0) + int(time["seconds"] or 0)


def _path(text: str, folder: Path | None = None) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else (folder or Path.cwd()) / path


def _known_hosts(own: str | None, options: Mapping[str, str]) -> Iterator[Path]:
    users = [own] if own else shlex.split(options.get("userknownhostsfile", _USERS))
    for file in [*users, *shlex.split(options.get("globalknownhostsfile", _GLOBAL))]:
        if file != "none":
            yield _path(file)


_USERS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_GLOBAL = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"


def _jump(target: SshTarget, hops: str | None) -> SshTarget | None:
    """The last hop before `target`, itself reached by those before it.

    The inventory's identity file and known hosts serve the hops too: there is no other place to give them.
    The user of `target` does not, as in OpenSSH. A host is not its own jump host, which `Host *` would make
    it."""
    if hops is None or hops.lower() == "none":
        return None
    jump: SshTarget | None = None
    for number, hop in enumerate(hops.split(",")):
        parts = _JUMP.fullmatch(hop.strip())
        if parts is None:
            message = f"{hop.strip()!r} is not a jump host; expected [user@]host[:port]"
            raise NoConnection(HostUnreachable, message, _CONFIG_HINT)
        host = parts["host"].strip("[]")
        if host == target.host:
            return None
        port = int(parts["port"]) if parts["port"] else None
        before = ",".join(hops.split(",")[:number]) or None
        jump = replace(target, host=host, user=parts["user"], port=port, jump=before)
    return jump

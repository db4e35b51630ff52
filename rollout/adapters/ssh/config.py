"""SSH settings of a target: those of the inventory over those of `ssh_config`."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from paramiko import SSHException
from paramiko.config import ConfigParseError

from rollout.adapters.ssh import local_user, openssh, paramiko_config, tokens
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.options import Options
from rollout.adapters.ssh.settings import Algorithms, Settings
from rollout.domain import SshTarget
from rollout.errors import AuthenticationFailed, HostUnreachable

JUMP_HINT = "see ProxyJump in ~/.ssh/config and ssh.jump in the inventory"

_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^]]+\]|[^:/@\[\]\s]+)(?::(?P<port>\d+))?/?")
_DEFAULT_FILE = re.compile(r"~/\.ssh/id_\w+")
_USERS = ("known_hosts", "known_hosts2")
_GLOBAL = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_LOCALE = re.compile(
    "LANG|LANGUAGE|LC_(ALL|ADDRESS|COLLATE|CTYPE|IDENTIFICATION|MEASUREMENT|MESSAGES|MONETARY|NAME|NUMERIC"
    "|PAPER|TELEPHONE|TIME)"
)
"""Variables that are not sent: the language of this machine must not change what a node prints or runs."""


def resolve(target: SshTarget) -> Settings:
    """The settings of `target` on this machine. Reads files, runs `ssh`. Blocks. Raises NoConnection."""
    _jump(target, target.jump)  # a mistake in the inventory is named as such
    local_user.number_for_libraries()
    try:
        _refuse_white_space(target)
        ssh = openssh.program()
        options = openssh.ask(ssh, target) if ssh else paramiko_config.read(target)
        return _settings(target, options)
    except (SSHException, ConfigParseError, ValueError, KeyError, OSError) as error:
        message = f"the SSH configuration cannot be used: {error}"
        raise NoConnection(HostUnreachable, message, f"try: ssh -G {shlex.quote(target.host)}") from error


def _settings(target: SshTarget, options: Options) -> Settings:
    """The decisions that `options` come down to. Raises ValueError, NoConnection."""
    home = local_user.home()
    values = tokens.values(options, target, home)
    host = options.one("hostname") or target.host
    if re.search(r"[\s@/]", host) or host.count(":") == 1:
        raise NoConnection(HostUnreachable, f"{host!r} is not a host name or an address")
    _refuse_other_logins(options)
    command = options.one("proxycommand")
    if command and options.yes("proxyusefdpass"):
        raise NoConnection(HostUnreachable, "rollout cannot use ProxyUseFdpass; see it in ~/.ssh/config")
    given = [file for file in options.every("identityfile") if file.lower() != "none"]
    defaults = len(given) > 2 and all(_DEFAULT_FILE.fullmatch(file) for file in given)
    jump = _jump(target, options.one("proxyjump"))
    files = _Files(values, home)
    agent = files.agent(next(iter(options.every("identityagent")), "SSH_AUTH_SOCK"))
    return Settings(
        host=host,
        port=options.number("port", 22),
        user=options.one("user") or local_user.name(),
        jump=jump,
        proxy_command=tokens.fill(command, {name: values[name] for name in "hknpr"}) if command else None,
        address_family=_FAMILIES.get(options.one("addressfamily") or "any", socket.AF_UNSPEC),
        bind_address=options.one("bindaddress"),
        bind_interface=options.one("bindinterface"),
        connect_timeout=options.number("connecttimeout", 0) or None,
        server_alive_interval=options.number("serveraliveinterval", 0) or None,
        server_alive_count_max=options.number("serveralivecountmax", 3),
        compression=options.yes("compression"),
        algorithms=_algorithms(options),
        required_rsa_size=options.number("requiredrsasize", options.number("rsaminsize", 1024)),
        own_known_hosts=target.known_hosts is not None,
        known_hosts=tuple(_known_hosts(target, options, files)),
        known_hosts_command=tuple(_known_hosts_command(options, values)),
        host_key_alias=options.one("hostkeyalias"),
        revoked_host_keys=tuple(map(files.path, options.files("revokedhostkeys"))),
        check_host_ip=options.yes("checkhostip") and not (command or jump),
        trusts_new_keys=_weak_trust(options),
        identity_file=Path(target.identity_file).expanduser().absolute() if target.identity_file else None,
        identity_files=tuple(tokens.path(file, values, home) for file in given),
        identities_configured=not defaults,
        certificate_files=tuple(tokens.path(file, values, home) for file in options.every("certificatefile")),
        identities_only=options.yes("identitiesonly"),
        agent=agent,
        pkcs11_provider=options.one("pkcs11provider"),
        forwarded_agent=_forwarded(options.one("forwardagent") or "no", agent, files),
        environment=tuple(_environment(options).items()),
    )


def _refuse_white_space(target: SshTarget) -> None:
    for keyword, value in (("User", target.user), ("ProxyJump", target.jump)):
        if value is not None and re.search(r"\s", value):
            raise ValueError(f"{keyword} {value!r} contains white space")


def _refuse_other_logins(options: Options) -> None:
    ways = options.names("preferredauthentications")
    if options.no("pubkeyauthentication"):
        said = "PubkeyAuthentication no"
    elif ways and "publickey" not in ways:
        said = f"PreferredAuthentications {','.join(ways)}"
    else:
        return
    message = f"ssh_config says {said}, but rollout logs in by public key only"
    raise NoConnection(AuthenticationFailed, message, "allow publickey for this host in ~/.ssh/config")


def _algorithms(options: Options) -> Algorithms:
    return Algorithms(
        kex=options.names("kexalgorithms"),
        ciphers=options.names("ciphers"),
        macs=options.names("macs"),
        host_keys=options.names("hostkeyalgorithms"),
        user_keys=options.names("pubkeyacceptedalgorithms") or options.names("pubkeyacceptedkeytypes"),
        authorities=options.names("casignaturealgorithms"),
    )


class _Files:
    """Paths that older versions of `ssh` print as they were written, and newer ones with all replaced."""

    def __init__(self, values: Mapping[str, str], home: Path) -> None:
        self._values = values
        self.home = home

    def path(self, said: str) -> Path:
        """The path. Raises ValueError."""
        given = Path.cwd() / said
        return given if given.exists() else tokens.path(said, self._values, self.home)

    def agent(self, said: str) -> Path | None:
        """The agent that `IdentityAgent` or `ForwardAgent` names: a path, or the variable that has it."""
        if said.lower() == "none":
            return None
        if said == "SSH_AUTH_SOCK" or (said.startswith("$") and "{" not in said):
            path = os.environ.get(said.removeprefix("$"))
            return Path(path) if path else None
        return self.path(said)


def _known_hosts(target: SshTarget, options: Options, files: _Files) -> Iterator[Path]:
    """The files of known hosts: the inventory's or the user's, then those of all users."""
    if target.known_hosts is not None:
        yield Path(target.known_hosts).expanduser().absolute()
    elif options.every("userknownhostsfile"):
        yield from map(files.path, options.files("userknownhostsfile"))
    else:
        yield from (files.home / ".ssh" / name for name in _USERS)
    shared = options.files("globalknownhostsfile") if options.every("globalknownhostsfile") else _GLOBAL
    yield from (Path(file) for file in shared)


def _known_hosts_command(options: Options, values: dict[str, str]) -> Iterator[str]:
    for word in shlex.split(options.one("knownhostscommand") or ""):
        yield tokens.fill(tokens.variables(word), values, later="HIKft")


def _weak_trust(options: Options) -> str | None:
    said = options.one("stricthostkeychecking") or "ask"
    weak = {"no": "no", "off": "no", "false": "no", "accept-new": "accept-new"}.get(said)
    return f"StrictHostKeyChecking {weak}" if weak else None


def _forwarded(said: str, agent: Path | None, files: _Files) -> Path | None:
    if said in ("no", "false"):
        return None
    return agent if said in ("yes", "true") else files.agent(said)


def _environment(options: Options) -> dict[str, str]:
    """The variables of `SendEnv`, then those of `SetEnv`."""
    sent = {
        name: value
        for name, value in os.environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in options.every("sendenv"))
        and not _LOCALE.fullmatch(name)
    }
    pairs = (text.partition("=") for text in options.every("setenv"))
    return sent | {name: value for name, _, value in pairs}


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
            raise NoConnection(HostUnreachable, message, JUMP_HINT)
        host = parts["host"].strip("[]")
        if host == target.host:
            return None
        port = int(parts["port"]) if parts["port"] else None
        before = ",".join(hops.split(",")[:number]) or None
        jump = replace(target, host=host, user=parts["user"], port=port, jump=before)
    return jump

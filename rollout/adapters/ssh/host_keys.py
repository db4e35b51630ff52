"""Host keys: a host is trusted only if known_hosts has the key that it shows. Nothing weakens this check.

paramiko's own reader knows no patterns and no markers, and takes a marked line for a broken one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paramiko import MissingHostKeyPolicy, PKey, SSHClient

from rollout.adapters.ssh.config import Settings
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.errors import HostKeyChanged, HostKeyUnknown


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key in known_hosts, and its line."""

    file: Path
    number: int
    """Counts from 1."""
    marker: str
    """Empty, `@revoked` or `@cert-authority`."""
    names: str
    """Patterns of names with commas, or the hash of one name."""
    type: str
    """Such as `ssh-ed25519`."""
    blob: bytes

    def is_for(self, name: str) -> bool:
        """Whether the line is for `name`, written as in known_hosts: `host` or `[host]:port`."""
        if self.names.startswith("|1|"):
            return _matches_hash(self.names, name)
        patterns = self.names.lower().split(",")
        if any(_matches(pattern[1:], name) for pattern in patterns if pattern.startswith("!")):
            return False
        return any(_matches(pattern, name) for pattern in patterns)


class HostKeyCheck(MissingHostKeyPolicy):
    """Accepts the known key of one host, and nothing else. paramiko asks it about every key."""

    def __init__(self, settings: Settings) -> None:
        if settings.own_known_hosts and not settings.known_hosts[0].exists():
            message = f"the known_hosts file {settings.known_hosts[0]} does not exist"
            raise NoConnection(HostKeyUnknown, message, _how_to_add(settings))
        self._settings = settings
        self._keys = read(settings.known_hosts)
        host = settings.host.lower()
        alias = (settings.host_key_alias or "").lower()
        self._name = alias or (host if settings.port == 22 else f"[{host}]:{settings.port}")
        self._bare_name = None if alias else host

    def preferred(self, key_types: Iterable[str]) -> list[str]:
        """`key_types`, those of the known keys of this host first, so that it shows one of them."""
        known = {key.type for key in self._keys if not key.marker and key.is_for(self._name)}
        return sorted(
            key_types, key=lambda kind: ("ssh-rsa" if kind.startswith("rsa-") else kind) not in known
        )

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        """Raise NoConnection unless `key` is the known key of the host."""
        blob = key.asbytes()
        mine = [known for known in self._keys if known.is_for(self._name)]
        bare = [known for known in self._keys if self._bare_name and known.is_for(self._bare_name)]
        for known in (*mine, *bare):
            if known.marker == "@revoked" and known.blob == blob:
                message = f"its host key {fingerprint(blob)} is revoked ({known.file}, line {known.number})"
                raise NoConnection(HostKeyChanged, message)
        expected = [known for known in mine if not known.marker]
        if any(known.blob == blob for known in expected):
            return
        shown = f"{key.get_name()} {fingerprint(blob)}"
        if expected:
            raise self._changed(shown, expected)
        if any(not known.marker and known.blob == blob for known in bare):
            return
        message = f"its host key is unknown: {shown}"
        if any(known.marker == "@cert-authority" for known in mine):
            message += " (rollout cannot check host certificates; the key itself must be in known_hosts)"
        raise NoConnection(HostKeyUnknown, message, _how_to_add(self._settings))

    def _changed(self, shown: str, expected: list[KnownKey]) -> NoConnection:
        known = next((key for key in expected if key.type == shown.split()[0]), expected[0])
        where = f"{known.file}, line {known.number}"
        message = (
            f"its host key has changed: it shows {shown}, but {where} has {known.type} "
            f"{fingerprint(known.blob)}. "
            "Somebody may be intercepting the connection, or the host was reinstalled"
        )
        forget = f"ssh-keygen -R {shlex.quote(self._name)} -f {_shell_path(known.file)}"
        return NoConnection(
            HostKeyChanged, message, f"if the host was reinstalled: {forget} && {_how_to_add(self._settings)}"
        )


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a key, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def read(files: Iterable[Path]) -> list[KnownKey]:
    """Every key in those files that exist. Lines that mean nothing are skipped, as by OpenSSH.

    Raises NoConnection for a file that cannot be read.
    """
    keys = []
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise NoConnection(HostKeyUnknown, f"{file} cannot be read: {error.strerror}") from error
        for number, line in enumerate(lines, 1):
            marker, *fields = line.split() if line.startswith("@") else ("", *line.split())
            if len(fields) < 3 or fields[0].startswith("#"):
                continue
            names, kind, encoded = fields[:3]
            try:
                blob = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                continue
            keys.append(KnownKey(file, number, marker, names, kind, blob))
    return keys


def _how_to_add(settings: Settings) -> str:
    """A command that adds the key; past a jump host or under an alias only `ssh` itself can."""
    file = settings.known_hosts[0] if settings.known_hosts else Path("~/.ssh/known_hosts")
    if settings.jump or settings.proxy_command or settings.host_key_alias:
        words = ["ssh", "-o", "StrictHostKeyChecking=ask", "-o", f"UserKnownHostsFile={file}"]
        if settings.host_key_alias:
            words += ["-o", f"HostKeyAlias={settings.host_key_alias}"]
        if settings.jump:
            words += ["-J", str(settings.jump)]
        elif settings.proxy_command:
            words += ["-o", f"ProxyCommand={settings.proxy_command}"]
        return shlex.join([*words, *_port(settings), settings.login, "true"])
    return f"{shlex.join(['ssh-keyscan', *_port(settings), '-H', settings.host])} >> {_shell_path(file)}"


def _port(settings: Settings) -> list[str]:
    return [] if settings.port == 22 else ["-p", str(settings.port)]


def _shell_path(path: Path) -> str:
    try:
        return f"~/{shlex.quote(str(path.relative_to(Path.home())))}"
    except ValueError:
        return shlex.quote(str(path))


def _matches(pattern: str, name: str) -> bool:
    """Only `*` and `?` are special: `[` belongs to `[host]:port`."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name) is not None


def _matches_hash(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)

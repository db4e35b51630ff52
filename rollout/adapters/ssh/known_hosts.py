"""The keys in known_hosts, as OpenSSH reads them: patterns, hashes, markers, and lines that a command prints.

paramiko's own reader knows no patterns and no markers, and takes a marked line for a broken one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollout.adapters.ssh.no_connection import NoConnection
from rollout.errors import HostKeyUnknown

REVOKED, AUTHORITY = "@revoked", "@cert-authority"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key in known_hosts, and its line."""

    file: Path
    """`KnownHostsCommand` for the output of one."""
    number: int
    """Counts from 1."""
    marker: str
    """Empty, `REVOKED` or `AUTHORITY`."""
    names: str
    """Patterns of names with commas, or the hash of one name."""
    type: str
    """Such as `ssh-ed25519`."""
    blob: bytes

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.file}, line {self.number}"

    def is_for(self, name: str) -> bool:
        """Whether the line is for `name`, written as in known_hosts: `host` or `[host]:port`."""
        if self.names.startswith("|1|"):
            return _matches_hash(self.names, name)
        patterns = self.names.lower().split(",")
        if any(matches(pattern[1:], name) for pattern in patterns if pattern.startswith("!")):
            return False
        return any(matches(pattern, name) for pattern in patterns)


def read(files: Iterable[Path]) -> list[KnownKey]:
    """Every key in those files that exist. Raises NoConnection for a file that cannot be read."""
    keys: list[KnownKey] = []
    for file in files:
        try:
            keys += parse(file, file.read_text(encoding="utf-8", errors="replace"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise NoConnection(HostKeyUnknown, f"{file} cannot be read: {error.strerror}") from error
    return keys


def parse(file: Path, text: str) -> Iterator[KnownKey]:
    """The keys in `text`. Lines that mean nothing are skipped, as by OpenSSH."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        names, kind, encoded = words[:3]
        try:
            blob = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        yield KnownKey(file, number, marker, names, kind, blob)


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a key, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern fits. Only `*` and `?` are special: `[` belongs to `[host]:port`."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name) is not None


def _matches_hash(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)

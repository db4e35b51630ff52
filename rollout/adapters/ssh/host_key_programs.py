"""Programs that have a say about a host's key: KnownHostsCommand, and `ssh-keygen` for revoked keys."""

from __future__ import annotations

import base64
import binascii
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from paramiko import Message

from rollout.adapters.ssh import tokens
from rollout.adapters.ssh.known_hosts import KnownKey, fingerprint, parse
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.settings import Settings
from rollout.errors import HostKeyChanged, HostKeyUnknown

_PATIENCE = 15.0
"""Seconds that such a program may take."""
_KRL = b"SSHKRL\n\0"
"""What a list of revoked keys in OpenSSH's own format begins with."""


def ask_command(settings: Settings, name: str, reason: str, key: bytes | None) -> list[KnownKey]:
    """The keys that KnownHostsCommand prints for `name`. `reason` and `key`, as shown, are for its tokens.

    Blocks. Raises NoConnection.
    """
    if not settings.known_hosts_command:
        return []
    shown = {
        "H": name,
        "I": reason,
        "t": Message(key).get_text() if key else "NONE",
        "f": fingerprint(key) if key else "NONE",
        "K": base64.b64encode(key).decode() if key else "NONE",
    }
    try:
        words = [tokens.fill(word, shown) for word in settings.known_hosts_command]
        if not words[0].startswith("/"):
            raise ValueError(f"{words[0]} is not an absolute path")
        text = _run(words)
    except (ValueError, OSError, subprocess.SubprocessError) as error:
        raise NoConnection(HostKeyUnknown, f"KnownHostsCommand failed: {error}") from error
    return list(parse(Path("KnownHostsCommand"), text))


def refuse_revoked(settings: Settings, *keys: bytes) -> None:
    """Raise NoConnection if a file of RevokedHostKeys has any of the keys, or cannot be read. Blocks."""
    for file in settings.revoked_host_keys:
        for key in keys:
            try:
                revoked = _is_revoked(file, key)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                message = f"no host key counts while RevokedHostKeys {file} cannot be read: {error}"
                raise NoConnection(HostKeyUnknown, message) from error
            if revoked:
                message = f"its host key {fingerprint(key)} is revoked ({file})"
                raise NoConnection(HostKeyChanged, message)


def _is_revoked(file: Path, key: bytes) -> bool:
    data = file.read_bytes()
    if not data.startswith(_KRL):
        return key in _listed(data.decode("utf-8", "replace"))
    with tempfile.NamedTemporaryFile("w", prefix="rollout-", suffix=".pub") as public:
        public.write(f"{Message(key).get_text()} {base64.b64encode(key).decode()}\n")
        public.flush()
        words = ["ssh-keygen", "-Q", "-f", str(file), public.name]
        done = subprocess.run(  # noqa: S603 (OpenSSH's own program)
            words, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    if done.returncode != 0 and "REVOKED" not in done.stdout:
        raise ValueError(done.stderr.strip() or f"ssh-keygen ended with status {done.returncode}")
    return done.returncode != 0


def _listed(text: str) -> Iterator[bytes]:
    for line in text.splitlines():
        for word in line.split("#")[0].split():
            try:
                yield base64.b64decode(word, validate=True)
            except (binascii.Error, ValueError):
                continue


def _run(words: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 (the user's own ssh_config says so)
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        complaint = done.stderr.strip().splitlines()
        raise ValueError(complaint[-1] if complaint else f"{shlex.join(words)}: status {done.returncode}")
    return done.stdout

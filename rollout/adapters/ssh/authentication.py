"""Authentication by public key, in OpenSSH's way, with a plain reason where it fails."""

from __future__ import annotations

import contextlib
import copy
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import (
    Agent,
    AuthenticationException,
    BadAuthenticationType,
    PKey,
    SSHException,
    Transport,
)
from paramiko.pkey import PublicBlob, UnknownKeyType

from rollout.adapters.ssh.config import Settings
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.errors import AuthenticationFailed, HostUnreachable

_DEFAULT_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass
class PublicKeys:
    """Keys to log in with, in order: configured files, the agent's keys, then OpenSSH's default files.

    It is paramiko's authentication strategy for one connection.
    """

    settings: Settings
    _tried: list[str] = field(default_factory=list)
    _locked: list[Path] = field(default_factory=list)
    _broken: list[str] = field(default_factory=list)

    def authenticate(self, transport: Transport) -> None:
        """Log in. Raises NoConnection."""
        with contextlib.closing(Agent()) as agent:
            for label, key in self._keys(agent.get_keys()):
                self._tried.append(label)
                try:
                    missing = transport.auth_publickey(self.settings.user, key)
                except BadAuthenticationType as error:
                    raise self._not_enough(error.allowed_types) from error
                except AuthenticationException:
                    if not transport.is_active():
                        break
                except SSHException as error:
                    raise NoConnection(HostUnreachable, f"it hung up during the login: {error}") from error
                else:
                    if missing:
                        raise self._not_enough(missing)
                    return
        raise self._failed(hung_up=not transport.is_active())

    def _keys(self, in_agent: tuple[PKey, ...]) -> Iterator[tuple[str, PKey]]:
        """The keys, each with its name for people. A certificate comes before the bare key that it is for."""
        own = self.settings.identity_file
        if own is not None and not own.exists():
            raise NoConnection(AuthenticationFailed, f"the identity file {own} does not exist")
        configured = [*([own] if own else []), *self.settings.identity_files]
        offered: set[bytes] = set()
        for file in configured:
            yield from self._from_file(file, in_agent, offered)
        if not self.settings.identities_only:
            for key in in_agent:
                if key.asbytes() not in offered:
                    yield f"the agent's {getattr(key, 'comment', '') or key.get_name()}", key
        if not configured:
            for name in _DEFAULT_FILES:
                yield from self._from_file(Path.home() / ".ssh" / name, in_agent, offered)

    def _from_file(
        self, file: Path, in_agent: tuple[PKey, ...], offered: set[bytes]
    ) -> Iterator[tuple[str, PKey]]:
        public = _public_half(file)
        twin = next((key for key in in_agent if key.asbytes() == public), None)
        try:
            key = twin or PKey.from_path(file)
        except FileNotFoundError:
            return
        except TypeError:  # how the cryptography library says that a passphrase is missing
            self._locked.append(file)
            return
        except (OSError, ValueError, UnsupportedAlgorithm, UnknownKeyType, SSHException) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a private key that can be read"
            self._broken.append(f"{file}: {reason}")
            return
        offered.add(key.asbytes())
        if getattr(key, "public_blob", None):
            bare = copy.copy(key)
            bare.public_blob = None
            yield f"{file} with its certificate", key
            yield str(file), bare
        else:
            yield str(file), key

    def _not_enough(self, wanted: list[str]) -> NoConnection:
        message = f"{self.settings.login} must log in by {' and '.join(wanted)}, but rollout only uses keys"
        return NoConnection(AuthenticationFailed, message)

    def _failed(self, *, hung_up: bool) -> NoConnection:
        login, tried = self.settings.login, ", ".join(self._tried)
        problems = [*self._broken, *(f"{file} is encrypted and not in the agent" for file in self._locked)]
        notes = "".join(f"; {problem}" for problem in problems)
        if hung_up and tried:
            message = f"{login} was disconnected after {len(self._tried)} keys: {tried}{notes}"
            return NoConnection(
                AuthenticationFailed,
                message,
                "set ssh.identity_file in the inventory, and IdentitiesOnly yes in ~/.ssh/config",
            )
        message = (
            f"{login} accepts none of these keys: {tried}{notes}" if tried else f"no key for {login}{notes}"
        )
        if self._locked:
            return NoConnection(AuthenticationFailed, message, f"ssh-add {shlex.quote(str(self._locked[0]))}")
        port = "" if self.settings.port == 22 else f"-p {self.settings.port} "
        own = self.settings.identity_file
        identity = f"-i {shlex.quote(str(own))} " if own else ""
        return NoConnection(
            AuthenticationFailed, message, f"ssh-copy-id {identity}{port}{shlex.quote(login)}"
        )


def _public_half(file: Path) -> bytes | None:
    """The public key in the `.pub` file beside a private key: an encrypted key may be in the agent."""
    try:
        return PublicBlob.from_file(f"{file}.pub").key_blob
    except (OSError, ValueError, SSHException):
        return None

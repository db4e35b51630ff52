"""Authentication by public key, in OpenSSH's way, with a plain reason where it fails."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, field

from paramiko import (
    AuthenticationException,
    BadAuthenticationType,
    SSHException,
    Transport,
)

from rollout.adapters.ssh.agent import KeyAgent
from rollout.adapters.ssh.keys import Keys
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.settings import Settings
from rollout.errors import AuthenticationFailed, HostUnreachable


@dataclass
class PublicKeys:
    """The login of one connection: paramiko's authentication strategy for it."""

    settings: Settings
    _tried: list[str] = field(default_factory=list)

    def authenticate(self, transport: Transport) -> None:
        """Log in. Raises NoConnection."""
        own = self.settings.identity_file
        if own is not None and not own.exists() and not own.with_name(f"{own.name}.pub").exists():
            raise NoConnection(AuthenticationFailed, f"the identity file {own} does not exist")
        with contextlib.closing(KeyAgent(self.settings.agent)) as agent:
            keys = Keys(self.settings, agent.keys)
            for label, key in keys.offers():
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
        hung_up = not transport.is_active()
        if not hung_up and self._let_in_without_key(transport):
            return
        if agent.silent:
            keys.problems.append(f"no agent answers on {self.settings.agent}")
        raise self._failed(keys, hung_up=hung_up)

    def _let_in_without_key(self, transport: Transport) -> bool:
        """Whether the network has proved already who we are, as in a VPN with an SSH server of its own."""
        try:
            return not transport.auth_none(self.settings.user)
        except BadAuthenticationType as error:
            if "publickey" not in error.allowed_types:
                raise self._not_enough(error.allowed_types) from error
            return False
        except SSHException:
            return False

    def _not_enough(self, wanted: list[str]) -> NoConnection:
        message = f"{self.settings.login} must log in by {' and '.join(wanted)}, but rollout only uses keys"
        return NoConnection(AuthenticationFailed, message)

    def _failed(self, keys: Keys, *, hung_up: bool) -> NoConnection:
        login, tried = self.settings.login, ", ".join(self._tried)
        notes = "".join(f"; {problem}" for problem in keys.problems)
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
        return NoConnection(AuthenticationFailed, message, self._hint(keys))

    def _hint(self, keys: Keys) -> str:
        if keys.to_add:
            return f"ssh-add {shlex.quote(str(keys.to_add[0]))}"
        if self.settings.pkcs11_provider is not None:
            provider = shlex.quote(self.settings.pkcs11_provider)
            return f"rollout reaches the keys of PKCS11Provider by an agent: ssh-add -s {provider}"
        port = "" if self.settings.port == 22 else f"-p {self.settings.port} "
        own = self.settings.identity_file
        identity = f"-i {shlex.quote(str(own))} " if own else ""
        return f"ssh-copy-id {identity}{port}{shlex.quote(self.settings.login)}"

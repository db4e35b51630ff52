"""The algorithms of ssh_config, brought together with those that paramiko has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from paramiko import Transport

from rollout.adapters.ssh.certificates import SUFFIX
from rollout.adapters.ssh.host_keys import HostKeyCheck
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.settings import Algorithms
from rollout.errors import HostUnreachable

_ALIASES = {"curve25519-sha256": "curve25519-sha256@libssh.org"}
"""Names that OpenSSH has for an algorithm which paramiko knows by another."""


def use(transport: Transport, allowed: Algorithms, check: HostKeyCheck) -> None:
    """Let `transport` use what is allowed and no more, in that order.

    Raises NoConnection if paramiko has nothing of it.
    """
    kinds = transport.get_security_options()
    kinds.kex = _common("KexAlgorithms", (_ALIASES.get(name, name) for name in allowed.kex), kinds.kex)
    kinds.ciphers = _common("Ciphers", allowed.ciphers, kinds.ciphers)
    kinds.digests = _common("MACs", allowed.macs, kinds.digests)
    ours = [*kinds.key_types, *(f"{kind}{SUFFIX}" for kind in kinds.key_types)]
    kinds.key_types = check.preferred(_common("HostKeyAlgorithms", allowed.host_keys, ours))


def disabled(allowed: Algorithms) -> dict[str, list[str]]:
    """The algorithms for the user's own keys that paramiko must not use."""
    if not allowed.user_keys:
        return {}
    plain = {name.removesuffix(SUFFIX) for name in allowed.user_keys}
    ours: Sequence[str] = vars(Transport)["_preferred_pubkeys"]
    return {"pubkeys": [name for name in ours if name not in plain]}


def _common(option: str, allowed: Iterable[str], ours: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(allowed))
    if not names:
        return tuple(ours)
    common = tuple(name for name in names if name in ours)
    if not common:
        message = f"{option} in ssh_config allows only {', '.join(names)}, none of which rollout has"
        raise NoConnection(HostUnreachable, message, f"allow one of {', '.join(ours)} for this host")
    return common

"""Host keys: a host is trusted only if it shows a known key, or one that a known authority vouches for.

Nothing weakens this check. What ssh_config says to trust more is named, and does not count.
"""

from __future__ import annotations

import ipaddress
import shlex
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from paramiko import MissingHostKeyPolicy, PKey, RSAKey, SSHClient
from paramiko.pkey import PublicBlob

from rollout.adapters.ssh import certificates
from rollout.adapters.ssh.certificates import Certificate, is_certificate
from rollout.adapters.ssh.host_key_programs import ask_command, refuse_revoked
from rollout.adapters.ssh.known_hosts import AUTHORITY, REVOKED, KnownKey, fingerprint, matches, read
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.settings import Settings
from rollout.errors import HostKeyChanged, HostKeyUnknown

_FAR = 2**40
"""Seconds since 1970, long after any date that can be shown has a meaning."""
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_SIGNED_BY = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    *_RSA,
)
"""How an authority may sign, unless ssh_config says otherwise."""


class HostKeyCheck(MissingHostKeyPolicy):
    """Accepts the key of one host, and nothing else. paramiko asks it about every key."""

    def __init__(self, settings: Settings, ip: str | None) -> None:
        """`ip` is the address that the connection goes to; `None` on the way through others.

        Raises NoConnection.
        """
        if settings.own_known_hosts and not settings.known_hosts[0].exists():
            message = f"the known_hosts file {settings.known_hosts[0]} does not exist"
            raise NoConnection(HostKeyUnknown, message, _how_to_add(settings))
        self._settings = settings
        host = settings.host.lower()
        alias = (settings.host_key_alias or "").lower()
        self._principal = alias or host
        self._name = alias or (host if settings.port == 22 else f"[{host}]:{settings.port}")
        self._bare_name = None if alias else host
        self._ip = ip if settings.check_host_ip and ip and ip != host and not _is_loopback(ip) else None
        self._keys = [*read(settings.known_hosts), *ask_command(settings, self._name, "ORDER", None)]

    def preferred(self, kinds: Iterable[str]) -> list[str]:
        """`kinds` of host keys, those first by which this host can be known, so that it shows one of them."""
        known = {key.type for key in self._keys if not key.marker and key.is_for(self._name)}
        names = [self._name, self._bare_name or self._name]
        vouched = any(key.marker == AUTHORITY and any(map(key.is_for, names)) for key in self._keys)

        def is_unknown(kind: str) -> bool:
            if is_certificate(kind):
                return not vouched
            return ("ssh-rsa" if kind.startswith("rsa-") else kind) not in known

        return sorted(kinds, key=lambda kind: (is_unknown(kind), not is_certificate(kind)))

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        """Raise NoConnection unless `key` is a known key of the host, or bears a certificate that counts."""
        shown: PublicBlob | None = getattr(key, "public_blob", None)
        blob = key.asbytes()
        self._keys += ask_command(self._settings, self._name, "HOSTNAME", shown.key_blob if shown else blob)
        mine = [known for known in self._keys if known.is_for(self._name)]
        bare = [known for known in self._keys if self._bare_name and known.is_for(self._bare_name)]
        certificate, doubt = _certificate(shown, blob)
        self._refuse_revoked([*mine, *bare], blob)
        if certificate and shown:
            self._refuse_revoked([*mine, *bare], shown.key_blob, certificate.authority)
        self._refuse_short(key)
        authorities = [known for known in (*mine, *bare) if known.marker == AUTHORITY]
        if certificate and any(known.blob == certificate.authority for known in authorities):
            doubt = self._doubt(certificate)
            if doubt is None:
                return
        elif authorities and doubt is None:
            other = f"one of {fingerprint(certificate.authority)}" if certificate else "none"
            doubt = (
                f"known_hosts wants a certificate of {fingerprint(authorities[0].blob)}, but it shows {other}"
            )
        if shown is not None:
            self._refuse_bare(key, doubt)
        self._check_plain(key, mine, bare, doubt)

    def _refuse_bare(self, key: PKey, doubt: str | None) -> None:
        """A key whose certificate does not count is one like any other, if such a key may be shown."""
        allowed = self._settings.algorithms.host_keys
        kinds = _RSA if key.get_name() == "ssh-rsa" else (key.get_name(),)
        if allowed and not set(kinds) & set(allowed):
            doubt = doubt or "known_hosts has no authority for it"
            message = f"HostKeyAlgorithms in ssh_config wants a certificate ({doubt})"
            raise NoConnection(HostKeyUnknown, message, "add the authority to known_hosts: @cert-authority")

    def _check_plain(self, key: PKey, mine: list[KnownKey], bare: list[KnownKey], doubt: str | None) -> None:
        blob = key.asbytes()
        shown = f"{key.get_name()} {fingerprint(blob)}"
        expected = [known for known in mine if not known.marker]
        if any(known.blob == blob for known in expected):
            self._check_ip(key)
        elif expected:
            raise self._changed(shown, expected)
        elif any(not known.marker and known.blob == blob for known in bare):
            self._check_ip(key)
        else:
            message = f"its host key is unknown: {shown}"
            if doubt:
                message += f" ({doubt})"
            if self._settings.trusts_new_keys:
                message += f"; rollout trusts no key at first sight, despite {self._settings.trusts_new_keys}"
            raise NoConnection(HostKeyUnknown, message, _how_to_add(self._settings))

    def _check_ip(self, key: PKey) -> None:
        """CheckHostIP: the address must not be known for another key of the same kind."""
        if self._ip is None:
            return
        port = self._settings.port
        name = self._ip if port == 22 else f"[{self._ip}]:{port}"
        plain = [known for known in self._keys if not known.marker and known.type == key.get_name()]
        same = [known for known in plain if known.is_for(name)]
        if same and not any(known.blob == key.asbytes() for known in same):
            message = (
                f"its host key is right for {self._settings.host}, but {same[0].place} has another for its "
                f"address {self._ip}, and ssh_config says CheckHostIP"
            )
            forget = f"ssh-keygen -R {shlex.quote(name)} -f {_shell_path(same[0].file)}"
            raise NoConnection(HostKeyChanged, message, f"if the address now belongs to this host: {forget}")

    def _doubt(self, certificate: Certificate) -> str | None:
        """Why a certificate of a known authority does not count; `None` if it does."""
        now = time.time()
        allowed = self._settings.algorithms.authorities or _SIGNED_BY
        names = certificate.principals
        if not certificate.is_signed():
            return "the signature of its certificate is wrong"
        if certificate.kind != certificates.HOST:
            return "its certificate is not one for hosts"
        if certificate.algorithm not in allowed:
            return f"its certificate is signed by {certificate.algorithm}, which is not allowed"
        if now < certificate.valid_after:
            return f"its certificate is not valid before {time.ctime(min(certificate.valid_after, _FAR))}"
        if now >= certificate.valid_before:
            return f"its certificate expired on {time.ctime(certificate.valid_before)}"
        if names and not any(matches(name.lower(), self._principal) for name in names):
            return f"its certificate is for {', '.join(names)}, not for {self._principal}"
        if certificate.critical:
            return "its certificate sets conditions that rollout does not know"
        return None

    def _refuse_revoked(self, known: Sequence[KnownKey], *blobs: bytes) -> None:
        for line in known:
            if line.marker == REVOKED and line.blob in blobs:
                message = f"its host key {fingerprint(line.blob)} is revoked ({line.place})"
                raise NoConnection(HostKeyChanged, message)
        refuse_revoked(self._settings, *blobs)

    def _refuse_short(self, key: PKey) -> None:
        least = self._settings.required_rsa_size
        if isinstance(key, RSAKey) and key.get_bits() < least:
            message = f"its host key has {key.get_bits()} bits, but ssh_config says RequiredRSASize {least}"
            raise NoConnection(HostKeyUnknown, message)

    def _changed(self, shown: str, expected: list[KnownKey]) -> NoConnection:
        known = next((key for key in expected if key.type == shown.split()[0]), expected[0])
        message = (
            f"its host key has changed: it shows {shown}, but {known.place} has {known.type} "
            f"{fingerprint(known.blob)}. "
            "Somebody may be intercepting the connection, or the host was reinstalled"
        )
        forget = f"ssh-keygen -R {shlex.quote(self._name)} -f {_shell_path(known.file)}"
        return NoConnection(
            HostKeyChanged, message, f"if the host was reinstalled: {forget} && {_how_to_add(self._settings)}"
        )


def _certificate(shown: PublicBlob | None, key: bytes) -> tuple[Certificate | None, str | None]:
    """The certificate that a key bears, or else why it cannot be used."""
    if shown is None:
        return None, None
    try:
        certificate = certificates.parse(shown.key_blob)
    except ValueError as error:
        return None, f"its certificate cannot be read: {error}"
    if certificate.key != key:
        return None, "its certificate is for another key"
    return certificate, None


def _is_loopback(ip: str) -> bool:
    return ipaddress.ip_address(ip.partition("%")[0]).is_loopback


def _how_to_add(settings: Settings) -> str:
    """A command that adds the key; past a jump host or under an alias only `ssh` itself can."""
    file = next((file for file in settings.known_hosts if file != Path("/dev/null")), None)
    if file is None:
        return "name a file of known hosts: ssh.known_hosts in the inventory, or UserKnownHostsFile"
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
    except (ValueError, RuntimeError):
        return shlex.quote(str(path))

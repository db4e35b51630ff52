"""OpenSSH's certificates: a key, and an authority's word about whose it is. They are read strictly."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from paramiko import Message, PKey, SSHException
from paramiko.pkey import UnknownKeyType

USER, HOST = 1, 2
SUFFIX = "-cert-v01@openssh.com"
"""What the name of a kind of certificate ends with."""

_FIELDS = {
    "ssh-ed25519": 1,
    "sk-ssh-ed25519": 2,
    "sk-ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "ssh-rsa": 2,
}
"""Fields of a public key of each kind."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. Times are seconds since 1970."""

    key: bytes
    """The public key that it is for, as a plain key."""
    kind: int
    """`USER` or `HOST`."""
    principals: tuple[str, ...]
    """The names that it is valid for; empty for all."""
    valid_after: int
    valid_before: int
    critical: bytes
    """Conditions that whoever does not know them must not ignore."""
    authority: bytes
    """The public key of the authority."""
    algorithm: str
    """The algorithm of the signature."""
    _signed: bytes
    _signature: bytes

    def is_signed(self) -> bool:
        """Whether the authority did sign it."""
        try:
            kind = _Reader(self.authority).text()
            authority = PKey.from_type_string(kind, self.authority)
            return bool(authority.verify_ssh_sig(self._signed, Message(self._signature)))
        except (ValueError, SSHException, UnknownKeyType):
            return False


def is_certificate(kind: str) -> bool:
    """Whether a key's kind, such as `ssh-ed25519-cert-v01@openssh.com`, is that of a certificate."""
    return kind.endswith(SUFFIX)


def parse(blob: bytes) -> Certificate:
    """The certificate in `blob`, its signature not yet checked. Raises ValueError."""
    reader = _Reader(blob)
    name = reader.text().removesuffix(SUFFIX)
    if name not in _FIELDS:
        raise ValueError(f"{name!r} is not a kind of certificate")
    reader.string()  # a nonce
    fields = [reader.string() for _ in range(_FIELDS[name])]
    plain = f"{name}@openssh.com" if name.startswith("sk-") else name
    reader.number(8)  # a serial number
    kind = reader.number(4)
    reader.string()  # a name for people
    principals = _Reader(reader.string())
    names = []
    while not principals.ended:
        names.append(principals.text())
    valid_after, valid_before = reader.number(8), reader.number(8)
    critical = reader.string()
    reader.string()  # extensions, which may be ignored
    reader.string()  # reserved
    authority = reader.string()
    signed = blob[: reader.position]
    signature = reader.string()
    parts = _Reader(signature)
    algorithm = parts.text()
    parts.string()
    if not (reader.ended and parts.ended):
        raise ValueError("something follows the signature")
    return Certificate(
        key=b"".join(struct.pack(">I", len(part)) + part for part in (plain.encode(), *fields)),
        kind=kind,
        principals=tuple(names),
        valid_after=valid_after,
        valid_before=valid_before,
        critical=critical,
        authority=authority,
        algorithm=algorithm,
        _signed=signed,
        _signature=signature,
    )


class _Reader:
    """The fields of a message, one after the other. paramiko's own fills up what is missing with zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def ended(self) -> bool:
        return self.position == len(self._data)

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def string(self) -> bytes:
        return self._take(self.number(4))

    def text(self) -> str:
        return self.string().decode("utf-8")

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._data):
            raise ValueError("the certificate is cut off")
        taken = self._data[self.position : end]
        self.position = end
        return taken

"""The keys to log in with, in order, and what is wrong with those that cannot be used."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import PKey, SSHException
from paramiko.pkey import PublicBlob, UnknownKeyType

from rollout.adapters.ssh import certificates
from rollout.adapters.ssh.agent import KeyInAgent
from rollout.adapters.ssh.settings import Settings

_RSA = ("rsa-sha2-512", "rsa-sha2-256")
_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class _Certificate:
    file: Path
    blob: PublicBlob
    key: bytes
    """The plain key that it is for."""


@dataclass
class Keys:
    """The keys of one connection.

    Configured files come first, so that an agent with many keys does not use up the tries that sshd allows;
    then the agent's other keys, then OpenSSH's default files.
    """

    settings: Settings
    in_agent: Sequence[KeyInAgent]
    problems: list[str] = field(default_factory=list)
    """Why keys that were meant to be used were not."""
    to_add: list[Path] = field(default_factory=list)
    """Files that only an agent can use."""
    _offered: set[bytes] = field(default_factory=set)

    def offers(self) -> Iterator[tuple[str, PKey]]:
        """The keys, each with its name for people. A certificate comes before the bare key that it is for."""
        settings = self.settings
        own = [settings.identity_file] if settings.identity_file else []
        files = [*own, *settings.identity_files]
        certified = [certificate for file in settings.certificate_files for certificate in self._named(file)]
        certified += [certificate for file in files for certificate in _read_certificate(file)]
        if settings.identities_configured or own:
            yield from self._from_files(files, certified)
            yield from self._from_agent(certified)
        else:
            yield from self._from_agent(certified)
            yield from self._from_files(files, certified)

    def _from_files(self, files: Sequence[Path], certified: list[_Certificate]) -> Iterator[tuple[str, PKey]]:
        for file in files:
            beside = [] if self.settings.certificate_files else _beside(file)
            if (key := self._key(file)) is not None:
                yield from self._with_certificates(str(file), key, [*certified, *beside])
            for certificate in (*certified, *beside):
                for twin in self.in_agent:  # which may have been given the certificate alone
                    if twin.blob == certificate.blob.key_blob:
                        yield from self._offer(str(certificate.file), twin)

    def _from_agent(self, certified: list[_Certificate]) -> Iterator[tuple[str, PKey]]:
        if not self.settings.identities_only:
            for key in self.in_agent:
                label = f"the agent's {key.comment or key.get_name()}"
                yield from self._with_certificates(label, key, certified)

    def _with_certificates(
        self, label: str, key: PKey, certified: list[_Certificate]
    ) -> Iterator[tuple[str, PKey]]:
        for certificate in certified:
            if certificate.key == key.asbytes():
                yield from self._offer(f"{label} with its certificate", _bearing(key, certificate.blob))
        yield from self._offer(label, key)

    def _offer(self, label: str, key: PKey) -> Iterator[tuple[str, PKey]]:
        blob: PublicBlob | None = getattr(key, "public_blob", None)
        shown = blob.key_blob if blob else key.asbytes()
        if shown not in self._offered:
            self._offered.add(shown)
            if self._allowed(label, key, blob.key_type if blob else key.get_name()):
                yield label, key

    def _allowed(self, label: str, key: PKey, kind: str) -> bool:
        plain = kind.removesuffix(certificates.SUFFIX)
        suffix = kind.removeprefix(plain)
        algorithms = [f"{name}{suffix}" for name in _RSA] if plain == "ssh-rsa" else [kind]
        accepted = self.settings.algorithms.user_keys
        if accepted and not set(algorithms) & set(accepted):
            self.problems.append(f"PubkeyAcceptedAlgorithms in ssh_config excludes {label} ({kind})")
            return False
        if plain == "ssh-rsa" and key.get_bits() < self.settings.required_rsa_size:
            least = self.settings.required_rsa_size
            self.problems.append(
                f"{label} has {key.get_bits()} bits, but ssh_config says RequiredRSASize {least}"
            )
            return False
        return True

    def _key(self, file: Path) -> PKey | None:
        """The key in the agent or in the file; `None` is followed by a problem, unless no file is there."""
        public = _public_half(file)
        if public is not None:
            for held in self.in_agent:
                if held.blob == public.key_blob:
                    return held
            if public.key_type.startswith("sk-"):
                self.problems.append(f"{file} is on a security key and not in the agent")
                self.to_add.append(file)
                return None
            if _public_text(file) is not None:
                self._explain_public_key(file, public)
                return None
        try:
            key = PKey.from_path(file)
        except FileNotFoundError:
            if public is not None:
                self.problems.append(
                    f"{file} does not exist, and the agent does not have the key of {file}.pub"
                )
            elif self.settings.identities_configured:
                self.problems.append(f"{file} does not exist")
            return None
        except TypeError:  # how the cryptography library says that a passphrase is missing
            self.problems.append(f"{file} is encrypted and not in the agent")
            self.to_add.append(file)
            return None
        except (OSError, ValueError, UnsupportedAlgorithm, UnknownKeyType, SSHException) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a private key that can be read"
            self.problems.append(f"{file}: {reason}")
            return None
        key.public_blob = None  # certificates are found by their own rules
        return key

    def _explain_public_key(self, file: Path, public: PublicBlob) -> None:
        if certificates.is_certificate(public.key_type):
            self.problems.append(f"{file} is a certificate, and counts with the private key that it is for")
            return
        private = file.with_suffix("") if file.suffix == ".pub" else file
        instead = str(private) if private != file and private.exists() else "the private key"
        self.problems.append(
            f"{file} is a public key, and no agent has its private half: give {instead} instead"
        )

    def _named(self, file: Path) -> list[_Certificate]:
        found = _read_certificate(file)
        if not found:
            reason = "is not a certificate" if file.exists() else "does not exist"
            self.problems.append(f"the certificate {file} {reason}")
        for certificate in found:
            until = certificates.parse(certificate.blob.key_blob).valid_before
            if until < time.time():
                self.problems.append(f"the certificate {file} expired on {time.ctime(until)}")
        return found


def _beside(file: Path) -> list[_Certificate]:
    """The certificate that lies beside a key under OpenSSH's name for it."""
    return [
        found for name in (f"{file}-cert", f"{file}-cert.pub") for found in _read_certificate(Path(name))
    ][:1]


def _read_certificate(file: Path) -> list[_Certificate]:
    """The user's certificate in a file, if there is one."""
    blob = _public_text(file)
    if blob is None or not certificates.is_certificate(blob.key_type):
        return []
    try:
        certificate = certificates.parse(blob.key_blob)
    except ValueError:
        return []
    return [_Certificate(file, blob, certificate.key)] if certificate.kind == certificates.USER else []


def _bearing(key: PKey, blob: PublicBlob) -> PKey:
    """A copy of a key that shows a certificate."""
    bearer = KeyInAgent(key.agent, key.blob, key.comment) if isinstance(key, KeyInAgent) else copy.copy(key)
    bearer.public_blob = blob
    return bearer


def _public_half(file: Path) -> PublicBlob | None:
    """The public key of a file: its content, that of the `.pub` file beside it, or a part of the private key.

    An encrypted private key may be in the agent."""
    return _public_text(file) or _public_text(Path(f"{file}.pub")) or _public_part(file)


def _public_text(file: Path) -> PublicBlob | None:
    try:
        return PublicBlob.from_file(str(file))
    except (OSError, ValueError, SSHException):
        return None


def _public_part(file: Path) -> PublicBlob | None:
    """The public key in OpenSSH's own format of private keys, which leaves it readable."""
    try:
        lines = file.read_text("ascii").split("-----")[2]
        data = base64.b64decode(lines)
        if not data.startswith(_MAGIC):
            return None
        rest = data[len(_MAGIC) :]
        for _ in range(3):  # cipher, key derivation and its options
            rest = rest[4 + int.from_bytes(rest[:4], "big") :]
        blob = rest[8 : 8 + int.from_bytes(rest[4:8], "big")]
        kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")
    except (OSError, ValueError, IndexError):
        return None
    return PublicBlob(kind, blob)

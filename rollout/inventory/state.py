"""The section `state`: where the deployers of a service meet, and how many deployments are kept there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from os.path import expanduser
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from rollout.domain import EtcdAddress, FolderAddress, PlaceAddress, SshTarget
from rollout.inventory.document import Document
from rollout.inventory.mistakes import KeyPath, Mistake
from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.texts import Text

LOCAL = "local"
"""The place that only this login on this machine uses."""

_EXPECTED = (
    "expected etcd://etcd1:2379,etcd2:2379/rollout, ssh://user@host/var/lib/rollout, the absolute path of a "
    "folder on this machine, or local"
)
_ETCD = re.compile(r"etcd://([^/]*)(/.*)?")
_MEMBER = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_PREFIX = re.compile(r"(/[\w.:-]+)+")
_ETCD_PORT = 2379
_OF_ETCD = ("ca", "cert", "key", "user", "password")
"""The keys that only etcd has."""


def parse_place(text: str) -> PlaceAddress | Literal["local"]:
    """The place that a text names. Raises ValueError."""
    if text == LOCAL:
        return "local"
    if re.fullmatch(r"/[^\0\n]*[^/\0\n]", text):
        return FolderAddress(text)
    if etcd := _ETCD.fullmatch(text):
        return EtcdAddress(tuple(_members(etcd[1])), _prefix(etcd[2]))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its text would show a value that may come from a variable
        raise ValueError(_EXPECTED) from None
    if parts.scheme == "ssh" and parts.hostname and len(parts.path) > 1 and parts.password is None:
        return FolderAddress(parts.path, SshTarget(parts.hostname, user=parts.username, port=port))
    raise ValueError(_EXPECTED)


def _members(text: str) -> Iterator[str]:
    if "@" in text:
        raise ValueError("expected members alone: etcd's user and password have keys of their own")
    seen = set()
    for written in text.split(","):
        member = _MEMBER.fullmatch(written)
        if member is None or not 0 < int(member[2] or _ETCD_PORT) <= 65535:
            raise ValueError(f"{_EXPECTED}: each member of etcd is host:port")
        name = f"{member[1]}:{member[2] or _ETCD_PORT}"
        if name in seen:
            raise ValueError(f"expected each member once, but {name} is there twice")
        seen.add(name)
        yield name


def _prefix(text: str | None) -> str:
    prefix = (text or "").rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("expected a prefix for the keys behind the members of etcd, such as /rollout")
    return prefix


def _place(text: str) -> str:
    parse_place(text)
    return text


_Place = Annotated[
    str,
    AfterValidator(_place),
    WithJsonSchema({"type": "string", "pattern": "^(etcd://[^/]+/.+|ssh://[^/]+/.+|/.+|local$)"}),
]
_Secret = Annotated[Text, WithJsonSchema({"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"})]


class State(Section):
    """Where the deployers of the service meet: its lock, its journal and its history lie there. Relative
    paths begin at the inventory's folder."""

    place: _Place | None = Field(
        default=None,
        description="etcd://HOST:PORT,HOST:PORT/PREFIX, ssh://USER@HOST/PATH, the absolute path of a folder "
        "on this machine, or local for this login alone; by default a folder on a load balancer's machine",
    )
    keep: int = Field(default=200, ge=1, description="How many deployments are kept there")
    ca: Text | None = Field(
        default=None,
        description="For etcd: the file with the certificate of the CA of its members; with it TLS is used",
    )
    cert: Text | None = Field(default=None, description="For etcd: the file with the client's certificate")
    key: Text | None = Field(default=None, description="For etcd: the file with the key of `cert`")
    user: Text | None = Field(default=None, description="For etcd: the user, where etcd asks for one")
    password: _Secret | None = Field(
        default=None, description="For etcd: the user's password, from a variable: ${NAME}"
    )

    @classmethod
    def of(cls, given: str | State) -> State:
        """The section, where the place may be given alone."""
        return cls(place=given) if isinstance(given, str) else given

    def address(self, folder: Path) -> PlaceAddress | Literal["local"] | None:
        """The place, with paths that begin at `folder`; `None` where it is left to be found."""
        place = None if self.place is None else parse_place(self.place)
        if not isinstance(place, EtcdAddress):
            return place
        files = (self.ca, self.cert, self.key)
        ca, cert, key = (str(folder / expanduser(file)) if file else "" for file in files)
        return EtcdAddress(place.members, place.prefix, ca, cert, key, self.user or "", self.password or "")


StateSetting = Annotated[
    Annotated[_Place, Tag(SCALAR)] | Annotated[State, Tag(SETTINGS)], Discriminator(kind)
]


def mistaken_state(document: Document, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    """A mistake for each key of etcd's elsewhere, for each half of a pair, and for a password in the file."""
    state = document.at(("state",))
    if not isinstance(state, dict):
        return
    given = {key for key in _OF_ETCD if state.get(key) is not None}
    known = given | {key for key in _OF_ETCD if ("state", key) in meant}
    if not _may_be_etcd(state.get("place")) and ("state", "place") not in meant:
        for key in sorted(given):
            yield _at(document, key, "only etcd needs it: expected `place: etcd://…` beside it")
        return
    for key, other in (("cert", "key"), ("key", "cert"), ("user", "password"), ("password", "user")):
        if key in given and other not in known:
            yield _at(document, key, f"expected `{other}` beside it")
    if "cert" in given and "ca" not in known:
        yield _at(document, "cert", "a certificate is shown over TLS alone: expected `ca` beside it")
    if "password" in given and "${" not in document.written.get(("state", "password"), "${"):
        yield _at(
            document, "password", "expected a variable such as ${ETCD_PASSWORD}, and no password itself"
        )


def _may_be_etcd(place: object) -> bool:
    """Whether a place is etcd, or no place at all, which is a mistake that has been found elsewhere."""
    try:
        return place is not None and isinstance(parse_place(str(place)), EtcdAddress)
    except ValueError:
        return True


def _at(document: Document, key: str, message: str) -> Mistake:
    path: KeyPath = ("state", key)
    return document.mistake(path, message, document.keys[path])

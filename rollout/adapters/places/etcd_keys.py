"""Keys of etcd below one prefix: operations and conditions on them as its JSON gateway takes them, and what
comes back. Keys and values travel in base64, numbers as text."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key as it was found; its name is what follows the prefix."""

    name: str
    value: bytes = b""
    revision: int = 0
    """The revision that changed it last; 0 for a key that is not there."""

    @property
    def number(self) -> int:
        """The number with which the value begins; 0 for a key that is not there. Raises ValueError."""
        return int(self.value.partition(b" ")[0] or b"0")


@dataclass(frozen=True, slots=True)
class Found:
    """What an operation found."""

    entries: Sequence[Entry]
    total: int
    """How many keys there are, also where fewer were asked for."""


class Keys:
    """The keys below `prefix`, by their names there. A name that ends in `/` stands for all that begin so."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def get(self, name: str) -> Json:
        """The operation that reads."""
        return {"request_range": self.span(name)}

    def get_latest(self, name: str, latest: int | None) -> Json:
        """The operation that reads the `latest` of all that begin with `name`, or all, the last one first."""
        order = {"sort_order": "DESCEND", "sort_target": "KEY", "limit": str(latest or 0)}
        return {"request_range": self.span(name) | order}

    def put(self, name: str, value: bytes, lease: int = 0) -> Json:
        """The operation that writes a key, which goes when its lease ends."""
        return {"request_put": {"key": self._key(name), "value": _base64(value), "lease": str(lease)}}

    def delete(self, name: str, end: str = "") -> Json:
        """The operation that removes."""
        return {"request_delete_range": self.span(name, end)}

    def span(self, name: str, end: str = "") -> Json:
        """A key; or all from `name` to those that begin with `end`."""
        if not end and name and not name.endswith("/"):
            return {"key": self._key(name)}
        return {"key": self._key(name), "range_end": _base64(_after(self.prefix + (end or name)))}

    def equals(self, name: str, value: bytes) -> Json:
        """The condition that a key is there, with that value."""
        return {"key": self._key(name), "target": "VALUE", "result": "EQUAL", "value": _base64(value)}

    def exists(self, name: str) -> Json:
        """The condition that a key is there."""
        return {"key": self._key(name), "target": "CREATE", "result": "GREATER", "create_revision": "0"}

    def unchanged(self, entry: Entry) -> Json:
        """The condition that a key is as it was found, or still not there."""
        revision = str(entry.revision)
        return {"key": self._key(entry.name), "target": "MOD", "result": "EQUAL", "mod_revision": revision}

    def entries(self, answer: Json) -> list[Entry]:
        """What was found in a span, in order."""
        return [
            Entry(
                b64decode(found["key"]).decode().removeprefix(self.prefix),
                b64decode(found.get("value", "")),
                int(found["mod_revision"]),
            )
            for found in answer.get("kvs", ())
        ]

    def read(self, answer: Json) -> list[Found]:
        """What each operation of a transaction found that reads."""
        answers: Sequence[Json] = answer.get("responses", ())
        found = [each["response_range"] for each in answers if "response_range" in each]
        return [Found(self.entries(each), int(each.get("count", 0))) for each in found]

    def _key(self, name: str) -> str:
        return _base64((self.prefix + name).encode())


def _after(end: str) -> bytes:
    """The first key behind all that begin with `end`."""
    key = end.encode()
    return key[:-1] + bytes([key[-1] + 1])


def _base64(value: bytes) -> str:
    return b64encode(value).decode()

"""Facts, summaries and the memory of a service in etcd: packed, and bounded in size.

A page of facts is a key `facts/NUMBER/FIRST.PART`: `FIRST` is how many facts come before it. It has several
parts only where one fact is larger than a value may be. A deployment's facts count as far as `counts/NUMBER`
says: what lies behind is from a writer that was cut off.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby

from rollout.adapters.places.etcd_keys import Entry, Json
from rollout.adapters.places.etcd_store import Store
from rollout.errors import PlaceError

COUNTS, MEMORY = "counts/", "memory"
_PAGE = 200_000
"""Characters of facts in one page, if it has more than one fact."""
_LARGEST = 500_000
"""Bytes of one value at most. A page, the memory and a summary fit the 1.5 MB that a request may have."""
_PRUNED_AT_ONCE = 40
"""Deployments, each of which needs three of the 128 operations that a transaction may have."""


class EtcdFacts:
    """The facts of all deployments of a service. Every method that awaits raises PlaceError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def count(self, number: int) -> int:
        """How many facts a deployment has."""
        (count,) = await self._store.get(_count(number))
        return count.number

    async def counts(self, numbers: Collection[int]) -> Mapping[int, int]:
        """How many facts each of some deployments has. Raises ValueError."""
        found = await self._among(_count, numbers)
        return {number: entry.number for number, entry in found.items()}

    async def numbers(self) -> Sequence[int]:
        """All deployments. Raises ValueError."""
        return [
            *map(numbered, await self._store.get_span(self._store.keys.span(COUNTS) | {"keys_only": True}))
        ]

    async def read(self, number: int, count: int, known: int = 0) -> list[str]:
        """The facts of a deployment that has `count`, behind the `known` first ones. Raises ValueError."""
        if known >= count:
            return []
        span = self._store.keys.span(_page(number, known), _pages(number))
        facts = _joined(await self._store.get_span(span), count)
        if known and len(facts) != count - known:  # no page begins there
            return (await self.read(number, count))[known:]
        return facts

    async def add(
        self, conditions: Sequence[Json], number: int, have: int, facts: Sequence[str], also: Sequence[Json]
    ) -> bool:
        """Add facts behind the `have` that are there, and make the changes `also` together with the last one.

        False if a condition is not true, or another number of facts is there; the first of `facts` may have
        been added.
        """
        keys = self._store.keys
        while True:
            page = _first_page(facts)
            facts = facts[len(page) :]
            count = _count(number)
            there = [keys.equals(count, str(have).encode()) if have else keys.unchanged(Entry(count))]
            if not page:  # only with facts, the count tells a request that comes late
                there += map(keys.unchanged, await self._store.get(MEMORY))
            *parts, last = self._additions(number, have, page)
            for changes in (*parts, [*last, *(() if facts else also)]):
                if not await self._store.change([*conditions, *there], changes):
                    return False
            have += len(page)
            if not facts:
                return True

    async def summaries(self, numbers: Collection[int]) -> Mapping[int, str]:
        """The summaries of deployments. Raises ValueError."""
        found = await self._among(_summary, numbers)
        return {number: unpack(entry.value) for number, entry in found.items()}

    def summary(self, number: int, text: str) -> Json:
        """The change that writes a summary."""
        return self._store.keys.put(_summary(number), _bounded(f"the summary of deployment {number}", text))

    def memory(self, text: str) -> Json:
        """The change that writes the memory."""
        return self._store.keys.put(MEMORY, _bounded("what is known of the nodes", text))

    async def prune(self, conditions: Sequence[Json], numbers: Collection[int]) -> None:
        """Remove deployments, if the conditions are true."""
        left = sorted(numbers)
        while left:
            pruned, left = left[:_PRUNED_AT_ONCE], left[_PRUNED_AT_ONCE:]
            names = [name for number in pruned for name in (_count(number), _pages(number), _summary(number))]
            await self._store.change(conditions, map(self._store.keys.delete, names))

    async def _among(self, name: Callable[[int], str], numbers: Collection[int]) -> Mapping[int, Entry]:
        """The keys that some deployments have, by number."""
        if not numbers:
            return {}
        found = await self._store.get_span(self._store.keys.span(name(min(numbers)), name(max(numbers))))
        return {number: entry for entry in found if (number := numbered(entry)) in numbers}

    def _additions(self, number: int, have: int, page: Sequence[str]) -> list[list[Json]]:
        """The changes of each transaction that adds a page; the last one makes it count."""
        if not page:
            return [[]]
        keys, packed = self._store.keys, pack("\n".join(page))
        parts = [
            keys.put(_page(number, have, part), packed[start : start + _LARGEST])
            for part, start in enumerate(range(0, len(packed), _LARGEST))
        ]
        behind = keys.delete(_page(number, have, len(parts)), _pages(number))
        count = keys.put(_count(number), str(have + len(page)).encode())
        return [*([part] for part in parts[:-1]), [parts[-1], behind, count]]


def pack(text: str) -> bytes:
    """A text as etcd keeps it: each version of it, until etcd is compacted."""
    return gzip.compress(text.encode("utf-8", "surrogateescape"), mtime=0)


def unpack(packed: bytes) -> str:
    """The text that was packed; an empty one for nothing. Raises ValueError."""
    try:
        return gzip.decompress(packed).decode("utf-8", "surrogateescape")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"what is packed there cannot be read: {error}") from error


def numbered(entry: Entry) -> int:
    """The number of the deployment in the name of a count or a summary. Raises ValueError."""
    return int(entry.name.rpartition("/")[2])


def _bounded(what: str, text: str) -> bytes:
    packed = pack(text)
    if len(packed) > _LARGEST:
        raise PlaceError(
            f"{what} has {len(packed):,} bytes, but etcd takes {_LARGEST:,}",
            hint="name a folder as `place` under `state`",
        )
    return packed


def _first_page(facts: Sequence[str]) -> Sequence[str]:
    """The first of `facts`, as many as fit one page; at least one, if there are any."""
    size = 0
    for index, fact in enumerate(facts):
        size += len(fact)
        if index and size > _PAGE:
            return facts[:index]
    return facts


def _joined(found: Iterable[Entry], count: int) -> list[str]:
    """The facts of pages, as far as they count. Raises ValueError."""
    facts: list[str] = []
    for first, parts in groupby(
        found, key=lambda entry: int(entry.name.rpartition("/")[2].partition(".")[0])
    ):
        if first < count:
            facts += unpack(b"".join(part.value for part in parts)).split("\n")
    return facts


def _count(number: int) -> str:
    return f"{COUNTS}{number:08}"


def _summary(number: int) -> str:
    return f"summaries/{number:08}"


def _pages(number: int) -> str:
    return f"facts/{number:08}/"


def _page(number: int, first: int, part: int = 0) -> str:
    return f"{_pages(number)}{first:08}.{part:04}"

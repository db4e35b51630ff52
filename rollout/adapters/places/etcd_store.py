"""The keys of one service in etcd, read and changed."""

from __future__ import annotations

from collections.abc import Iterable

from rollout.adapters.places.etcd_gateway import Gateway
from rollout.adapters.places.etcd_keys import Entry, Found, Json, Keys


class Store:
    """Reads and changes keys. Every method that awaits raises PlaceError."""

    def __init__(self, etcd: Gateway, keys: Keys) -> None:
        self._etcd = etcd
        self.keys = keys

    async def get(self, *names: str) -> list[Entry]:
        """Each key, as it is at one moment."""
        found = await self.read(*map(self.keys.get, names))
        return [
            each.entries[0] if each.entries else Entry(name) for name, each in zip(names, found, strict=True)
        ]

    async def read(self, *operations: Json) -> list[Found]:
        """What each operation finds, as it is at one moment."""
        return self.keys.read(await self._etcd.ask("kv/txn", {"success": [*operations]}))

    async def get_span(self, span: Json) -> list[Entry]:
        """All keys of a span."""
        return self.keys.entries(await self._etcd.ask("kv/range", span))

    async def change(self, conditions: Iterable[Json], changes: Iterable[Json]) -> bool:
        """Make all changes if all conditions are true, else none; says which."""
        body = {"compare": list(conditions), "success": list(changes)}
        return bool((await self._etcd.ask("kv/txn", body)).get("succeeded"))

"""The order in which nodes are rolled, and the node that may start next. Values in, values out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from rollout.inventory.model import Inventory
from rollout.inventory.strategy import Strategy

Spread = Literal["zones", "within"]


def waves(strategy: Strategy, total: int, *, done: int = 0) -> tuple[int, ...]:
    """The number of nodes in each wave that is left, in order, when `done` of `total` nodes are done."""
    canary = strategy.canary.as_minimum(total) if strategy.canary is not None else 0
    reached = (canary, *(wave.as_minimum(total) for wave in strategy.waves), total)
    sizes = []
    for until in reached:
        if min(until, total) > done:
            sizes.append(min(until, total) - done)
            done = min(until, total)
    return tuple(sizes)


@dataclass(frozen=True, slots=True)
class Order:
    """The order of nodes, by the zones of those that are out at once."""

    zones: Mapping[str, str | None]
    """Zone of each node, by the node's name; never `None` with `spread`."""
    spread: Spread | None
    """`strategy.spread`; `None` keeps the given order."""

    @classmethod
    def of(cls, inventory: Inventory) -> Order:
        """The order that the inventory asks for."""
        return cls({name: node.zone for name, node in inventory.nodes.items()}, inventory.strategy.spread)

    def arranged(self, nodes: Sequence[str], *, waves: Iterable[int], window: int) -> tuple[str, ...]:
        """`nodes` in the order in which they start, wave after wave, if all take the same time."""
        started: list[str] = []
        for size in waves:
            wave = nodes[len(started) : len(started) + size]
            started += self._wave(wave, window, after=started[-1:])
        return tuple(started)

    def _wave(self, nodes: Sequence[str], window: int, *, after: Sequence[str] = ()) -> list[str]:
        if self.spread == "within":
            zones = dict.fromkeys(self.zones[name] for name in (*after, *nodes))
            turns = {zone: turn for turn, zone in enumerate(zones)}
            nodes = sorted(nodes, key=lambda name: turns[self.zones[name]])
        waiting, flying, started = Waiting(self, nodes), deque[str](), list[str]()
        while waiting:
            name = waiting.next(flying) if len(flying) < window else None
            if name is None:
                flying.popleft()
                continue
            waiting.take(name)
            started.append(name)
            flying.append(name)
        return started


class Waiting:
    """The nodes of a wave that wait for their turn. The first of each zone are looked at, and not all."""

    def __init__(self, order: Order, nodes: Iterable[str]) -> None:
        """`nodes` are in the order of `Order.arranged`."""
        self._order = order
        self._places = {name: place for place, name in enumerate(nodes)}
        self._of_zone: dict[str | None, deque[str]] = {}
        for name in self._places:
            self._of_zone.setdefault(self._zone(name), deque()).append(name)

    def __len__(self) -> int:
        return len(self._places)

    def next(self, flying: Collection[str], left_out: Collection[str] = ()) -> str | None:
        """The node that starts next; `None` if none is left, or it must wait for one that is `flying`.

        Nodes that are `left_out` take a place in their zone, but hold up no other zone.
        """
        out = Counter(map(self._zone, chain(flying, left_out if self._order.spread == "zones" else ())))
        zones: Collection[str | None] = self._of_zone
        if self._order.spread == "within" and out:
            zones = self._of_zone.keys() & out.keys()
        ahead = [self._of_zone[zone][0] for zone in zones]
        if self._order.spread == "zones":
            return min(ahead, key=lambda name: (out[self._zone(name)], self._places[name]), default=None)
        return min(ahead, key=self._places.__getitem__, default=None)

    def take(self, name: str) -> None:
        """Have a node that was `next` wait no longer."""
        del self._places[name]
        zone = self._zone(name)
        self._of_zone[zone].popleft()
        if not self._of_zone[zone]:
            del self._of_zone[zone]

    def _zone(self, name: str) -> str | None:
        """The zone of a node, where zones matter."""
        return self._order.zones[name] if self._order.spread else None

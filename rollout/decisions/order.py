"""The order in which nodes are rolled, and the node that may start next. Values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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

    def next(
        self, waiting: Sequence[str], flying: Collection[str], left_out: Collection[str] = ()
    ) -> str | None:
        """The one of the `waiting` nodes that starts next; `None` if it must wait for one that is in flight.

        `waiting` is in the order of `arranged`. Nodes that are `left_out` take a place in their zone, but
        hold up no other zone.
        """
        if self.spread == "zones":
            out = Counter(self.zones[name] for name in (*flying, *left_out))
            return min(waiting, key=lambda name: out[self.zones[name]], default=None)
        if self.spread == "within":
            busy = {self.zones[name] for name in flying}
            return next((name for name in waiting if not busy or self.zones[name] in busy), None)
        return next(iter(waiting), None)

    def _wave(self, nodes: Iterable[str], window: int, *, after: Sequence[str] = ()) -> list[str]:
        waiting = list(nodes)
        if self.spread == "within":
            turns = list(dict.fromkeys(self.zones[name] for name in (*after, *waiting)))
            waiting.sort(key=lambda name: turns.index(self.zones[name]))
        started: list[str] = []
        flying: list[str] = []
        while waiting:
            name = self.next(waiting, flying) if len(flying) < window else None
            if name is None:
                flying.pop(0)
                continue
            waiting.remove(name)
            started.append(name)
            flying.append(name)
        return started

"""In which order nodes are rolled, and which one may start next. Values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rollout.inventory.model import Inventory
from rollout.inventory.strategy import Strategy

Spread = Literal["zones", "within"]


def waves(strategy: Strategy, total: int, *, done: int = 0) -> tuple[int, ...]:
    """How many of the nodes that are not done are rolled in each wave. `total` includes those that are."""
    canary = strategy.canary.as_floor(total) if strategy.canary is not None else 0
    reached = (canary, *(wave.as_floor(total) for wave in strategy.waves), total)
    sizes = []
    for until in reached:
        if min(until, total) > done:
            sizes.append(min(until, total) - done)
            done = min(until, total)
    return tuple(sizes)


@dataclass(frozen=True, slots=True)
class Order:
    """How nodes that are out at once lie in zones. Without `spread` the given order is kept.

    With it, every node has a zone.
    """

    zones: Mapping[str, str | None]
    spread: Spread | None

    @classmethod
    def of(cls, inventory: Inventory) -> Order:
        return cls({name: node.zone for name, node in inventory.nodes.items()}, inventory.strategy.spread)

    def arranged(self, nodes: Sequence[str], *, waves: Iterable[int], window: int) -> tuple[str, ...]:
        """The order in which they start, if all take the same time, wave after wave."""
        started: list[str] = []
        for size in waves:
            wave = nodes[len(started) : len(started) + size]
            started += self._wave(wave, window, after=started[-1:])
        return tuple(started)

    def next(
        self, waiting: Sequence[str], flying: Collection[str], left_out: Collection[str] = ()
    ) -> str | None:
        """Which of the `waiting` nodes, given as `arranged`, starts next; `None` until one in flight is done.

        Nodes that failed and are `left_out` take a place in their zone, but hold up no other zone.
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

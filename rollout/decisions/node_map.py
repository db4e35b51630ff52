"""The nodes of a deployment by name, in order. A change gives another map, which shares all other nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout.decisions.progress import NodeProgress, Phase

_CHUNK = 64
"""Nodes that are copied with the one that changes: of ten thousand events, each would copy ten thousand."""


class NodeMap(Mapping[str, "NodeProgress"]):
    """Nodes that nobody changes."""

    __slots__ = ("_chunks", "_phases", "_places")

    def __init__(self, nodes: Iterable[NodeProgress]) -> None:
        """`nodes` are in the order in which they are rolled."""
        every = tuple(nodes)
        self._places = {node.name: place for place, node in enumerate(every)}
        self._chunks = [every[start : start + _CHUNK] for start in range(0, len(every), _CHUNK)]
        self._phases = Counter(node.phase for node in every)

    @classmethod
    def of(cls, nodes: Mapping[str, NodeProgress]) -> NodeMap:
        """A map of these nodes; itself, if they are in one."""
        return nodes if isinstance(nodes, NodeMap) else cls(nodes.values())

    def __getitem__(self, name: str) -> NodeProgress:
        chunk, place = divmod(self._places[name], _CHUNK)
        return self._chunks[chunk][place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return repr(dict(self))

    def each(self) -> Iterator[NodeProgress]:
        """All nodes, in order: faster than `values`."""
        return chain.from_iterable(self._chunks)

    def count(self, phase: Phase) -> int:
        """How many nodes are in a phase."""
        return self._phases[phase]

    def changed(self, nodes: Mapping[str, NodeProgress]) -> NodeMap:
        """The map with other states of some nodes, by their names. New nodes come last."""
        if len(nodes) > _CHUNK or not nodes.keys() <= self._places.keys():
            return NodeMap({**dict(zip(self, self.each(), strict=True)), **nodes}.values())
        other = object.__new__(NodeMap)
        other._places, other._chunks, other._phases = self._places, [*self._chunks], self._phases.copy()
        for name, node in nodes.items():
            at, place = divmod(self._places[name], _CHUNK)
            chunk = other._chunks[at]
            other._phases[chunk[place].phase] -= 1
            other._phases[node.phase] += 1
            other._chunks[at] = (*chunk[:place], node, *chunk[place + 1 :])
        return other

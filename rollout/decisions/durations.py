"""How long nodes took in an earlier deployment, and the order that ends soonest by that. Values in, values
out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from rollout.decisions.progress import Phase, Progress
from rollout.domain import Step

_AROUND = frozenset({Step.PREPARE, Step.BAKE})
"""The steps before a node's turn, and after it: what they take says nothing of the node."""
_SHOWN = 3
"""Nodes whose seconds are told."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long each node was on its way in one deployment."""

    deployment: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By the node's name; of the nodes that were done."""

    @classmethod
    def of(cls, progress: Progress | None) -> Durations:
        """The durations of a deployment; none without one."""
        if progress is None:
            return cls()
        done = (node for node in progress.nodes.values() if node.phase is Phase.DONE)
        return cls(
            progress.deployment,
            {
                node.name: sum(took for step, took in node.step_seconds.items() if step not in _AROUND)
                for node in done
            },
        )

    def longest_first(self, nodes: Sequence[str]) -> list[str]:
        """`nodes`, the one that took longest first: the last to start then takes little, and no place in the
        window stays empty for long. A node of which nothing is known counts as one in the middle, and equal
        ones keep their order."""
        usual = median(self.seconds.values()) if self.seconds else 0.0
        return sorted(nodes, key=lambda name: -self.seconds.get(name, usual))

    def reason(self, nodes: Collection[str]) -> str:
        """Why `nodes` are rolled in this order, as a sentence."""
        known = [name for name in nodes if name in self.seconds]
        if not known:
            return "in the inventory's order: no earlier deployment says how long these nodes take"
        told = [f"{name} {self.seconds[name]:.1f} s" for name in known]
        shown = ", ".join(told[:_SHOWN]) + (f" … {told[-1]}" if len(told) > _SHOWN else "")
        unknown = len(nodes) - len(known)
        rest = f"; {unknown} of which nothing is known count as one in the middle" if unknown else ""
        return f"those that took longest in deployment {self.deployment} come first: {shown}{rest}"

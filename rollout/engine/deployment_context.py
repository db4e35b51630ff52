"""The values that all parts of one deployment work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.decisions.plan import Plan
from rollout.engine.context import NodeContext
from rollout.engine.log import Recorder
from rollout.engine.site import Site


@dataclass(frozen=True, slots=True)
class DeploymentContext:
    """One deployment: where it runs, what it is to do, and where its events go."""

    site: Site
    plan: Plan
    number: int
    previous: Mapping[str, str]
    """The releases that nodes ran before, by the node's name; a node whose release is unknown is missing."""
    record: Recorder
    nodes: Mapping[str, NodeContext] = field(init=False)
    """The context of each node that is to be rolled, by its name."""

    def __post_init__(self) -> None:
        nodes = {name: self.of(name) for name in self.plan.nodes}
        object.__setattr__(self, "nodes", nodes)

    def of(self, name: str) -> NodeContext:
        """The context of a node, whether this plan rolls it or not."""
        release, previous = self.plan.release_of(name), self.previous.get(name)
        return self.site.context(name, release, deployment=self.number, previous=previous)

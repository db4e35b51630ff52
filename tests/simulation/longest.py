"""How long a verb may take at most: as long as all that it may wait for, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.domain import Step
from rollout.engine.steps import bake
from rollout.restart.driver import STEADY

if TYPE_CHECKING:
    from tests.simulation.world import World

LONGEST_WAIT = 60.0
"""Seconds for which a verb waits for the lock."""
LONGEST_SLEEP = 70.0
"""Seconds for which a deployer sleeps."""
_AT_ENDS = 60.0
"""Seconds for what comes before the first node and after the last one: claims, surveys, the last look."""


def longest(world: World) -> float:
    """Seconds after which a verb that has not ended will never end.

    In each of its steps a node may use up its time-out, and then have patience with a load balancer and with
    the place. Its bake may be undecided for far longer.
    """
    inventory = world.inventory
    restarts = inventory.restarts.values()
    limits = (inventory.drain, inventory.release, *restarts, inventory.prepare, inventory.health)
    timeouts = sum(limit.timeout for limit in limits if limit is not None) + STEADY * len(restarts)
    of_a_node = 2 * timeouts + 2 * len(Step) * inventory.strategy.patience + bake._PATIENCE
    sleeps = sum(fault.what == "deployer sleeps" for fault in world.planned)
    return _AT_ENDS + LONGEST_WAIT + LONGEST_SLEEP * sleeps + len(world.nodes) * of_a_node

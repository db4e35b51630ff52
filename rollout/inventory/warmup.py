"""How a node that comes back takes its share of the traffic, as an inventory says it."""

from __future__ import annotations

from pydantic import Field

from rollout.inventory.quantities import Percent, Timeout
from rollout.inventory.section import Section

STEPS = (10.0, 50.0, 100.0)


class Warmup(Section):
    """A node that comes back takes traffic by steps, by its servers' weights, on every load balancer."""

    steps: tuple[Percent, ...] = Field(
        default=STEPS,
        description="Shares of the weight that a server had, rising; the last is 100%",
        json_schema_extra={"minItems": 2, "default": [f"{step:g}%" for step in STEPS]},
    )
    over: Timeout = Field(
        description="From ready to the full weight; each step but the last takes an even part of it"
    )

"""The section `warmup`: how traffic to a node that comes back grows."""

from __future__ import annotations

from pydantic import Field

from rollout.inventory.quantities import Percent, Timeout
from rollout.inventory.section import Section

STEPS = (10.0, 50.0, 100.0)


class Warmup(Section):
    """A warm-up of a node that comes back: its servers' weights rise by steps, on every load balancer."""

    steps: tuple[Percent, ...] = Field(
        default=STEPS,
        description="Percentages of the server's full weight, rising; the last is 100%",
        json_schema_extra={"minItems": 2, "default": [f"{step:g}%" for step in STEPS]},
    )
    over: Timeout = Field(
        description="Time from ready to the full weight, divided evenly among the steps before the last"
    )

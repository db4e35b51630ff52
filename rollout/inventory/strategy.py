"""The section `strategy`: the order of nodes, how many are out at once, and what a failure leads to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rollout.inventory.judge import Judge, JudgeSetting
from rollout.inventory.quantities import Amount, AmountOrNone, Duration, Waves
from rollout.inventory.section import Section

DEFAULT_BAKE = 5.0
"""Seconds for which a node is watched where the inventory has no `bake`. Nobody asked for that, so no other
node waits."""


class Strategy(Section):
    """In which order nodes are rolled, how many at once, and what a failure leads to."""

    canary: AmountOrNone = Field(
        default=None,
        description="How many nodes are rolled before all others: a count, or a percentage, rounded up",
        json_schema_extra={"default": 0},
    )
    waves: Waves = Field(
        default=(),
        description="How many nodes in all are done after each wave: counts, or percentages rounded up; a "
        "wave is judged before the next one begins",
    )
    pause: Literal["after-canary"] | None = Field(
        default=None, description="after-canary waits for `rollout promote` before the other nodes"
    )
    window: Amount = Field(
        default=Amount(count=1),
        description="How many nodes may be out at once: a count, or a percentage, rounded down, at least 1",
        json_schema_extra={"default": 1},
    )
    min_ready: Amount | None = Field(
        default=None,
        description="How many servers of each backend must stay ready: a count, or a percentage, rounded up",
    )
    spread: Literal["zones", "within"] | None = Field(
        default=None,
        description="zones takes the nodes that are out at once from different zones; within rolls one zone "
        "after another",
    )
    order: Literal["inventory", "fastest_overall"] = Field(
        default="inventory",
        description="inventory rolls the nodes in the order in which they are listed; fastest_overall rolls "
        "those first that took longest in the last deployment, after the canary, so that the window is full "
        "to the end",
    )
    patience: Duration = Field(
        default=10.0,
        description="How long to wait for a load balancer that does not answer or has no server to spare",
    )
    grace: Duration = Field(
        default=7.0,
        description="Without a terminal, how long SIGTERM lets nodes finish that are restarted already; the "
        "others return at once",
    )
    bake: Duration | None = Field(
        default=None,
        description="How long a node must stay healthy once it is ready, before another one starts in its "
        "place; 0 for not at all. By default 5s, for which no other node waits: only the end of a wave does",
    )
    judge: JudgeSetting = Field(
        default_factory=Judge,
        description="How a node that bakes is compared with the others; or off, not to compare",
    )
    max_failures: int = Field(
        default=0, ge=0, description="How many failed nodes a deployment tolerates; one more halts it"
    )
    on_failure: Literal["halt", "rollback"] | None = Field(
        default=None,
        description="halt starts no further node; rollback also puts the old release back. By default halt, "
        "but rollback if the release was judged bad",
    )

    @property
    def bake_seconds(self) -> float:
        """Seconds for which a node that is ready is watched."""
        return DEFAULT_BAKE if self.bake is None else self.bake

    @property
    def bake_asked_for(self) -> float:
        """Seconds of the bake that the inventory asks for, in which a node keeps its place in the window."""
        return self.bake or 0.0

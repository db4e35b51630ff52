"""The rotation of a node that no load balancer sends requests to: it has nothing to leave or come back to."""

from __future__ import annotations

from rollout.engine.log import StepLog


class NoRotation:
    """Implements `Rotation` for a service without load balancers."""

    given_up = False

    async def leave(self, log: StepLog) -> None:
        log.detail = "no load balancer sends it requests"

    async def drained(self, log: StepLog) -> None:
        """Nothing is sent."""

    async def still_out(self, log: StepLog) -> None:
        """Nothing could have come back."""

    async def guard(self, log: StepLog) -> None:
        """Nothing can be forgotten."""

    async def give_back(self, log: StepLog) -> None:
        """It never left."""

    async def prove(self, log: StepLog) -> None:
        """Its own health page is all the proof."""

    async def enter(self, log: StepLog) -> None:
        """It never left."""

    async def warm_up(self, log: StepLog) -> None:
        """There is no share of traffic to raise."""

    async def stay_out(self, log: StepLog) -> None:
        """Nothing is sent to it anyway."""

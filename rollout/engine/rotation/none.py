"""The rotation of a node that gets no requests from any load balancer: there is nothing to leave or return
to."""

from __future__ import annotations

from collections.abc import Mapping

from rollout.engine.log import BeginStep, StepLog


class NoRotation:
    """Implements `Rotation` for a service without load balancers."""

    given_up = False
    forgotten_by: Mapping[str, str] = {}

    async def leave(self, log: StepLog) -> None:
        log.detail = "no load balancer sends it requests"

    async def drained(self, log: StepLog) -> None:
        """Return at once: no load balancer sends requests to the node."""

    async def still_out(self, log: StepLog) -> None:
        """Do nothing: no load balancer could have brought the node back."""

    async def guard(self, log: StepLog) -> None:
        """Do nothing: no load balancer can forget anything."""

    async def give_back(self, log: StepLog) -> None:
        """Do nothing: the node never left."""

    async def prove(self, log: StepLog) -> None:
        """Do nothing: the node's own health page is the only proof."""

    async def enter(self, log: StepLog) -> None:
        """Do nothing: the node never left."""

    async def confirm(self, step: BeginStep) -> None:
        """Do nothing: no load balancer checks the node."""

    async def warm_up(self, log: StepLog) -> None:
        """Do nothing: no load balancer gives the node traffic."""

    async def stay_out(self, log: StepLog) -> None:
        """Do nothing: no load balancer sends the node requests."""

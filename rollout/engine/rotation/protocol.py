"""The protocol that every kind of rotation follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rollout.engine.log import BeginStep, StepLog


class Rotation(Protocol):
    """One node's way out of the load balancers' rotation and back.

    What others change meanwhile is theirs: the methods raise ChangedByOthers, and nothing more is sent there.
    They raise LoadBalancerError and HostError, too.
    """

    @property
    def given_up(self) -> bool:
        """Whether others have changed all of the node's servers: then they decide if it takes traffic."""
        ...

    @property
    def forgotten_by(self) -> Mapping[str, str]:
        """The load balancers whose reload or restart puts the node back, by name, each with the reason: only
        their running process knows that it is out."""
        ...

    async def leave(self, log: StepLog) -> None:
        """Send the node no new requests. Those that are running continue."""
        ...

    async def drained(self, log: StepLog) -> None:
        """Wait until nothing runs on the node any more. Raises StepFailure if that takes too long."""
        ...

    async def still_out(self, log: StepLog) -> None:
        """Look once more, right before the application is touched. Raises StepFailure if it came back."""
        ...

    async def guard(self, log: StepLog) -> None:
        """Keep the node out whatever a load balancer forgets, until it enters or is given back.

        Runs beside the steps until it is cancelled.
        """
        ...

    async def give_back(self, log: StepLog) -> None:
        """Put the node back as it was before. Its application must be as healthy as it was then."""
        ...

    async def prove(self, log: StepLog) -> None:
        """Wait until every load balancer's own check finds the node healthy again; it gets no requests yet.

        Begun only once the node's own page was right. Raises StepFailure.
        """
        ...

    async def enter(self, log: StepLog) -> None:
        """Put a proven node back, and wait until it takes traffic everywhere. Raises StepFailure."""
        ...

    async def confirm(self, step: BeginStep) -> None:
        """Watch a node that entered until every load balancer's own first check has confirmed what proved it.

        Where one does not, the load balancer sends the node nothing more, in a `step` that begins for that.
        Raises Fallen.
        """
        ...

    async def warm_up(self, log: StepLog) -> None:
        """Raise the traffic of a node that entered to its full share. Raises ChangedByOthers.

        If it ends early, the node keeps a smaller share until `give_back`.
        """
        ...

    async def stay_out(self, log: StepLog) -> None:
        """Keep a node that failed out on every load balancer, or take it out where it is back already."""
        ...

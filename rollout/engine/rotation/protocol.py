"""How a node leaves the load balancers' rotation and comes back: what every way of it must do."""

from __future__ import annotations

from typing import Protocol

from rollout.engine.log import StepLog


class Rotation(Protocol):
    """One node's way out and back. What others change meanwhile is theirs: it raises ChangedByOthers, and
    nothing is sent there any more."""

    @property
    def given_up(self) -> bool:
        """Others have changed all of it: whether it takes traffic is their decision."""
        ...

    async def leave(self, log: StepLog) -> None:
        """Have it get no new requests. What runs goes on."""
        ...

    async def drained(self, log: StepLog) -> None:
        """Wait until nothing runs on it any more. Raises StepFailure if that takes too long."""
        ...

    async def still_out(self, log: StepLog) -> None:
        """Look once more, right before the application is touched. Raises StepFailure if it came back."""
        ...

    async def guard(self, log: StepLog) -> None:
        """See to it that a drained node stays out whatever a load balancer forgets, until `prove` begins.

        Runs beside the steps until it is cancelled.
        """
        ...

    async def give_back(self, log: StepLog) -> None:
        """Put a node whose application was not touched back as it was."""
        ...

    async def prove(self, log: StepLog) -> None:
        """Wait until every load balancer's own check finds the node healthy again; still no new requests.

        To be begun only once the node's own page was right. Raises StepFailure.
        """
        ...

    async def enter(self, log: StepLog) -> None:
        """Put a proven node back, and wait until it takes traffic everywhere. Raises StepFailure."""
        ...

    async def warm_up(self, log: StepLog) -> None:
        """Bring a node that entered to all of its share of the traffic. Raises ChangedByOthers.

        Whatever ends it early leaves the node with less, until `give_back`.
        """
        ...

    async def hold(self, log: StepLog) -> None:
        """See to it that a node that failed takes no traffic on any load balancer."""
        ...

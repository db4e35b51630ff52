"""The node's own established connections: they tell what no load balancer shows."""

from __future__ import annotations

from rollout.engine.context import NodeContext
from rollout.errors import StepFailure
from rollout.remote import drain_file

_COMMAND = 30.0
"""Seconds for one look at the node."""


async def connections(context: NodeContext, port: int) -> tuple[str, ...]:
    """A line for each established connection to `port` of the node. Raises StepFailure, HostError."""
    lines: list[str] = []
    seen = await context.look(
        drain_file.connections(port, context.address), timeout=_COMMAND, output=lines.append
    )
    if seen.status != 0:
        raise StepFailure(
            f"the connections to port {port} could not be counted: "
            f"`ss` exited with {seen.status} on the node",
            tail=seen.tail,
            hint="Debian's package iproute2 has `ss`",
        )
    return tuple(line for line in lines if line.strip())

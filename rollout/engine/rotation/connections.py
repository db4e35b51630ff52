"""The established connections that the node itself shows: load balancers may not know all of them."""

from __future__ import annotations

from collections.abc import Sized

from rollout.decisions.conversations import Connection, parse_connections
from rollout.engine.context import NodeContext
from rollout.errors import StepFailure
from rollout.remote import drain_file

_COMMAND = 30.0
"""Seconds for listing the connections."""


async def connections(context: NodeContext, port: int) -> list[Connection]:
    """The established connections to `port` of the node. Raises StepFailure, HostError."""
    lines: list[str] = []
    line = drain_file.connections(port, context.address)
    seen = await context.look(line, timeout=_COMMAND, lines=lines)
    if seen.status != 0:
        raise StepFailure(
            f"the connections to port {port} could not be counted: "
            f"`ss` exited with {seen.status} on the node",
            tail=seen.tail,
            hint="`ss` is in Debian's package iproute2",
        )
    return parse_connections(lines)


def counted_connections(connections: Sized) -> str:
    """The number of connections in words: `1 connection`, `2 connections`."""
    return f"{len(connections)} connection{'' if len(connections) == 1 else 's'}"

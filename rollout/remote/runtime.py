"""The commands of HAProxy's runtime API that change a server, as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rollout.domain import AdminState, Server


def drain(server: Server) -> str:
    """No new requests but those of clients that are pinned to it. Also ends a forced maintenance."""
    return f"set server {server.path} state drain"


def maint(server: Server) -> str:
    """No requests at all, not even of pinned clients, and no health checks."""
    return f"set server {server.path} state maint"


def ready(server: Server) -> str:
    """Take traffic again, at once if its health is good. Out of maintenance it forgets the health."""
    return f"set server {server.path} state ready"


def state(server: Server, admin: AdminState) -> str:
    """What sets it to maintenance, drain or ready again."""
    match admin.forced:
        case AdminState.FORCED_MAINT:
            return maint(server)
        case AdminState.FORCED_DRAIN:
            return drain(server)
    return ready(server)


def health_down(server: Server) -> str:
    """Down until its checks pass again."""
    return f"set server {server.path} health down"


def health_up(server: Server) -> str:
    """As if `rise` checks had passed."""
    return f"set server {server.path} health up"


def weight(server: Server, value: int) -> str:
    """Its share of the traffic, in the units of the configuration."""
    return f"set server {server.path} weight {value}"


def shutdown_sessions(server: Server) -> str:
    """End the sessions that it still has; their clients see an error."""
    return f"shutdown sessions server {server.path}"


def leave(servers: Iterable[Server]) -> list[str]:
    """Take servers out of rotation, letting running requests finish."""
    return [drain(server) for server in servers]


def hold(servers: Iterable[Server]) -> list[str]:
    """Keep drained servers out: a drained one still serves clients that are pinned to it."""
    return [maint(server) for server in servers]


def check(servers: Iterable[Server], checked: Collection[Server]) -> list[str]:
    """Have HAProxy's own checks prove held servers again, before they may take traffic.

    Leaving maintenance would make them UP unchecked; drained and DOWN first, only fresh checks can.
    `checked` are those that have a check of their own.
    """
    return [
        line
        for server in servers
        for line in ([drain(server), health_down(server)] if server in checked else [drain(server)])
    ]


def enter(servers: Iterable[Server], checked: Collection[Server]) -> list[str]:
    """Put proven servers back; one passed check is enough, `rise` need not be waited for."""
    return [
        line
        for server in servers
        for line in ([health_up(server), ready(server)] if server in checked else [ready(server)])
    ]

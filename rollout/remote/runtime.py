"""The commands of HAProxy's runtime API that change servers, as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rollout.domain import AdminState, Server


def drain(server: Server) -> str:
    """Send the server no new requests, except those of clients that are pinned to it. Ends a maintenance."""
    return f"set server {server.path} state drain"


def maint(server: Server) -> str:
    """Send the server no requests at all, not even those of pinned clients, and no health checks."""
    return f"set server {server.path} state maint"


def ready(server: Server) -> str:
    """Send the server traffic again, as soon as it is UP. Leaving maintenance makes it UP unchecked."""
    return f"set server {server.path} state ready"


def state(server: Server, admin: AdminState) -> str:
    """Set the server to maintenance, drain or ready, whichever `admin` is."""
    match admin.forced:
        case AdminState.FORCED_MAINT:
            return maint(server)
        case AdminState.FORCED_DRAIN:
            return drain(server)
    return ready(server)


def health_down(server: Server) -> str:
    """Take the server for DOWN until its checks pass again."""
    return f"set server {server.path} health down"


def health_up(server: Server) -> str:
    """Take the server for UP, as if `rise` checks had passed."""
    return f"set server {server.path} health up"


def weight(server: Server, value: int) -> str:
    """Set the server's share of the traffic, in units of the configuration."""
    return f"set server {server.path} weight {value}"


def shutdown_sessions(server: Server) -> str:
    """End the sessions that the server still has; their clients see an error."""
    return f"shutdown sessions server {server.path}"


def leave(servers: Iterable[Server]) -> list[str]:
    """Take servers out of rotation, and let requests that run finish."""
    return [drain(server) for server in servers]


def maintenance(servers: Iterable[Server]) -> list[str]:
    """Keep requests of pinned clients away, too: a drained server still serves them."""
    return [maint(server) for server in servers]


def check(servers: Iterable[Server], checked: Collection[Server]) -> list[str]:
    """Make HAProxy check servers in maintenance again before they may take traffic.

    Leaving maintenance would make them UP unchecked; drained and DOWN, only fresh checks make them UP.
    `checked` are the servers that have a check of their own.
    """
    return [
        line
        for server in servers
        for line in ([drain(server), health_down(server)] if server in checked else [drain(server)])
    ]


def enter(servers: Iterable[Server], checked: Collection[Server]) -> list[str]:
    """Put proven servers back. One passed check is enough: `health up` spares waiting for `rise` of them.

    `checked` are the servers that have a check of their own.
    """
    return [
        line
        for server in servers
        for line in ([health_up(server), ready(server)] if server in checked else [ready(server)])
    ]

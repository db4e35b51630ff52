"""The commands of HAProxy's runtime API that change servers, as text."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Collection, Iterable, Sequence

from rollout.domain import TWIN, AdminState, Server, ServerState


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


def disable_agent(server: Server) -> str:
    """Ask the server's agent no more: its word could undo a drain or change a weight at any moment."""
    return f"disable agent {server.path}"


def enable_agent(server: Server) -> str:
    """Ask the server's agent again."""
    return f"enable agent {server.path}"


def weight(server: Server, value: int) -> str:
    """Set the server's share of the traffic, in units of the configuration."""
    return f"set server {server.path} weight {value}"


def shutdown_sessions(server: Server) -> str:
    """End the sessions that the server still has; their clients see an error."""
    return f"shutdown sessions server {server.path}"


def leave(servers: Iterable[Server], agents: Collection[Server] = ()) -> list[str]:
    """Take servers out of rotation, and let requests that run finish.

    `agents` are the servers whose agents are disabled, each right before its drain: without its agent's word,
    a server that this agent called down comes up.
    """
    return [
        line
        for server in servers
        for line in ([disable_agent(server), drain(server)] if server in agents else [drain(server)])
    ]


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


def enter(
    servers: Iterable[Server],
    proven: Collection[Server],
    agents: Collection[Server] = (),
    down: Collection[Server] = (),
) -> list[str]:
    """Put servers back. One passed check is enough: `health up` spares waiting for `rise` of them.

    `proven` are the servers whose own check has passed, and `agents` those whose agents are enabled. Servers
    in `down` stay down until their check and their agent say otherwise.
    """
    lines = []
    for server in servers:
        if server in down:
            lines.append(health_down(server))
        elif server in proven:
            lines.append(health_up(server))
        lines.append(ready(server))
        if server in agents:
            lines.append(enable_agent(server))
    return lines


_FIRST_ID = 1_000_000_000
"""Twins are numbered from here on. Clients may be pinned to a server by its number, also to one that is gone,
and HAProxy gives a new server the lowest number that is free."""
_SOON = "50ms"
MOST_TWINS = 50
"""Twins of one node on one load balancer at the same time: it is checked for all of them at once."""


def twin_number(server: Server) -> int:
    """HAProxy's number of a server's twin, in its backend."""
    return _FIRST_ID + zlib.crc32(server.name.encode()) % _FIRST_ID


def add_twin(state: ServerState, words: Sequence[str], inter: str) -> list[str]:
    """Add the twin of a server: HAProxy checks it 50 ms later, and then every 50 ms until it passes.

    `words` decide the way to it, and `inter` how long a check may take. It never gets a request: its weight
    is 0, it is drained, and it is DOWN until its check passes.
    """
    twin, number = state.server.twin, twin_number(state.server)
    at = [f"[{state.address}]" if ":" in state.address else state.address, str(state.port)]
    own = [*(("addr", state.check_address) if state.check_address else ())]
    own += [*(("port", str(state.check_port)) if state.check_port else ())]
    pace = ["inter", inter, "fastinter", _SOON, "downinter", _SOON, "rise", "1", "fall", "1"]
    apart = ["weight", "0", "maxconn", "1", "maxqueue", "1", "id", str(number)]
    return [
        " ".join(["add server", twin.path, ":".join(at), "check", *pace, *apart, *words, *own]),
        f"enable health {twin.path}",
        drain(twin),
        health_down(twin),
    ]


def remove_twin(twin: Server) -> list[str]:
    """Remove a twin; HAProxy removes no server that is not in maintenance."""
    return [maint(twin), f"del server {twin.path}"]


def is_about_a_twin(command: str) -> bool:
    """Whether a command is about a twin."""
    return f"/{TWIN}" in command


def can_have_a_twin(state: ServerState) -> bool:
    """Whether another server can be given its address: an IP address and a port."""
    try:
        ipaddress.ip_address(state.address)
    except ValueError:
        return False
    return state.port > 0

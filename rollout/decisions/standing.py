"""The standing of each server: whether it must be up after a deployment. Values in, values out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from rollout.decisions.placement import Placement
from rollout.domain import Reading, Server, ServerState, Standing

Standings = Mapping[Server, Standing]
"""The standing of each server of a node."""

Serving = Mapping[str, Mapping[str, Collection[Server]]]
"""The servers in rotation, by load balancer and backend."""


def standings(readings: Iterable[Reading], placement: Placement, well: Collection[str] = ()) -> Standings:
    """The standing of each server, as `readings` of all load balancers show it.

    A node is well if one of its servers is up. In a backend in which one server alone is up, as where one
    leads, a node is also well if it is among `well`, whose health pages were right.
    """
    states = {state.server: state for reading in readings for state in reading.servers}
    backends = list(_by_backend(states.values()))
    led = {state.server for here in backends if _one_is_up(here) for state in here}
    standing: dict[Server, Standing] = {}
    for name, servers in placement.items():
        down = frozenset(s for s in servers if s in states and states[s].found_down)
        some_up = len(down) < len(servers)
        for server in servers:
            if server not in down:
                standing[server] = Standing.UP
            elif some_up or (name in well and server in led):
                standing[server] = Standing.DOWN
            else:
                standing[server] = Standing.BROKEN
    for here in backends:
        if _has_one_leader(here, standing):
            up = (s.server for s in here if standing.get(s.server) is Standing.UP)
            standing.update(dict.fromkeys(up, Standing.ALONE))
    return standing


def in_rotation(reading: Reading) -> Mapping[str, Collection[Server]]:
    """The servers of each backend that are in rotation, by the backend's name."""
    serving: dict[str, list[Server]] = defaultdict(list)
    for state in reading.servers:
        if state.in_rotation:
            serving[state.server.backend].append(state.server)
    return serving


def may_be_down(standing: Standing, server: Server, serving: Mapping[str, Collection[Server]]) -> str:
    """Why a server of this standing may be down although its node is well; empty if it must be up.

    `serving` are the servers in rotation, by backend.
    """
    match standing:
        case Standing.DOWN:
            return "it was down before"
        case Standing.ALONE if any(other != server for other in serving.get(server.backend, ())):
            return "another server of its backend is up now, as it was before"
    return ""


def _has_one_leader(here: Collection[ServerState], standing: Standings) -> bool:
    """Whether one server of a backend is up, and others are down although their nodes are well."""
    others = {standing.get(state.server) for state in here if not state.in_rotation}
    return _one_is_up(here) and Standing.DOWN in others and Standing.BROKEN not in others


def _one_is_up(here: Collection[ServerState]) -> bool:
    return sum(state.in_rotation for state in here) == 1


def _by_backend(states: Iterable[ServerState]) -> Iterable[list[ServerState]]:
    groups: dict[tuple[str, str], list[ServerState]] = defaultdict(list)
    for state in states:
        groups[state.server.load_balancer, state.server.backend].append(state)
    return groups.values()

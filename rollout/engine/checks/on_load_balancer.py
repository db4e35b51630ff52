"""Checks on load balancers: the runtime socket, and what HAProxy shows of the nodes. Nothing is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rollout.decisions.alike import first_of, once
from rollout.decisions.capacity import WHAT_TO_DO, Backend, Backends, Trackers, queues
from rollout.decisions.finding import Finding, Level
from rollout.decisions.plan import out_of_rotation
from rollout.domain import Server, ServerState, Standing
from rollout.engine.checks.standing_now import standing_notes
from rollout.engine.site import Site, Survey
from rollout.errors import LoadBalancerError


async def socket_finding(site: Site, name: str) -> Finding:
    """Whether a load balancer's runtime socket answers and allows what a deployment sends."""
    try:
        level = await site.load_balancers[name].level()
    except LoadBalancerError as error:
        return Finding(Level.PROBLEM, name, str(error).removeprefix(f"{name}: "), error.hint)
    if level != "admin" and site.inventory.drain.health_page is None:
        return Finding(
            Level.PROBLEM,
            name,
            f"the runtime socket has level {level}, but draining needs level admin",
            "name a `stats socket … level admin` in `haproxy:`",
        )
    return Finding(Level.OK, name, f"the runtime socket answers, with level {level}")


def rotation_finding(name: str, seen: Survey, standing: Mapping[Server, Standing]) -> Finding:
    """The servers of a node, and whether they take traffic."""
    states = seen.states(name)
    if reason := out_of_rotation(states):
        return Finding(
            Level.WARNING,
            name,
            f"{reason}: deploy would skip the node",
            f"put it back with `rollout ready {name}`, or deploy it as it is with --include-out-of-rotation",
        )
    down = [state.server for state in states if not state.in_rotation]
    if any(standing[server] is not Standing.DOWN for server in down):
        return Finding(Level.WARNING, name, f"down: {first_of([str(server) for server in down])}")
    if down:
        return Finding(Level.NOTE, name, "; ".join(standing_notes(name, down, standing)))
    return Finding(Level.OK, name, f"is {first_of([str(state.server) for state in states])}")


def server_findings(site: Site, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """Findings about HAProxy's settings of the nodes' servers that would hurt a deployment."""
    findings: list[Finding] = []
    trackers = Trackers(seen.trackers)
    for name in nodes:
        of_servers = (
            (state.server.path, finding)
            for state in seen.states(name)
            for finding in _of_server(site, name, state, seen)
        )
        findings += once(of_servers)
        findings += once(_of_trackers(name, seen, trackers))
    return findings


def outage_findings(
    site: Site, nodes: Sequence[str], window: int, seen: Survey, standing: Mapping[Server, Standing]
) -> list[Finding]:
    """Which backends would have too few servers, each once, and which have requests in their queue.

    `nodes` are in the order in which they are rolled: those that were rolled before count as back, even if
    they are out now, but for servers that may stay down. `standing` is that of each server.
    """
    if not site.inventory.behind_load_balancers:
        return []
    if not site.load_balancers and len(site.inventory.nodes) <= window:
        hint = "deploy all the same with --allow-outage"
        return [Finding(Level.PROBLEM, "strategy.window", "no node would be left to serve", hint)]
    short: dict[Backend, Finding] = {}
    back: set[Server] = set()
    backends, min_ready = Backends(seen.states()), site.inventory.strategy.min_ready
    for name in nodes:
        own = seen.placement[name]
        for backend, problem in backends.shortages(own, min_ready).items():
            leader = [s for s in own if (s.load_balancer, s.backend) == backend and _leads(s, standing)]
            short.setdefault(
                backend,
                _leader_finding(site, name, leader[0])
                if leader
                else Finding(Level.PROBLEM, name, problem, WHAT_TO_DO),
            )
        returning = [server for server in own if standing.get(server) is not Standing.DOWN]
        backends.bring_back(returning)
        back.update(returning)
    hint = "no node leaves rotation until the queue is empty"
    queued = [
        (backend, Finding(Level.WARNING, "capacity", text, hint))
        for reading in seen.readings
        for (_, backend), text in queues(reading, back).items()
    ]
    return once([*((backend, finding) for (_, backend), finding in short.items()), *queued])


def _leads(server: Server, standing: Mapping[Server, Standing]) -> bool:
    return standing.get(server) is Standing.ALONE


def _leader_finding(site: Site, name: str, server: Server) -> Finding:
    """A node that is alone up in a backend: it can leave once another is, which a hook may bring about."""
    alone = f"{server} is alone up in its backend, where the other servers are DOWN on nodes that are well"
    if site.inventory.hooks.before_node is not None:
        return Finding(
            Level.WARNING, name, f"{alone}: {name} leaves once another is up, for instance by before_node"
        )
    return Finding(
        Level.PROBLEM,
        name,
        f"{alone}: nothing would serve that backend while {name} is out",
        "if one node leads, let `hooks.before_node` move that role to another node first, as docs/leaders.md "
        "shows; --allow-outage skips the capacity checks",
    )


def _of_server(site: Site, name: str, state: ServerState, seen: Survey) -> Iterator[Finding]:
    """A weight too low to warm up from, and a health check that is disabled or missing."""
    if state.check_disabled:
        yield Finding(
            Level.PROBLEM,
            name,
            f"the health checks of {state.server} are disabled: HAProxy cannot find the node healthy again",
            f"send `enable health {state.server.path}` to {state.server.load_balancer}",
        )
    if site.inventory.warmup is not None and state.weight == 1:
        yield Finding(
            Level.WARNING,
            name,
            f"{state.server} has weight 1, so there is no lower weight to warm it up with",
            "write `weight 100` on all `server` lines of its backend",
        )
    if not state.checked and not state.check_disabled and not _tracks_own(name, state, seen):
        tracks = f"; it tracks {state.tracks}, which is not a server of the node" if state.tracks else ""
        if site.inventory.health is None:
            yield Finding(
                Level.PROBLEM,
                name,
                f"nothing can prove that {state.server} is healthy: the inventory has no `health:`, "
                f"and HAProxy does not check the server{tracks}",
            )
        else:
            yield Finding(Level.WARNING, name, f"{state.server} is not checked by HAProxy{tracks}")


def _tracks_own(name: str, state: ServerState, seen: Survey) -> bool:
    """Whether a server tracks another one of its node."""
    backend, _, server = state.tracks.partition("/")
    tracked = Server(state.server.load_balancer, backend, server)
    return bool(state.tracks) and seen.owners.get(tracked) == name


def _of_trackers(name: str, seen: Survey, trackers: Trackers) -> Iterator[tuple[str, Finding]]:
    """Servers that belong to no node, but leave and return with a server of this one."""
    along = trackers.along(seen.placement[name])
    for server in sorted(server for server in along if server not in seen.owners):
        finding = Finding(
            Level.WARNING,
            name,
            f"{server} tracks a server of the node, so it leaves and returns with the node, but rollout does "
            "not wait for its sessions",
            "if it is the same application, make it a server of the node by its name, its address or "
            "`backends:`",
        )
        yield server.path, finding

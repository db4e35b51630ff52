"""What a deployment will do, decided before anything is touched. Values in, values out."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from rollout.decisions.capacity import Capacity
from rollout.domain import Reading, Server, ServerBefore, ServerState, Step
from rollout.errors import Refused, UsageError
from rollout.inventory.model import Inventory
from rollout.inventory.template import fill
from rollout.release import plan_release
from rollout.remote import drain_file, runtime
from rollout.restart import plan_restart

Placement = Mapping[str, tuple[Server, ...]]
"""Every server that a node is, by the node's name."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that will be sent to `target`: a load balancer or a node."""

    step: Step
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    service: str
    release: str | None
    nodes: tuple[str, ...]
    """In the order in which they are rolled."""
    skipped: Mapping[str, str]
    """Nodes that somebody else took out of rotation, with the reason."""
    waves: tuple[int, ...]
    """How many of the nodes are rolled before the next ones are judged."""
    canary: int
    """How many of the first wave are there to try the release."""
    window: int
    placement: Placement
    capacity: tuple[Capacity, ...]
    warnings: tuple[str, ...] = ()
    before: Mapping[Server, ServerBefore] = field(default_factory=dict)
    """How the nodes' servers were before they were touched, which is how they are left."""
    taken_up: frozenset[str] = frozenset()
    """Nodes that an earlier try left out: they may be in any state."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """What a node gets where that is not `release`."""
    back: bool = False
    """The nodes go back to what they ran before."""

    def release_of(self, node: str) -> str | None:
        """What `node` gets; `None` is a restart."""
        return self.releases.get(node, self.release)


def select(inventory: Inventory, limit: Sequence[str]) -> tuple[str, ...]:
    """The nodes that `--limit` names, in the inventory's order; all without it. Raises UsageError."""
    unknown = [name for name in limit if name not in inventory.nodes]
    if unknown:
        near = difflib.get_close_matches(unknown[0], inventory.nodes, n=1)
        raise UsageError(
            f"{inventory.path} has no node {', '.join(map(repr, unknown))}",
            hint=f"did you mean {near[0]}?" if near else f"its nodes are {', '.join(inventory.nodes)}",
        )
    return tuple(name for name in inventory.nodes if not limit or name in limit)


def place(
    inventory: Inventory, readings: Sequence[Reading], addresses: Mapping[str, frozenset[str]]
) -> Placement:
    """Find the servers that each node is, by name or by address.

    `addresses` are the IP addresses of each node. A server that bears a node's name is that node's, unless it
    is at the address of others alone, and nobody gave the name as `server:`; any other one belongs to the
    node at its address. Raises Refused, with all that is wrong.
    """
    names = {node.server or name: name for name, node in inventory.nodes.items()}
    by_name_only = {name for name, node in inventory.nodes.items() if node.server}
    found: dict[str, list[Server]] = {name: [] for name in inventory.nodes}
    problems = []
    for reading in readings:
        wanted = inventory.load_balancers[reading.load_balancer].backends
        known = {state.server.backend for state in reading.servers}
        problems += [
            _no_backend(reading.load_balancer, name, known) for name in wanted or () if name not in known
        ]
        for state in reading.servers:
            if wanted is not None and state.server.backend not in wanted:
                continue
            here = [name for name in inventory.nodes if state.address in addresses.get(name, ())]
            namesake = names.get(state.server.name)
            if namesake and here and namesake not in here and namesake not in by_name_only:
                problems.append(
                    f"{state.server} is named like {namesake}, but is at the address of {', '.join(here)}: "
                    "say which it is by `server:`"
                )
                continue
            if namesake:
                found[namesake].append(state.server)
                continue
            here = [name for name in here if name not in by_name_only]
            if len(here) > 1:
                problems.append(
                    f"{state.server} at {state.address}:{state.port} may be any of {', '.join(here)}: "
                    "give each its `server:` name"
                )
            elif here:
                found[here[0]].append(state.server)
    if problems:
        raise Refused("\n".join(problems))
    return {name: tuple(servers) for name, servers in found.items()}


def _no_backend(load_balancer: str, backend: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(backend, known, n=1)
    other = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known)) or 'none'}"
    return f"{load_balancer} has no backend {backend} with servers; {other}"


def require_found(inventory: Inventory, nodes: Iterable[str], placement: Placement) -> None:
    """Raises Refused for nodes that are on no load balancer."""
    lost = [name for name in nodes if not placement[name]]
    if lost:
        where = ", ".join(inventory.load_balancers)
        raise Refused(
            "\n".join(
                f"{name} ({inventory.nodes[name].host}) is no server on {where}, by name or by address"
                for name in lost
            ),
            hint="`server:` gives HAProxy's name for a node, `backends:` where to look",
        )


def out_of_rotation(states: Iterable[ServerState]) -> str:
    """Why somebody's decision keeps these servers out of rotation; empty if none does."""
    for state in states:
        if state.admin.in_maintenance:
            return f"{state.server} is in maintenance"
        if state.admin.in_drain:
            return f"{state.server} is drained"
        if state.weight == 0:
            return f"{state.server} has weight 0"
    return ""


def sent(inventory: Inventory, release: str | None, node: str) -> str | None:
    """What is sent to `node`, and where to, before anything is drained."""
    if release is None:
        return None
    chosen = plan_release(inventory, release, partial(_filled, inventory, node, release))
    return None if chosen is None or chosen.upload is None else chosen.upload.shown


def lines(
    inventory: Inventory,
    release: str | None,
    node: str,
    servers: Sequence[Server],
    checked: Collection[Server],
    before: Mapping[Server, ServerBefore],
) -> tuple[Line, ...]:
    """Every line that rolling `node` sends, in order. `checked` are the servers that HAProxy checks; those
    that were out `before` are left as they were.
    """
    by_balancer: dict[str, list[Server]] = {}
    for server in servers:
        if server not in before or not before[server].stays_in_maintenance:
            by_balancer.setdefault(server.load_balancer, []).append(server)
    back = {
        name: [server for server in own if server not in before or before[server].returns]
        for name, own in by_balancer.items()
    }

    def to_balancers(step: Step, commands: Mapping[str, list[str]]) -> list[Line]:
        return [Line(step, name, "; ".join(texts)) for name, texts in commands.items() if texts]

    filled = partial(_filled, inventory, node, release)
    health_page = inventory.drain.health_page
    down: list[Line] = []
    up: list[Line] = []
    if health_page is None:
        down += to_balancers(Step.DRAIN, {name: runtime.leave(own) for name, own in by_balancer.items()})
        down += to_balancers(
            Step.DRAIN, {name: runtime.maintenance(own) for name, own in by_balancer.items()}
        )
        up += to_balancers(
            Step.READY, {name: runtime.check(own, checked) for name, own in by_balancer.items()}
        )
        climb = _climb(back, before)
        for weights in climb[:1]:
            up += to_balancers(Step.READY, weights)
        up += to_balancers(Step.READY, {name: runtime.enter(own, checked) for name, own in back.items()})
        for weights in climb[1:]:
            up += to_balancers(Step.READY, weights)
    elif health_page.file is not None:
        file = filled(health_page.file)
        down.append(Line(Step.DRAIN, node, drain_file.create(file)))
        up.append(Line(Step.READY, node, drain_file.remove(file)))
    elif health_page.request is not None:
        for step, request, into in (
            (Step.DRAIN, health_page.request.down, down),
            (Step.READY, health_page.request.up, up),
        ):
            url = filled(request.url)
            into.append(Line(step, node, f"{request.method} {url}"))

    work: list[Line] = []
    if release is not None and (chosen := plan_release(inventory, release, filled)) is not None:
        work.append(Line(Step.RELEASE, node, chosen.shown or chosen.command))
    restart = plan_restart(inventory.restart, filled)
    if restart.ask is not None:
        work.append(Line(Step.RESTART, node, f"{restart.ask.method} {restart.ask.url}"))
    if restart.command is not None:
        work.append(Line(Step.RESTART, node, restart.shown or restart.command))
    if inventory.health is not None:
        url = filled(inventory.health.http)
        work.append(Line(Step.VERIFY, node, f"GET {url}"))
    return (*down, *work, *up)


def _climb(
    back: Mapping[str, Sequence[Server]], before: Mapping[Server, ServerBefore]
) -> list[dict[str, list[str]]]:
    """The weights that are set at each step of a warm-up, by load balancer; the first before it is ready."""
    climbs = {s: before[s].climb for own in back.values() for s in own if s in before and before[s].climb}
    steps = max(map(len, climbs.values()), default=0)
    return [
        {
            name: [runtime.weight(s, climbs[s][step]) for s in own if s in climbs and step < len(climbs[s])]
            for name, own in back.items()
        }
        for step in range(steps)
    ]


def _filled(inventory: Inventory, node: str, release: str | None, text: str) -> str:
    return fill(text, host=inventory.nodes[node].host, node=node, release=release)

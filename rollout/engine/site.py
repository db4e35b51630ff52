"""The site: an inventory with all that reaches into the world, and the survey of its load balancers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rollout.deadline import look
from rollout.decisions.capacity import with_trackers
from rollout.decisions.placement import Placement, place
from rollout.domain import Reading, Server, ServerBefore, ServerState
from rollout.engine.claim import Claim
from rollout.engine.context import NodeContext, environment
from rollout.engine.loaded_configuration import LoadedConfiguration
from rollout.engine.permission import Permission
from rollout.engine.places import NodePlaces, Places
from rollout.engine.rotation.by_page import PageRotation
from rollout.engine.rotation.by_socket import SocketRotation
from rollout.engine.rotation.check_times import CheckTimes
from rollout.engine.rotation.ledger import Ledger
from rollout.engine.rotation.node_servers import NodeServers
from rollout.engine.rotation.none import NoRotation
from rollout.engine.rotation.old_processes import OldProcesses
from rollout.engine.rotation.pinned_clients import PinnedClients
from rollout.engine.rotation.protocol import Rotation
from rollout.engine.rotation.state_file import StateFile
from rollout.engine.rotation.twins import TwinPaths
from rollout.engine.waiting import run_all
from rollout.errors import HostError, PlaceError, Refused
from rollout.inventory.model import Inventory
from rollout.ports import Host, HttpClient, LoadBalancer, Sources

_REJOIN = 60.0
"""Seconds in which HAProxy's checks must pass, where the inventory has no `health.timeout`."""


@dataclass(frozen=True, slots=True)
class Site:
    """An inventory with its machines, load balancers and HTTP clients, all behind their ports."""

    inventory: Inventory
    hosts: Mapping[str, Host]
    """By the node's name."""
    load_balancers: Mapping[str, LoadBalancer]
    balancer_hosts: Mapping[str, Host]
    """The machines of those load balancers on which shell lines can be run, by the load balancer's name."""
    http_clients: Mapping[str, HttpClient]
    """By the node's name: each sends requests to the pages of its node."""
    sources: Sources
    here: Host
    """The machine on which rollout runs."""
    public: HttpClient
    """Sends requests from here to the service's public address."""
    identity: str
    """Tells this service from every other one, also from one with the same name."""
    sender: str
    """Who runs rollout and where, such as `alice on laptop`."""
    claims: Mapping[str, Claim] = field(init=False)
    """By the node's name."""
    configurations: Mapping[str, LoadedConfiguration] = field(init=False)
    """By the load balancer's name, as those that follow."""
    state_files: Mapping[str, StateFile] = field(init=False)
    pinned_clients: Mapping[str, PinnedClients] = field(init=False)
    twin_paths: Mapping[str, TwinPaths] = field(init=False)
    permission: Permission = field(init=False)
    """Asked for before anything is changed."""

    def __post_init__(self) -> None:
        hosts = {name: self.balancer_hosts.get(name) for name in self.load_balancers}
        configurations = {name: LoadedConfiguration(host) for name, host in hosts.items()}
        files = {
            name: StateFile(balancer, hosts[name], configurations[name])
            for name, balancer in self.load_balancers.items()
        }
        policy = self.inventory.drain.pinned
        pinned = {
            name: PinnedClients(configuration, policy) for name, configuration in configurations.items()
        }
        claims = {
            name: Claim(host, f"{self.identity}/{name}", self.sender) for name, host in self.hosts.items()
        }
        object.__setattr__(self, "claims", claims)
        object.__setattr__(self, "configurations", configurations)
        object.__setattr__(self, "state_files", files)
        object.__setattr__(self, "pinned_clients", pinned)
        paths = {name: TwinPaths(configuration) for name, configuration in configurations.items()}
        object.__setattr__(self, "twin_paths", paths)
        object.__setattr__(self, "permission", Permission())

    @asynccontextmanager
    async def connecting(self, nodes: Sequence[str]) -> AsyncIterator[None]:
        """Open the connections to nodes and to load balancers in the background. A caller that needs one that
        failed gets its error. Raises Refused with those of the nodes if the place where deployers meet cannot
        be reached, either."""
        tasks = [asyncio.create_task(self.hosts[name].connect()) for name in nodes]
        balancers = [asyncio.create_task(host.connect()) for host in self.balancer_hosts.values()]
        try:
            yield
        except PlaceError:
            # The place may be on one of these nodes: then the reason is theirs, and each is named.
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            failed = [error for error in ended if isinstance(error, HostError)]
            if not failed:
                raise
            raise Refused("\n".join(map(str, failed)), hint=failed[0].hint) from None
        finally:
            for task in (*tasks, *balancers):
                task.cancel()
            await asyncio.gather(*tasks, *balancers, return_exceptions=True)

    def context(
        self, node: str, release: str | None, *, deployment: int | None = None, previous: str | None = None
    ) -> NodeContext:
        """The context of a node that gets `release`; `None` for a restart, or where no release matters."""
        return NodeContext(
            name=node,
            inventory=self.inventory,
            release=release,
            host=self.hosts[node],
            http=self.http_clients[node],
            here=self.here,
            public=self.public,
            environment=environment(self.inventory, node, release, deployment, previous),
            claim=self.claims[node],
            permission=self.permission,
        )

    def rotation(
        self,
        context: NodeContext,
        servers: Sequence[Server],
        before: Mapping[Server, ServerBefore] | None = None,
        *,
        taken_up: bool = False,
        places: Places | None = None,
    ) -> Rotation:
        """The way the node leaves rotation and returns: by its health page where the inventory says so, else
        by HAProxy's socket; not at all where no load balancer sends it requests.

        `before` is how to leave each server: without it, as it is now. `taken_up` says that an earlier
        try left the node out. With `places` the node is found again wherever a load balancer changes.
        """
        if not self.inventory.behind_load_balancers:
            return NoRotation()
        own_places = None if places is None else NodePlaces(places, context.name)
        by_balancer = {
            name: own
            for name in self.load_balancers
            if (own := tuple(server for server in servers if server.load_balancer == name)) or places
        }
        drain, health = self.inventory.drain, self.inventory.health
        check_times = CheckTimes(health.timeout if health else _REJOIN, self.configurations)
        if drain.health_page is not None:
            own_servers = {self.load_balancers[name]: own for name, own in by_balancer.items()}
            standing = {server: known.standing for server, known in (before or {}).items()}
            return PageRotation(context, drain.health_page, own_servers, check_times, standing, own_places)
        node_servers = [
            NodeServers(
                self.load_balancers[name],
                own,
                self.state_files[name],
                self.pinned_clients[name],
                Ledger(before or {}, taken_up=taken_up),
                self.inventory.strategy.patience,
                self.permission,
                own_places,
            )
            for name, own in by_balancer.items()
        ]
        old_processes = OldProcesses(context, self.balancer_hosts)
        return SocketRotation(
            node_servers, old_processes, drain, check_times, self.inventory.warmup, self.twin_paths
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """One reading of every load balancer, and the servers that each node is on them."""

    readings: tuple[Reading, ...]
    placement: Placement
    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The IP addresses of each node, by which it was found."""
    trackers: tuple[ServerState, ...] = field(init=False, repr=False)
    """The servers that track another one."""
    owners: Mapping[Server, str] = field(init=False, repr=False)
    """The node that each server is, for the servers of all nodes."""
    _by_server: Mapping[Server, ServerState] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        states = self.states()
        owners = {server: name for name, servers in self.placement.items() for server in servers}
        object.__setattr__(self, "trackers", tuple(state for state in states if state.tracks))
        object.__setattr__(self, "owners", owners)
        object.__setattr__(self, "_by_server", {state.server: state for state in states})

    def states(self, node: str | None = None) -> list[ServerState]:
        """The states of all servers, or of those that `node` is."""
        if node is None:
            return [state for reading in self.readings for state in reading.servers]
        return [self._by_server[server] for server in self.placement[node] if server in self._by_server]

    def by_node(self) -> dict[str, list[ServerState]]:
        """The states of all servers of each node, by the node's name."""
        return {name: self.states(name) for name in self.placement}

    def checked(self) -> frozenset[Server]:
        """The servers that HAProxy checks itself."""
        return frozenset(state.server for state in self.states() if state.checked and not state.tracks)


async def survey(site: Site) -> Survey:
    """Read every load balancer once and find the nodes. Raises LoadBalancerError, Refused."""
    readings = await run_all(look(balancer.read) for balancer in site.load_balancers.values())
    at = await addresses(site.inventory)
    placement = place(site.inventory, readings, at)
    for balancer, reading in zip(site.load_balancers.values(), readings, strict=True):
        own = [s for servers in placement.values() for s in servers if s.load_balancer == balancer.name]
        balancer.focus({server.backend for server in with_trackers(own, reading.servers)})
    return Survey(tuple(readings), placement, at)


async def addresses(inventory: Inventory) -> Mapping[str, frozenset[str]]:
    """The IP addresses of each node, by its name; none for a host name that cannot be resolved here."""
    resolved = await run_all(_resolve(node.host) for node in inventory.nodes.values())
    return dict(zip(inventory.nodes, resolved, strict=True))


async def _resolve(host: str) -> frozenset[str]:
    try:
        return frozenset({str(ipaddress.ip_address(host))})
    except ValueError:
        pass
    try:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(info[4][0]) for info in infos)

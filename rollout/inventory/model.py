"""The inventory as typed values. Editors show the descriptions of its fields while one is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Discriminator, Field, PrivateAttr, Tag

from rollout.domain import FolderAddress, PlaceAddress, RuntimeSocket, SshSocket, SshTarget
from rollout.inventory.drain import Drain
from rollout.inventory.health import Health
from rollout.inventory.hooks import Hooks, Notify
from rollout.inventory.probe import PublicProbe
from rollout.inventory.quantities import Timeout
from rollout.inventory.release import Release
from rollout.inventory.restart import NO, RELOAD, WITH_A_GAP, Restart, RestartSetting
from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.server_names import ServerNames
from rollout.inventory.state import State, StateSetting
from rollout.inventory.strategy import Strategy
from rollout.inventory.texts import Host, JumpHosts, Name, Port, RuntimeUrl, Text, Word, parse_runtime_socket
from rollout.inventory.warmup import Warmup


class LoadBalancer(Section):
    """An HAProxy that sends traffic to the nodes."""

    haproxy: RuntimeUrl = Field(
        description="Its runtime socket: unix:///path, tcp://host:port or ssh://user@host/path"
    )
    backends: list[Word] | None = Field(
        default=None, min_length=1, description="The backends to use; by default all that have a node in them"
    )
    master: RuntimeUrl | None = Field(
        default=None, description="Its master socket, which shows the old processes after a reload"
    )


class Ssh(Section):
    """How to log in over SSH. Settings that are not given come from ssh_config, as with OpenSSH."""

    user: Word | None = Field(default=None, description="The user to log in as")
    port: Port | None = Field(default=None, description="The port of its sshd")
    identity_file: Text | None = Field(
        default=None, description="A private key; the keys of the agent are tried, too"
    )
    known_hosts: Text | None = Field(
        default=None, description="The file of known host keys; an unknown or changed key is refused"
    )
    jump: JumpHosts | None = Field(default=None, description="A jump host, [user@]host[:port]")


SshSetting = Annotated[
    Annotated[Literal["local"], Tag(SCALAR)] | Annotated[Ssh, Tag(SETTINGS)],
    Discriminator(kind),
]


class Node(Section):
    """A machine (or address) that runs the service."""

    host: Host = Field(description="Its name or address, without user and port")
    zone: Text | None = Field(default=None, description="Where it is, such as a rack or an availability zone")
    server: ServerNames | None = Field(
        default=None,
        description="HAProxy's name for it, if it is not the node's; or {lb1: NAME, …}, a name on each load "
        "balancer",
    )
    ssh: SshSetting | None = Field(
        default=None, description="Its own SSH settings; or local, to run its commands on this machine"
    )

    def server_on(self, load_balancer: str) -> str | None:
        """HAProxy's name for it on `load_balancer`; `None` where no name is given."""
        return self.server.get(load_balancer) if isinstance(self.server, dict) else self.server


PARALLEL = 10
"""Nodes on which something is done at once while they serve."""


class Prepare(Section):
    """A shell line that is run on every node before the first one is drained. ROLLOUT_RELEASE, ROLLOUT_NODE
    and others are in its environment."""

    command: Text = Field(description="The shell line")
    timeout: Timeout = Field(default=600.0, description="How long it may take")
    parallel: int = Field(default=PARALLEL, ge=1, description="On how many nodes it is run at once")


_ANSWERS: Any = [
    {"type": "object", "required": [key], "properties": {key: {"enum": values}}}
    for key, values in (("action", [RELOAD]), ("gap", [False, *NO]))
]


def inventory_config(with_a_gap: Sequence[str]) -> ConfigDict:
    """Settings for JSON Schema: a way to drain, unless no driver is one of those that leave a gap."""
    gaps: list[Any] = [
        {"type": "object", "required": [key], "properties": {key: {"not": {"anyOf": _ANSWERS}}}}
        for key in with_a_gap
    ]
    one_of_several: Any = {"type": "array", "contains": {"anyOf": gaps}}
    return ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["load_balancers"]},
                {"required": ["drain"], "properties": {"drain": {"required": ["health_page"]}}},
                {"properties": {"restart": {"not": {"anyOf": [*gaps, one_of_several]}}}},
            ]
        }
    )


class Inventory(Section):
    """The service, its load balancers, its nodes, and how to deploy it."""

    model_config = inventory_config(WITH_A_GAP)
    restart_section: ClassVar[type[Restart]] = Restart

    service: Name = Field(description="Its name")
    load_balancers: dict[Name, LoadBalancer] = Field(
        default_factory=dict,
        description="Every HAProxy that sends traffic to the nodes, each under a name; {} if nothing does",
    )
    nodes: dict[Name, Node] = Field(
        min_length=1,
        description="The machines that run the service, each under a name, in the order of the deploy",
    )
    ssh: SshSetting = Field(
        default_factory=Ssh,
        description="SSH settings for all nodes and ssh:// load balancers; or local, to run commands here",
    )
    drain: Drain = Field(default_factory=Drain, description="How a node leaves the load balancers")
    prepare: Prepare | None = Field(default=None, description="Run on every node before any is drained")
    release: Release | None = Field(default=None, description="Puts the new release on a node")
    restart: RestartSetting[Restart] = Field(
        description="How the service is restarted, by exactly one driver; or a list of restarts, which are "
        "carried out one after another; or none, if the release is enough"
    )
    health: Health | None = Field(default=None, description="How a node proves that it is healthy")
    warmup: Warmup | None = Field(
        default=None,
        description="How traffic to a node that comes back grows; by default it gets all of it at once",
    )
    probe: PublicProbe | None = Field(
        default=None, description="A probe of the service's public address throughout a deployment"
    )
    strategy: Strategy = Field(
        default_factory=Strategy,
        description="In which order nodes are rolled, how many at once, and what a failure leads to",
    )
    hooks: Hooks = Field(
        default_factory=Hooks, description="Shell lines around the deployment and around each node"
    )
    notify: Notify | None = Field(
        default=None, description="Who gets a message when a deployment begins and when it ends"
    )
    state: StateSetting = Field(
        default_factory=State,
        description="Where the deployers of the service meet, which keeps its lock and its history",
    )

    _path: Path = PrivateAttr(default=Path())
    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file from which it was loaded."""
        return self._path

    @property
    def variables(self) -> Mapping[str, str]:
        """The value of every `${NAME}` in the file, by name.

        Shell lines find them in their environment. No value may be shown.
        """
        return self._variables

    @property
    def restarts(self) -> Mapping[str, Restart]:
        """The restarts in their order, by their keys: `restart`, or `restart[0]` and so on."""
        if isinstance(self.restart, list):
            return {f"restart[{index}]": one for index, one in enumerate(self.restart)}
        return {} if self.restart == "none" else {"restart": self.restart}

    @property
    def behind_load_balancers(self) -> bool:
        """Whether any load balancer sends requests to the nodes, listed or not."""
        return bool(self.load_balancers) or self.drain.health_page is not None

    @property
    def health_ca(self) -> Path | None:
        """The file of certificate authorities that health pages may be signed by; `None` for the usual ones
        alone."""
        if self.health is None or self.health.ca is None:
            return None
        return self.path.parent / Path(self.health.ca).expanduser()

    def ssh_target(self, node: str) -> SshTarget | None:
        """How to reach `node` over SSH, its own settings over the inventory's; `None` for this machine."""
        own = self.nodes[node].ssh
        if own == "local" or (own is None and self.ssh == "local"):
            return None
        return self._target(SshTarget(self.nodes[node].host), own if isinstance(own, Ssh) else Ssh())

    def runtime_socket(self, load_balancer: str) -> RuntimeSocket:
        """The runtime socket of `load_balancer`, with the inventory's SSH settings filled in."""
        return self._socket(self.load_balancers[load_balancer].haproxy)

    def master_socket(self, load_balancer: str) -> RuntimeSocket | None:
        """The master socket of `load_balancer`, which shows old processes; `None` if none is given."""
        master = self.load_balancers[load_balancer].master
        return None if master is None else self._socket(master)

    @property
    def kept(self) -> int:
        """How many deployments are kept."""
        return State.of(self.state).keep

    @property
    def place(self) -> PlaceAddress | Literal["local"] | None:
        """The place of the state, with the inventory's SSH settings; `None` where it is left to be found."""
        place = State.of(self.state).address(self.path.parent)
        if isinstance(place, FolderAddress) and place.target is not None:
            return FolderAddress(place.path, self._target(place.target, Ssh()))
        return place

    def _socket(self, url: str) -> RuntimeSocket:
        socket = parse_runtime_socket(url)
        if isinstance(socket, SshSocket):
            return SshSocket(self._target(socket.target, Ssh()), socket.path)
        return socket

    def _target(self, target: SshTarget, own: Ssh) -> SshTarget:
        shared = self.ssh if isinstance(self.ssh, Ssh) else Ssh()
        return SshTarget(
            host=target.host,
            user=target.user or own.user or shared.user,
            port=target.port or own.port or shared.port,
            identity_file=own.identity_file or shared.identity_file,
            known_hosts=own.known_hosts or shared.known_hosts,
            jump=own.jump or shared.jump,
        )

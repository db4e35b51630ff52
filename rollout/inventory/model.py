"""The inventory as typed values. Field descriptions are what editors show while one is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, PrivateAttr, Tag

from rollout.domain import RuntimeSocket, SshSocket, SshTarget
from rollout.inventory.drain import Drain
from rollout.inventory.health import Health
from rollout.inventory.hooks import Hooks, Notify
from rollout.inventory.probe import PublicProbe
from rollout.inventory.quantities import Timeout
from rollout.inventory.release import Release
from rollout.inventory.restart import RELOAD, WITH_A_GAP, RestartSetting
from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.strategy import Strategy
from rollout.inventory.texts import Name, Port, RuntimeUrl, Text, Word, parse_runtime_socket
from rollout.inventory.warmup import Warmup


class LoadBalancer(Section):
    """One HAProxy that sends traffic to the nodes."""

    haproxy: RuntimeUrl = Field(
        description="Its runtime socket: unix:///path, tcp://host:port or ssh://user@host/path"
    )
    backends: list[Word] | None = Field(
        default=None, min_length=1, description="Only these backends; by default all in which a node is found"
    )
    master: RuntimeUrl | None = Field(
        default=None, description="Its master socket, so that old processes are seen after a reload"
    )


class Ssh(Section):
    """How to log in. What is not given comes from ssh_config, as with OpenSSH."""

    user: Word | None = Field(default=None, description="The user to log in as")
    port: Port | None = Field(default=None, description="The port of its sshd")
    identity_file: Text | None = Field(default=None, description="A private key; the agent is asked as well")
    known_hosts: Text | None = Field(
        default=None, description="Host keys; an unknown or changed one is refused"
    )
    jump: Word | None = Field(default=None, description="A jump host, [user@]host[:port]")


SshSetting = Annotated[
    Annotated[Literal["local"], Tag(SCALAR)] | Annotated[Ssh, Tag(SETTINGS)],
    Discriminator(kind),
]


class Node(Section):
    """One machine (or address) that runs the service."""

    host: Word = Field(description="Its name or address")
    zone: Text | None = Field(default=None, description="Where it is, such as a rack or an availability zone")
    server: Word | None = Field(default=None, description="HAProxy's name for it, where it is not the node's")
    ssh: SshSetting | None = Field(
        default=None, description="Its own SSH settings, or local to run commands on this machine"
    )


PARALLEL = 10
"""On how many nodes something is done at once while they serve."""


class Prepare(Section):
    """A shell line that is run on every node before the first one is drained. ROLLOUT_RELEASE, ROLLOUT_NODE
    and others are in its environment."""

    command: Text = Field(description="The shell line")
    timeout: Timeout = Field(default=600.0, description="How long it may take")
    parallel: int = Field(default=PARALLEL, ge=1, description="How many nodes at once")


_RELOAD: Any = {"type": "object", "required": ["action"], "properties": {"action": {"const": RELOAD}}}
_WITH_A_GAP: Any = [
    {"type": "object", "required": [key], "properties": {key: {"not": _RELOAD}}} for key in WITH_A_GAP
]


class Inventory(Section):
    """The service, its load balancers, its nodes, and how to deploy it."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["load_balancers"]},
                {"required": ["drain"], "properties": {"drain": {"required": ["health_page"]}}},
                {"properties": {"restart": {"not": {"anyOf": _WITH_A_GAP}}}},
            ]
        }
    )

    service: Name = Field(description="Its name")
    load_balancers: dict[Name, LoadBalancer] = Field(
        default_factory=dict,
        description="Every HAProxy that sends traffic to the nodes, each under a name; {} where nothing does",
    )
    nodes: dict[Name, Node] = Field(
        min_length=1,
        description="The machines that run the service, each under a name, in the order of the deploy",
    )
    ssh: SshSetting = Field(
        default_factory=Ssh, description="SSH settings of all nodes and ssh:// load balancers; or local"
    )
    drain: Drain = Field(default_factory=Drain, description="How a node leaves the load balancers")
    prepare: Prepare | None = Field(default=None, description="On every node, before the first is drained")
    release: Release | None = Field(default=None, description="Puts the new release on a node")
    restart: RestartSetting = Field(
        description="How the service is restarted, by exactly one driver; or none, where the release is all"
    )
    health: Health | None = Field(default=None, description="How a node proves that it is healthy")
    warmup: Warmup | None = Field(
        default=None, description="How a node that comes back takes its share of the traffic; at once without"
    )
    probe: PublicProbe | None = Field(
        default=None, description="Asks the service's public address all through a deployment"
    )
    strategy: Strategy = Field(
        default_factory=Strategy, description="How many at once, and what a failure means"
    )
    hooks: Hooks = Field(
        default_factory=Hooks, description="Shell lines around the deployment and around each node"
    )
    notify: Notify | None = Field(default=None, description="Who is told of its start and its end")

    _path: Path = PrivateAttr(default=Path())
    _variables: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file that it was loaded from."""
        return self._path

    @property
    def variables(self) -> Mapping[str, str]:
        """Every `${NAME}` of the file with its value. Shell lines find them in their environment; none of
        the values may be shown."""
        return self._variables

    @property
    def behind_load_balancers(self) -> bool:
        """Whether any sends requests to the nodes, be it one that is not listed."""
        return bool(self.load_balancers) or self.drain.health_page is not None

    def ssh_target(self, node: str) -> SshTarget | None:
        """How to reach a node: its own settings over the inventory's; `None` for this machine."""
        own = self.nodes[node].ssh
        if own == "local" or (own is None and self.ssh == "local"):
            return None
        return self._target(SshTarget(self.nodes[node].host), own if isinstance(own, Ssh) else Ssh())

    def runtime_socket(self, load_balancer: str) -> RuntimeSocket:
        """Where HAProxy's runtime API is, with the inventory's SSH settings filled in."""
        return self._socket(self.load_balancers[load_balancer].haproxy)

    def master_socket(self, load_balancer: str) -> RuntimeSocket | None:
        """Where HAProxy's master process is asked for old workers, if the inventory says so."""
        master = self.load_balancers[load_balancer].master
        return None if master is None else self._socket(master)

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

"""HAProxy: its servers, their states and counters, and one reading of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag


class AdminState(IntFlag):
    """HAProxy's `srv_admin_state`: whose decision it is that a server takes no traffic."""

    READY = 0
    FORCED_MAINT = 1
    INHERITED_MAINT = 2
    CONFIGURED_MAINT = 4
    FORCED_DRAIN = 8
    INHERITED_DRAIN = 16
    RESOLUTION_MAINT = 32
    HOSTNAME_MAINT = 64

    @property
    def in_maintenance(self) -> bool:
        """The other two flags only remember where a state came from; HAProxy's own mask leaves them out."""
        return bool(
            self & (AdminState.FORCED_MAINT | AdminState.INHERITED_MAINT | AdminState.RESOLUTION_MAINT)
        )

    @property
    def in_drain(self) -> bool:
        return bool(self & (AdminState.FORCED_DRAIN | AdminState.INHERITED_DRAIN))

    @property
    def is_out(self) -> bool:
        return self.in_maintenance or self.in_drain

    @property
    def forced(self) -> AdminState:
        """As much of it as is set by `set server … state`: maintenance, drain or ready."""
        if AdminState.FORCED_MAINT in self:
            return AdminState.FORCED_MAINT
        return self & AdminState.FORCED_DRAIN


class OperationalState(IntEnum):
    """HAProxy's `srv_op_state`: what its checks say."""

    STOPPED = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    """Its health page answered 404 and `http-check disable-on-404` is set."""


class CheckResult(IntEnum):
    """HAProxy's `srv_check_result`: how the last check ended."""

    UNKNOWN = 0
    NEUTRAL = 1
    FAILED = 2
    PASSED = 3
    PASSED_CONDITIONALLY = 4


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """A node as one backend of one HAProxy names it."""

    load_balancer: str
    backend: str
    name: str

    @property
    def path(self) -> str:
        """`backend/server`, as the runtime API takes it."""
        return f"{self.backend}/{self.name}"

    def __str__(self) -> str:
        return f"{self.path} on {self.load_balancer}"


@dataclass(frozen=True, slots=True)
class Counters:
    """What a server answered: since HAProxy's process began, or between two moments."""

    requests: int = 0
    """Answered, with whatever status."""
    errors: int = 0
    """Of these, the ones answered 5xx."""
    broken: int = 0
    """Answers that broke off, were no HTTP, or never came."""
    refused: int = 0
    """Connections that could not be made, and every other try because of that."""
    milliseconds: float = 0.0
    """How long all answers together took to begin."""

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.requests + other.requests,
            self.errors + other.errors,
            self.broken + other.broken,
            self.refused + other.refused,
            self.milliseconds + other.milliseconds,
        )

    def __sub__(self, other: Counters) -> Counters:
        return Counters(
            self.requests - other.requests,
            self.errors - other.errors,
            self.broken - other.broken,
            self.refused - other.refused,
            self.milliseconds - other.milliseconds,
        )

    @property
    def failed(self) -> int:
        """Requests that users saw fail."""
        return self.errors + self.broken

    @property
    def asked(self) -> int:
        """Requests that were answered, or should have been."""
        return self.requests + self.broken


@dataclass(frozen=True, slots=True)
class ServerState:
    """What one reading of HAProxy's statistics says of one server.

    `status` is the word of the statistics page (`UP`, `DRAIN`, `MAINT (via b/s1)`, …). `weight` is the
    effective one, in units of the configuration. `check_health` counts passed checks, from 0 (DOWN) to
    `rise + fall - 1`.
    """

    server: Server
    address: str
    port: int
    status: str
    admin: AdminState
    operational: OperationalState
    sessions: int
    queued: int
    busy_connections: int
    weight: int
    configured_weight: int
    backup: bool
    checked: bool
    check_status: str
    check_health: int
    check_result: CheckResult
    agent_checked: bool
    tracks: str
    total_sessions: int
    old_sessions: int = 0
    """Sessions that processes of before a reload still have on it; only a master socket shows them."""
    idle_connections: int = 0
    """Connections to it that HAProxy keeps for later requests."""
    counters: Counters = Counters()
    """Since HAProxy's process began; their `milliseconds` are not known, but by `mean`."""
    mean: int = 0
    """Milliseconds until an answer began, by HAProxy's sliding average over some hundred answers."""

    @property
    def idle(self) -> bool:
        """No session, no queued request, no busy connection."""
        return self.load == 0

    @property
    def load(self) -> int:
        """Sessions on it and waiting for it; a connection that is busy without either counts as one."""
        return max(self.sessions + self.queued, self.busy_connections) + self.old_sessions

    @property
    def running(self) -> bool:
        """Its checks, if it has any, say that it is up (slow start included)."""
        return self.operational in (OperationalState.STARTING, OperationalState.RUNNING)

    @property
    def in_rotation(self) -> bool:
        """HAProxy sends it new requests."""
        out = self.admin.in_maintenance or self.admin.in_drain
        return not out and self.running and self.weight > 0


@dataclass(frozen=True, slots=True)
class Session:
    """A client that a server is busy with. `age` is in seconds."""

    server: Server
    client: str
    """Its address and port."""
    frontend: str
    age: int
    what: str = ""
    """What is known of it, such as `websocket`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one load balancer: which process answered, and its servers."""

    load_balancer: str
    version: str
    pid: int
    uptime: int
    """Seconds."""
    started: int
    """Unix time, by the load balancer's clock."""
    servers: tuple[ServerState, ...]
    queued: Mapping[str, int] = field(default_factory=dict)
    """Requests that wait until any server of a backend is free, by backend."""
    old_processes_shown: bool = False
    """Whether `old_sessions` are known."""

    @property
    def process(self) -> tuple[int, int]:
        """Which process answered. A reload or a restart makes it another one, in a container with the same
        pid; it has forgotten all that was set by the socket."""
        return self.pid, self.started

    def of(self, servers: frozenset[Server] | tuple[Server, ...]) -> tuple[ServerState, ...]:
        """The states of `servers`, in the order of the reading; those that it does not show are missing."""
        return tuple(state for state in self.servers if state.server in servers)

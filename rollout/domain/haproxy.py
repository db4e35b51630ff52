"""HAProxy: its servers, their states and counters, and one reading of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from itertools import compress
from operator import is_not
from typing import NamedTuple

TWIN = "rollout-check."
"""Begins the name of each twin; the name of its server follows."""


class AdminState(IntFlag):
    """Administrative state of a server, HAProxy's `srv_admin_state`: who decided to keep it out, and how."""

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
        """Whether the server is in maintenance.

        Two more flags of maintenance only remember where a state came from: HAProxy's own mask leaves them
        out, too.
        """
        return bool(self._value_ & _MAINTENANCE)

    @property
    def in_drain(self) -> bool:
        """Whether the server is drained by a command, or tracks one that is."""
        return bool(self._value_ & _DRAIN)

    @property
    def is_out(self) -> bool:
        """Whether the server is in maintenance or in drain."""
        return bool(self._value_ & _OUT)

    @property
    def forced(self) -> AdminState:
        """The part that `set server … state` sets: maintenance, drain or ready."""
        if AdminState.FORCED_MAINT in self:
            return AdminState.FORCED_MAINT
        return self & AdminState.FORCED_DRAIN


_MAINTENANCE = int(AdminState.FORCED_MAINT | AdminState.INHERITED_MAINT | AdminState.RESOLUTION_MAINT)
_DRAIN = int(AdminState.FORCED_DRAIN | AdminState.INHERITED_DRAIN)
_OUT = _MAINTENANCE | _DRAIN
"""Flags as plain numbers, since each look asks thousands of servers, and an operation on flags takes 1 µs."""


class OperationalState(IntEnum):
    """Operational state of a server, HAProxy's `srv_op_state`: the word of its checks."""

    STOPPED = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    """The health page answered 404, and `http-check disable-on-404` is set."""


class CheckResult(IntEnum):
    """Result of a server's last check, HAProxy's `srv_check_result`."""

    UNKNOWN = 0
    NEUTRAL = 1
    FAILED = 2
    PASSED = 3
    PASSED_CONDITIONALLY = 4


class Server(NamedTuple):
    """Name of a node in one backend of one load balancer.

    It is a tuple, since each look finds thousands of them in sets and mappings, and tuples are found fast.
    """

    load_balancer: str
    backend: str
    name: str

    @property
    def twin(self) -> Server:
        """Its twin: a second server of its address, by which HAProxy checks the way to it at once."""
        return self._replace(name=f"{TWIN}{self.name}")

    @property
    def path(self) -> str:
        """`backend/server`, as the runtime API takes it. It is unique on one load balancer."""
        return f"{self.backend}/{self.name}"

    def __str__(self) -> str:
        """`backend/server on load balancer`."""
        return f"{self.path} on {self.load_balancer}"


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts of what a server answered, or of what users got from a backend.

    They are from the time since HAProxy's process began, or from between two moments.
    """

    requests: int = 0
    """Requests that were answered, with whatever status."""
    errors: int = 0
    """Requests among `requests` that were answered 5xx."""
    broken: int = 0
    """Requests beside `requests` that got no HTTP for an answer.

    It may be below zero for a while, since HAProxy does not raise all of its counters at the same moment.
    """
    failed_connections: int = 0
    """Connections that could not be made, and the retries that followed them."""
    milliseconds: float = 0.0
    """Time until the answers began, summed over all `requests`."""
    cut: int = 0
    """Answers that broke off. HAProxy counts some of `broken` among them, depending on its version and on the
    moment at which a server went away."""
    timed: int = 0
    """Requests among `requests` whose time is known one by one, from HAProxy's log."""
    over_p95: int = 0
    """Requests among `timed` that took much longer than 95 % of the old release's."""
    over_p99: int = 0
    """Requests among `timed` that took much longer than 99 % of the old release's."""

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.requests + other.requests,
            self.errors + other.errors,
            self.broken + other.broken,
            self.failed_connections + other.failed_connections,
            self.milliseconds + other.milliseconds,
            self.cut + other.cut,
            self.timed + other.timed,
            self.over_p95 + other.over_p95,
            self.over_p99 + other.over_p99,
        )

    def __sub__(self, other: Counters) -> Counters:
        return Counters(
            self.requests - other.requests,
            self.errors - other.errors,
            self.broken - other.broken,
            self.failed_connections - other.failed_connections,
            self.milliseconds - other.milliseconds,
            self.cut - other.cut,
            self.timed - other.timed,
            self.over_p95 - other.over_p95,
            self.over_p99 - other.over_p99,
        )

    @property
    def failed(self) -> int:
        """Requests that users saw fail."""
        return self.errors + max(0, self.broken, self.cut)

    @property
    def asked(self) -> int:
        """Requests that were answered, or should have been."""
        return self.requests + max(0, self.broken)


_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound to it


@dataclass(frozen=True, slots=True)
class ServerState:
    """State of one server, as one reading of HAProxy's statistics shows it."""

    server: Server
    address: str
    port: int
    status: str
    """The word of the statistics page: `UP`, `DRAIN`, `MAINT (via b/s1)`, …"""
    admin: AdminState
    operational: OperationalState
    sessions: int
    """Sessions that run now."""
    queued: int
    """Requests that wait for this server."""
    busy_connections: int
    """Connections to the server that are in use, with or without a session."""
    weight: int
    """Effective weight, in units of the configuration."""
    configured_weight: int
    """Weight in the configuration: a reload sets it again."""
    backup: bool
    checked: bool
    """Whether HAProxy checks it now: a check is configured, and nobody has disabled it."""
    check_status: str
    """Result of the last check in HAProxy's words, such as `L7OK`."""
    check_health: int
    """Passed checks, from 0 (DOWN) to `rise + fall - 1`."""
    check_result: CheckResult
    agent_checked: bool
    """Whether HAProxy asks its agent now (`agent-check`), whose word can change its state and weight."""
    tracks: str
    """`backend/server` of the server whose state it follows; empty if it follows none."""
    total_sessions: int
    """Sessions since HAProxy's process began."""
    old_sessions: int = 0
    """Sessions that processes from before a reload still have on it; only a master socket shows them."""
    idle_connections: int = 0
    """Connections to it that HAProxy keeps for later requests."""
    counters: Counters = Counters()
    """Counts since HAProxy's process began. `milliseconds` is 0: HAProxy shows only `mean`."""
    mean: int = 0
    """Milliseconds until an answer began, by HAProxy's sliding average over 512 answers."""
    hostname: str = ""
    """Host name that HAProxy has for it (`srv_fqdn`); empty for one that is configured by its address."""
    srv_record: str = ""
    """SRV record that HAProxy fills it from; empty for none."""
    check_disabled: bool = False
    """Whether somebody has disabled its check (`disable health`)."""
    agent_disabled: bool = False
    """Whether its agent is disabled: by somebody, or by rollout while its node is out."""
    check_address: str = ""
    """Address that is checked in place of its own; empty for its own."""
    check_port: int = 0
    """Port that is checked in place of its own; 0 for its own."""
    tls: bool = False
    """Whether HAProxy encrypts its traffic."""
    failed_checks: int = 0
    """Checks that failed while it was up, since HAProxy's process began."""

    @property
    def idle(self) -> bool:
        """Whether there is no session, no queued request and no busy connection."""
        return self.load == 0

    @property
    def load(self) -> int:
        """Sessions that run or wait; a connection that is busy without either counts as one."""
        return max(self.sessions + self.queued, self.busy_connections) + self.old_sessions

    @property
    def running(self) -> bool:
        """Whether it is up by its checks, slow start included. A server without checks is."""
        return self.operational in (OperationalState.STARTING, OperationalState.RUNNING)

    @property
    def in_rotation(self) -> bool:
        """Whether HAProxy sends it new requests."""
        return not self.admin.is_out and self.running and self.weight > 0

    @property
    def found_down(self) -> bool:
        """Whether HAProxy's check finds it down; in maintenance, whether it did before."""
        if self.admin.in_maintenance:
            return self.check_result is CheckResult.FAILED
        return not self.running

    @property
    def is_empty_slot(self) -> bool:
        """Whether it is a place for a server, with no address: of a `server-template` that has more of them
        than the resolver has addresses, or disabled at 0.0.0.0 until somebody sets its address.

        A server at a UNIX socket shows no address either, but is not in maintenance because of that.
        """
        unresolved = self.address == "-" and AdminState.RESOLUTION_MAINT in self.admin
        return unresolved or (self.address in _ANY_ADDRESS and self.admin.in_maintenance)


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """One answer of a server, from HAProxy's log."""

    server: Server
    milliseconds: int
    """Time to connect and until the answer began, without the time that the request waited in HAProxy."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What HAProxy logged to a ring in its memory since the last look."""

    ring: str
    """Name of the ring."""
    size: int
    """Bytes that had to be read."""
    lines: int
    """New lines in it."""
    answers: tuple[TimedAnswer, ...]
    """The answers in these lines, or in a fair sample of them."""

    @property
    def unreadable(self) -> bool:
        """Whether its lines say nothing: their format is unknown."""
        return self.lines > 0 and not self.answers


@dataclass(frozen=True, slots=True)
class Session:
    """A client that keeps a session on a server."""

    server: Server
    client: str
    """Address and port of the client."""
    frontend: str
    age: int
    """Seconds."""
    what: str = ""
    """What the session does, such as `websocket`; empty if that is not known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one load balancer: the process that answered, and the states of its servers."""

    load_balancer: str
    version: str
    """HAProxy's, such as `2.6.12-1+deb12u2`."""
    pid: int
    uptime: int
    """Seconds."""
    started: int
    """Unix time, by the load balancer's clock."""
    servers: tuple[ServerState, ...]
    queued: Mapping[str, int] = field(default_factory=dict)
    """Requests that wait until any server of a backend is free, by backend."""
    answered: Mapping[str, Counters] = field(default_factory=dict)
    """What users got from each backend since HAProxy's process began, HAProxy's own answers included."""
    old_processes_shown: bool = False
    """Whether `old_sessions` are known, which takes a master socket."""
    of_everything: bool = False
    """Whether it shows all backends that there are."""
    twins: tuple[ServerState, ...] = ()
    """The twins of servers. They take no traffic, and are in `servers` of no reading."""
    only: frozenset[Server] | None = None
    """The servers that it shows, where it shows no others of their backends."""

    @property
    def process(self) -> tuple[int, int]:
        """The process that answered: its pid, and Unix time of its start.

        A reload or a restart makes it another one, in a container with the same pid. A new process has
        forgotten all that was set by the socket.
        """
        return self.pid, self.started

    def changed(self, last: Reading | None) -> Iterable[ServerState]:
        """The states that are not as in the `last` reading of the load balancer: those that are were not made
        anew. All of them where another process, or other servers, were shown."""
        same = last is not None and last.process == self.process and len(last.servers) == len(self.servers)
        if last is None or not same:
            return self.servers
        return compress(self.servers, map(is_not, self.servers, last.servers))

    def of(self, servers: Iterable[Server]) -> tuple[ServerState, ...]:
        """The states of `servers`, in the order of the reading; a server that it does not show is missing."""
        wanted = frozenset(servers)
        return tuple(state for state in self.servers if state.server in wanted)

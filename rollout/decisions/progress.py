"""The state of a deployment and of each of its nodes, as values. `fold.py` makes them from events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import product

from rollout.decisions.node_map import NodeMap
from rollout.domain import AdminState, Outcome, Server, ServerBefore, Step
from rollout.events import Probed, Sampled, Served, ServerNoted, StepFailed, UsersSaw, Warned
from rollout.masks import kept_as

TOUCHING = frozenset({Step.RELEASE, Step.RESTART})
"""The steps that can change what a node runs, as soon as one of them begins."""

_LASTING = frozenset({Step.PREPARE, *TOUCHING})
"""The steps whose result lasts. The others prove a state, which may have changed since."""


class Phase(StrEnum):
    """The progress of a node."""

    WAITING = "waiting"
    """Its turn has not come; it may have been prepared."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class NodeProgress:
    """The state of one node in one deployment. Times are Unix time, durations seconds."""

    name: str
    phase: Phase = Phase.WAITING
    servers: tuple[ServerNoted, ...] = ()
    """The node's servers as they were before anything was touched."""
    previous_release: str | None = None
    started: float | None = None
    """When the node's turn came; preparing does not count."""
    seconds: float | None = None
    """From the start of the node's turn until it was done."""
    touched: bool = False
    """Whether the node may no longer run what it ran before."""
    step: Step | None = None
    """The step that is running, or ran last; `None` while a hook runs."""
    step_started: float | None = None
    step_seconds: Mapping[Step, float] = field(default_factory=dict)
    """How long each finished step took, in the order in which they finished."""
    detail: str = ""
    """The latest news of the step: what it waits for, or the last line that it printed."""
    sessions: int | None = None
    """Sessions left over all load balancers, while the step waits for them."""
    back: bool = False
    """Whether it was put back and proved since it left, and nothing has been sent to take it out again."""
    proved: bool = False
    """Whether it has ended its turn in rotation at any time, with what the deployment put on it."""
    failure: StepFailed | None = None
    left_out: bool | None = None
    """Whether the node failed and was left out of rotation; `None` while nobody knows."""
    forgotten_by: tuple[str, ...] = ()
    """The load balancers whose reload or restart puts the node back, although it was left out."""

    @property
    def in_doubt(self) -> bool:
        """Whether the node's turn began and nobody recorded its end: it may take no traffic."""
        begun = self.started is not None and self.phase in (Phase.RUNNING, Phase.FAILED)
        return begun and self.left_out is None and not self.back

    @property
    def fell(self) -> bool:
        """Whether it was put back, and a health check took it out of rotation again."""
        return self.failure is not None and self.failure.fell

    @property
    def settled(self) -> frozenset[Step]:
        """The steps that a resumed deployment need not repeat on this node.

        Those that finished, if the node was interrupted; none if it failed, because the cause may lie in any
        of them.
        """
        interrupted = self.failure is None or self.failure.unknown
        return frozenset(self.step_seconds) & _LASTING if interrupted else frozenset()

    def server_before(self, server: Server) -> ServerBefore | None:
        """How one of the node's servers was before anything was touched; `None` if nobody noted it."""
        for backend, name in product(kept_as(server.backend), kept_as(server.name)):
            if note := self._notes.get((server.load_balancer, backend, name)):
                return ServerBefore(
                    AdminState(note.admin), note.weight, note.warmup, note.standing, note.agent
                )
        return None

    @cached_property  # for which the class has no slots
    def _notes(self) -> Mapping[tuple[str, str, str], ServerNoted]:
        return {(note.load_balancer, note.backend, note.server): note for note in self.servers}


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a deployment that has ended: the first one, or one by `resume`."""

    outcome: Outcome | None
    """`None` if nobody recorded its end."""
    seconds: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one deployment. Times are Unix time, durations seconds.

    A deployment that was killed stays `running` here: the caller finds out by the lock's `epoch` whether its
    process is still alive.
    """

    deployment: int = 0
    started: float | None = None
    service: str = ""
    release: str | None = None
    """`None` is a rolling restart."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """The release of each node that gets a release other than `release`."""
    rollback_of: int | None = None
    """The deployment that this one takes back; 0 where none was known."""
    on_failure: str = "halt"
    on_judged: str = "halt"
    load_balancers: tuple[str, ...] = ()
    balanced: bool = True
    """Whether a load balancer sends requests to the nodes, even one that is not listed."""
    window: int = 1
    canary: int = 0
    waves: tuple[int, ...] = ()
    inventory: str = ""
    user: str = ""
    host: str = ""
    pid: int = 0
    epoch: int = 0
    """The epoch of the lock in which it is carried out; 0 for a deployment by an older rollout."""
    nodes: Mapping[str, NodeProgress] = field(default_factory=dict)
    """In the order in which they are rolled; the skipped ones come last."""
    warnings: tuple[Warned, ...] = ()
    halted: str | None = None
    gave_up: bool = False
    """Whether failures halted it, and not a person."""
    judged: bool = False
    """Whether it was halted because users got worse answers."""
    paused: str = ""
    """Why it is paused; empty while it is not."""
    pauses: tuple[tuple[float, float | None], ...] = ()
    """The beginning and the end of each pause; that of the present one is `None`."""
    bake: float | None = None
    """Seconds for which each node bakes; `None` if nobody noted it."""
    so_far: Sampled | None = None
    """What users got until now."""
    served: tuple[Served, ...] = ()
    users_saw: UsersSaw | None = None
    probed: Probed | None = None
    job: str = ""
    """Address of the CI job that carries it out; empty where none is known."""
    first_failure: str = ""
    """The first failure of any node in any try, in words; empty while there was none."""
    earlier: tuple[Try, ...] = ()
    """The tries before this one."""
    begun: float | None = None
    """When the last try began."""
    ended: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    seconds: float | None = None
    """How long the last try took; `took` has all tries."""

    @property
    def tries(self) -> int:
        """How many tries there were, this one included."""
        return len(self.earlier) + 1

    @property
    def took(self) -> float | None:
        """Seconds that all tries took together, as far as their ends are known; `None` if none is."""
        known = [each.seconds for each in self.earlier if each.seconds is not None]
        known += [] if self.seconds is None else [self.seconds]
        return sum(known) if known else None

    @property
    def running(self) -> bool:
        """Whether the deployment was started and has no outcome yet."""
        return self.started is not None and self.outcome is None

    def names(self, phase: Phase) -> tuple[str, ...]:
        """The nodes in `phase`, in order."""
        return tuple(node.name for node in self.nodes.values() if node.phase is phase)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The nodes that were to be rolled and are not done, in order."""
        ended = (Phase.DONE, Phase.SKIPPED)
        return tuple(node.name for node in self.nodes.values() if node.phase not in ended)

    @property
    def done(self) -> int:
        """How many nodes are done."""
        return NodeMap.of(self.nodes).count(Phase.DONE)

    @property
    def failed(self) -> int:
        """How many nodes failed."""
        return NodeMap.of(self.nodes).count(Phase.FAILED)

    @property
    def total(self) -> int:
        """How many nodes are to be rolled; the skipped ones are not."""
        return len(self.nodes) - NodeMap.of(self.nodes).count(Phase.SKIPPED)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The nodes that failed and take no traffic, in order."""
        return tuple(node.name for node in self.nodes.values() if node.left_out)

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """The nodes whose turn began and whose end nobody recorded, in order: they may take no traffic."""
        return tuple(node.name for node in self.nodes.values() if node.in_doubt)

    @property
    def maybe_out(self) -> tuple[str, ...]:
        """The nodes that take no traffic, then those that may take none."""
        return (*self.left_out, *self.in_doubt)

    @property
    def touched(self) -> tuple[str, ...]:
        """The nodes that may no longer run what they ran before, those that may be out first."""
        out = {*self.maybe_out, *self.fallen}
        touched = [node.name for node in self.nodes.values() if node.touched]
        return tuple(sorted(touched, key=lambda name: name not in out))

    @property
    def fallen(self) -> tuple[str, ...]:
        """The nodes that were put back, and that a health check took out of rotation again, in order."""
        return tuple(node.name for node in self.nodes.values() if node.fell)

    @property
    def to_be_rolled_back(self) -> bool:
        """Whether the deployment failed and its inventory asks for a rollback in that case."""
        wanted = self.on_judged if self.judged else self.on_failure
        failed = self.outcome is Outcome.FAILED and self.gave_up and wanted == "rollback"
        return failed and self.release is not None and bool(self.touched)

    def release_of(self, node: str) -> str | None:
        """The release that `node` gets; `None` is a restart."""
        return self.releases.get(node, self.release)

    def seconds_left(self, now: float) -> float | None:
        """An estimate from the nodes that are done; `None` until the first one is. It stands still during a
        pause."""
        taken = [
            node.seconds
            - (self._paused_within(node.started, node.started + node.seconds) if node.started else 0.0)
            for node in self.nodes.values()
            if node.seconds is not None
        ]
        if not taken:
            return None
        usual = sum(taken) / len(taken)
        left = [
            usual if node.started is None else max(0.0, usual - self._worked(node.started, now))
            for node in self.nodes.values()
            if node.phase is Phase.RUNNING or (node.phase is Phase.WAITING and self.halted is None)
        ]
        return sum(left) / min(self.window, len(left)) if left else 0.0

    def _worked(self, since: float, now: float) -> float:
        """Seconds since then without the pauses."""
        return now - since - self._paused_within(since, now)

    def _paused_within(self, start: float, end: float) -> float:
        """Seconds of pauses between two times."""
        ends = ((begun, end if over is None else over) for begun, over in self.pauses)
        return sum(max(0.0, min(over, end) - max(begun, start)) for begun, over in ends)

"""What happened to a deployment and to each of its nodes: the one fold over its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from rollout.domain import AdminState, Outcome, Server, ServerBefore, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Halted,
    HookPrinted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OutputSeen,
    Paused,
    Probed,
    Progressed,
    Record,
    ReleaseNoted,
    Served,
    ServerNoted,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
    WentOn,
)

_TOUCHING = frozenset({Step.RELEASE, Step.RESTART})
"""Once one of them began, the node may no longer run what it ran."""

_LASTING = frozenset({Step.PREPARE, *_TOUCHING})
"""What a finished step did stays done; the others prove a state, which may have changed since."""


class Phase(StrEnum):
    """How far a node is."""

    WAITING = "waiting"
    """Its turn has not come; it may have been prepared."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """What happened to one node. Times are Unix time, durations seconds."""

    name: str
    phase: Phase = Phase.WAITING
    servers: tuple[ServerNoted, ...] = ()
    """As they were before anything was touched."""
    previous_release: str | None = None
    started: float | None = None
    """When its turn came; preparing does not count."""
    seconds: float | None = None
    """From the start of its turn until it was done."""
    touched: bool = False
    """It may no longer run what it ran before."""
    step: Step | None = None
    """The one that runs, or ran last; `None` while a hook does."""
    step_started: float | None = None
    step_seconds: Mapping[Step, float] = field(default_factory=dict)
    """How long each finished step took, in the order in which they finished."""
    detail: str = ""
    """What was last said of the step: what it waits for, or the last line that it printed."""
    sessions: int | None = None
    """Left over all load balancers, while that is waited for."""
    failure: StepFailed | None = None
    left_out: bool | None = None
    """It failed, and takes no traffic until it is put back by hand; `None` while that is not known."""

    @property
    def settled(self) -> frozenset[Step]:
        """The steps that need not be done again to take the node up where it stands.

        Of a node that was interrupted, those that finished; of one that failed, none: what made it fail may
        lie in any of them.
        """
        interrupted = self.failure is None or self.failure.unknown
        return frozenset(self.step_seconds) & _LASTING if interrupted else frozenset()

    def found(self, server: Server) -> ServerBefore | None:
        """How one of its servers was noted; `None` for one that was not."""
        for note in self.servers:
            if note.is_of(server):
                return ServerBefore(AdminState(note.admin), note.weight, note.warmup)
        return None

    def begun(self, step: Step, time: float) -> NodeProgress:
        started = self.started if self.started is not None or step is Step.PREPARE else time
        order = list(Step)
        earlier = {
            done: took for done, took in self.step_seconds.items() if order.index(done) < order.index(step)
        }
        return replace(
            self,
            step_seconds=earlier,
            phase=Phase.RUNNING,
            started=started,
            touched=self.touched or step in _TOUCHING,
            step=step,
            step_started=time,
            detail="",
            sessions=None,
            failure=None,
        )

    def finished(self, event: StepFinished) -> NodeProgress:
        return replace(
            self,
            phase=Phase.WAITING if event.step is Step.PREPARE else Phase.RUNNING,
            step_seconds={**self.step_seconds, event.step: event.seconds},
            detail=event.detail,
            sessions=None,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """What happened to one deployment. Times are Unix time, durations seconds.

    A deployment that was killed looks `running` for ever: whether its process still lives is for others
    to find out, by `host` and `pid`.
    """

    deployment: int = 0
    started: float | None = None
    service: str = ""
    release: str | None = None
    """`None` is a rolling restart."""
    releases: Mapping[str, str] = field(default_factory=dict)
    """What a node gets where that is not `release`."""
    rollback_of: int | None = None
    """The deployment that it takes back."""
    on_failure: str = "halt"
    on_judged: str = "halt"
    load_balancers: tuple[str, ...] = ()
    balanced: bool = True
    """Some load balancer sends requests to the nodes, be it one that is not listed."""
    window: int = 1
    canary: int = 0
    waves: tuple[int, ...] = ()
    inventory: str = ""
    user: str = ""
    host: str = ""
    pid: int = 0
    nodes: Mapping[str, NodeProgress] = field(default_factory=dict)
    """In the order in which they are rolled; the skipped ones come last."""
    warnings: tuple[Warned, ...] = ()
    halted: str | None = None
    gave_up: bool = False
    """It was halted by failures, and not because somebody asked."""
    judged: bool = False
    """It was halted because users got worse answers."""
    paused: str = ""
    """What it waits for; empty while it does not."""
    served: tuple[Served, ...] = ()
    probed: Probed | None = None
    outcome: Outcome | None = None
    reason: str = ""
    seconds: float | None = None

    @classmethod
    def fold(cls, records: Iterable[Record]) -> Progress:
        """The progress after all `records` of one deployment, in order."""
        progress = cls()
        for record in records:
            progress = progress.after(record)
        return progress

    @property
    def running(self) -> bool:
        """It was started, and nothing says that it ended."""
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
        return len(self.names(Phase.DONE))

    @property
    def failed(self) -> int:
        return len(self.names(Phase.FAILED))

    @property
    def total(self) -> int:
        """How many nodes are to be rolled; the skipped ones are not."""
        return len(self.nodes) - len(self.names(Phase.SKIPPED))

    @property
    def left_out(self) -> tuple[str, ...]:
        """The nodes that failed and take no traffic, in order."""
        return tuple(node.name for node in self.nodes.values() if node.left_out)

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """The nodes whose turn began and whose end was not told, in order: they may take no traffic."""
        return tuple(
            node.name
            for node in self.nodes.values()
            if node.started is not None
            and node.left_out is None
            and node.phase in (Phase.RUNNING, Phase.FAILED)
        )

    @property
    def touched(self) -> tuple[str, ...]:
        """The nodes that may no longer run what they ran before: those that take no traffic first."""
        out = (*self.left_out, *self.in_doubt)
        touched = [node.name for node in self.nodes.values() if node.touched]
        return tuple(sorted(touched, key=lambda name: name not in out))

    @property
    def to_be_rolled_back(self) -> bool:
        """It failed, and its inventory asks for a rollback then."""
        wanted = self.on_judged if self.judged else self.on_failure
        failed = self.outcome is Outcome.FAILED and self.gave_up and wanted == "rollback"
        return failed and self.release is not None and bool(self.touched)

    def release_of(self, node: str) -> str | None:
        """What `node` gets; `None` is a restart."""
        return self.releases.get(node, self.release)

    def seconds_left(self, now: float) -> float | None:
        """A guess from the nodes that are done; `None` while there is none to judge by."""
        taken = [node.seconds for node in self.nodes.values() if node.seconds is not None]
        if not taken:
            return None
        usual = sum(taken) / len(taken)
        left = [
            max(0.0, usual - (now - node.started)) if node.started is not None else usual
            for node in self.nodes.values()
            if node.phase is Phase.RUNNING or (node.phase is Phase.WAITING and self.halted is None)
        ]
        return sum(left) / min(self.window, len(left)) if left else 0.0

    def after(self, record: Record) -> Progress:
        """The progress once `record` is known, too."""
        match record.event:
            case DeploymentStarted() as event:
                return self._begun(record, event)
            case DeploymentResumed() as event:
                return self._resumed(event)
            case ServerNoted(node=name) as event:
                return self._with(name, servers=(*self._node(name).servers, event))
            case ReleaseNoted(node=name, release=release):
                return self._with(name, previous_release=release)
            case StepStarted(node=name, step=step):
                return self._set(self._node(name).begun(step, record.time))
            case Progressed(node=name, detail=detail, sessions=sessions):
                return self._with(name, detail=detail, sessions=sessions)
            case OutputSeen(node=name, text=text):
                return self._with(name, detail=text)
            case HookStarted(node=str(name), hook=hook):
                return self._with(name, phase=Phase.RUNNING, step=None, step_started=record.time, detail=hook)
            case HookPrinted(node=str(name), text=text):
                return self._with(name, detail=text)
            case StepFinished(node=name) as event:
                return self._set(self._node(name).finished(event))
            case StepFailed(node=name, step=step) as event:
                return self._with(name, phase=Phase.FAILED, step=step, failure=event, sessions=None)
            case NodeFinished(node=name, seconds=seconds):
                return self._with(name, phase=Phase.DONE, seconds=seconds, left_out=False)
            case NodeFailed(node=name, left_out=left_out):
                return self._with(name, phase=Phase.FAILED, left_out=left_out)
            case NodeReturned(node=name):
                return self._with(name, left_out=False)
            case Warned() as event:
                return replace(self, warnings=(*self.warnings, event))
            case Halted(reason=reason, gave_up=gave_up, judged=judged):
                return replace(self, halted=reason, gave_up=gave_up, judged=judged)
            case Paused(reason=reason):
                return replace(self, paused=reason)
            case WentOn():
                return replace(self, paused="")
            case Served() as event:
                return replace(self, served=(*self.served, event))
            case Probed() as event:
                return replace(self, probed=event)
            case DeploymentFinished(outcome=outcome, seconds=seconds, reason=reason):
                return replace(self, outcome=outcome, seconds=seconds, reason=reason, paused="")
        return self

    def _begun(self, record: Record, event: DeploymentStarted) -> Progress:
        nodes = {name: self._node(name) for name in event.nodes}
        skipped = {name: replace(self._node(name), phase=Phase.SKIPPED) for name in event.skipped}
        return replace(
            self,
            deployment=record.deployment,
            started=record.time,
            service=event.service,
            release=event.release,
            releases=event.releases,
            rollback_of=event.rollback_of,
            on_failure=event.on_failure,
            on_judged=event.on_judged,
            load_balancers=event.load_balancers,
            balanced=event.balanced,
            window=event.window,
            canary=event.canary,
            waves=event.waves,
            inventory=event.inventory,
            user=event.user,
            host=event.host,
            pid=event.pid,
            nodes=nodes | skipped,
        )

    def _resumed(self, event: DeploymentResumed) -> Progress:
        phases = {**dict.fromkeys(event.nodes, Phase.WAITING), **dict.fromkeys(event.skipped, Phase.SKIPPED)}
        again = {
            name: replace(
                node,
                phase=phases[name],
                started=None,
                # What may be out stays known as out until it is told to be in.
                left_out=True if node.left_out or name in self.in_doubt else None,
                failure=None,
                detail="",
            )
            for name, node in self.nodes.items()
            if name in phases
        }
        return replace(
            self,
            user=event.user,
            host=event.host,
            pid=event.pid,
            nodes={**self.nodes, **again},
            halted=None,
            gave_up=False,
            judged=False,
            paused="",
            served=(),
            probed=None,
            outcome=None,
            reason="",
            seconds=None,
        )

    def _node(self, name: str) -> NodeProgress:
        return self.nodes.get(name) or NodeProgress(name)

    def _set(self, node: NodeProgress) -> Progress:
        return replace(self, nodes={**self.nodes, node.name: node})

    def _with(self, name: str, **changes: Any) -> Progress:
        return self._set(replace(self._node(name), **changes))

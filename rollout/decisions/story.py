"""The story of a deployment: all that its journal knows, in the order in which people ask for it.

Nothing of an earlier try is overwritten by a later one. `telling.py` makes a story from events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.decisions.progress import Progress
from rollout.decisions.waits import Wait
from rollout.domain import Outcome, Step
from rollout.events import (
    CapacityPlanned,
    DeploymentStarted,
    Halted,
    Judged,
    NodeFailed,
    NodeFinished,
    OpinionHeard,
    Paused,
    Probed,
    Sampled,
    Served,
    ServerNoted,
    StepFailed,
    UsersSaw,
    Warned,
    WentOn,
)


@dataclass(frozen=True, slots=True)
class Command:
    """A line that was sent, at a Unix time, and what it printed."""

    time: float
    target: str
    """Name of the node or load balancer that got it."""
    line: str
    printed: tuple[str, ...] = ()
    """The lines that this machine has of its output."""


@dataclass(frozen=True, slots=True)
class StepStory:
    """One step of one node in one try. Times are Unix time."""

    step: Step
    began: float
    seconds: float | None
    """`None` if nobody recorded its end."""
    detail: str = ""
    failure: StepFailed | None = None
    commands: tuple[Command, ...] = ()
    waits: tuple[Wait, ...] = ()
    """Longest first."""
    opinions: tuple[OpinionHeard, ...] = ()
    lasted: bool = True
    """Whether it was tried: a guard sends commands in the name of a step that never began."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, at a Unix time."""

    time: float
    event: Halted | Paused | WentOn | Warned | Judged


@dataclass(frozen=True, slots=True)
class HookStory:
    """A hook of a node or of the deployment."""

    hook: str
    command: Command
    seconds: float | None
    """`None` if nobody recorded its end."""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class NodeTry:
    """What one try did to one node."""

    number: int
    """That of the try, counted from 1."""
    steps: tuple[StepStory, ...]
    """In the order in which they began."""
    hooks: tuple[HookStory, ...]
    end: NodeFinished | NodeFailed | None
    """`None` if nobody recorded its end."""
    ended: float | None
    warnings: tuple[Moment, ...]

    @property
    def began(self) -> float | None:
        """When the node's turn began; preparing does not count. `None` if it did not."""
        turn = [step.began for step in self.steps if step.step is not Step.PREPARE]
        return min(turn, default=None)

    @property
    def failure(self) -> StepFailed | None:
        """The step that failed last; `None` if none did."""
        return next((step.failure for step in reversed(self.steps) if step.failure), None)


@dataclass(frozen=True, slots=True)
class NodeStory:
    """One node in one deployment."""

    name: str
    release: str | None
    """The release that it gets; `None` is a restart."""
    release_before: str | None
    """The release that it ran before; `None` if that is unknown."""
    skipped: bool
    servers: tuple[ServerNoted, ...]
    """Its servers as they were before anything was touched."""
    tries: tuple[NodeTry, ...]
    """Those that did something to it."""
    returned: float | None
    """When somebody brought it back by hand."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What users, load balancers and the probe showed at a Unix time, since the try began."""

    time: float
    seen: Sampled


@dataclass(frozen=True, slots=True)
class TryStory:
    """One try of a deployment: the first one, or one by `resume`."""

    number: int
    """Counted from 1."""
    began: float
    user: str
    host: str
    job: str
    pid: int
    nodes: tuple[str, ...]
    """In the order in which they were to be rolled."""
    skipped: tuple[str, ...]
    capacity: tuple[CapacityPlanned, ...]
    moments: tuple[Moment, ...]
    """What happened to the deployment as a whole, in order."""
    served: tuple[Served, ...]
    users_saw: UsersSaw | None
    probed: Probed | None
    samples: tuple[Sample, ...]
    last: float
    """When something was recorded last."""
    outcome: Outcome | None
    """`None` if nobody recorded its end."""
    seconds: float | None
    reason: str

    @property
    def judged(self) -> tuple[Judged, ...]:
        """The verdicts, in order."""
        return tuple(moment.event for moment in self.moments if isinstance(moment.event, Judged))


@dataclass(frozen=True, slots=True)
class Story:
    """One deployment, from its plan to its end."""

    plan: DeploymentStarted
    progress: Progress
    """Where it stands after all that happened."""
    tries: tuple[TryStory, ...]
    nodes: Mapping[str, NodeStory]
    """In the order in which they are rolled; the skipped ones come last."""
    hooks: tuple[HookStory, ...]
    """Those of the deployment as a whole."""

    @property
    def seconds(self) -> float:
        """Seconds that all tries took, up to the last event where the end of one is unknown."""
        return sum(each.last - each.began if each.seconds is None else each.seconds for each in self.tries)

    @property
    def warnings(self) -> Iterator[Moment]:
        """All warnings, of the deployment and of its nodes."""
        for each in self.tries:
            yield from (moment for moment in each.moments if isinstance(moment.event, Warned))
        for node in self.nodes.values():
            for one in node.tries:
                yield from one.warnings

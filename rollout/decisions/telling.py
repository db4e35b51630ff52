"""The fold of a deployment's events into its story. It is pure: records in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from rollout.decisions.fold import fold
from rollout.decisions.progress import Phase
from rollout.decisions.story import (
    Command,
    HookStory,
    Moment,
    NodeStory,
    NodeTry,
    Sample,
    StepStory,
    Story,
    TryStory,
)
from rollout.decisions.waits import Wait, Waits
from rollout.domain import Step
from rollout.events import (
    CapacityPlanned,
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    Halted,
    HookEnded,
    HookPrinted,
    HookStarted,
    Judged,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OpinionHeard,
    OutputSeen,
    Paused,
    Probed,
    Progressed,
    Record,
    Sampled,
    Served,
    StepFailed,
    StepFinished,
    StepStarted,
    UsersSaw,
    Waited,
    Warned,
    WentOn,
)

E = TypeVar("E", bound=Event)


def tell(facts: Sequence[Record], printed: Iterable[Record] = ()) -> Story:
    """The story of one deployment by all of its facts, and by what this machine has of what its commands
    printed. Raises ValueError if the facts do not begin with a plan."""
    if not facts or not isinstance(plan := facts[0].event, DeploymentStarted):
        raise ValueError("the facts of a deployment begin with its plan")
    progress = fold(facts)
    records = sorted([*facts, *printed], key=lambda record: record.sequence)
    tries = [*enumerate(_split(records), 1)]
    by_node = [(number, _by_node(records)) for number, records in tries]
    nodes = {
        name: NodeStory(
            name,
            release=progress.release_of(name),
            release_before=node.previous_release,
            skipped=node.phase is Phase.SKIPPED,
            servers=node.servers,
            tries=tuple(_node_tries(name, by_node)),
            returned=_last_time(facts, name),
        )
        for name, node in progress.nodes.items()
    }
    hooks = tuple(hook for _, records in by_node for hook in _hooks(records.get(None, ())))
    return Story(plan, progress, tuple(_try(number, records) for number, records in tries), nodes, hooks)


def _split(records: Sequence[Record]) -> Iterable[Sequence[Record]]:
    """The records of each try."""
    starts = [at for at, record in enumerate(records) if isinstance(record.event, DeploymentResumed)]
    for begin, end in zip([0, *starts], [*starts, len(records)], strict=True):
        yield records[begin:end]


def _by_node(records: Iterable[Record]) -> Mapping[str | None, Sequence[Record]]:
    """The records by the node that they are about; those of `None` are about the deployment as a whole."""
    groups: dict[str | None, list[Record]] = {}
    for record in records:
        groups.setdefault(getattr(record.event, "node", None), []).append(record)
    return groups


def _events(records: Iterable[Record], kind: type[E]) -> tuple[E, ...]:
    return tuple(record.event for record in records if isinstance(record.event, kind))


def _last_time(records: Iterable[Record], name: str) -> float | None:
    """When somebody brought a node back by hand."""
    back = [record.time for record in records if record.event == NodeReturned(name)]
    return max(back, default=None)


def _try(number: int, records: Sequence[Record]) -> TryStory:
    begin = records[0].event
    assert isinstance(begin, DeploymentStarted | DeploymentResumed)  # noqa: S101 - `_split` cuts there
    finished = _events(records, DeploymentFinished)
    end = finished[-1] if finished else None
    moments = (
        Moment(record.time, event)
        for record in records
        if isinstance(event := record.event, Halted | Paused | WentOn | Judged)
        or (isinstance(event, Warned) and event.node is None)
    )
    return TryStory(
        number=number,
        began=records[0].time,
        user=begin.user,
        host=begin.host,
        job=begin.job,
        pid=begin.pid,
        nodes=begin.nodes,
        skipped=begin.skipped,
        capacity=_events(records, CapacityPlanned),
        moments=tuple(moments),
        served=_events(records, Served),
        users_saw=next(iter(_events(records, UsersSaw)), None),
        probed=next(iter(_events(records, Probed)), None),
        samples=tuple(
            Sample(record.time, record.event) for record in records if isinstance(record.event, Sampled)
        ),
        last=max(record.time for record in records if not isinstance(record.event, NodeReturned)),
        outcome=None if end is None else end.outcome,
        seconds=None if end is None else end.seconds,
        reason=end.reason if end else "",
    )


def _node_tries(
    name: str, tries: Iterable[tuple[int, Mapping[str | None, Sequence[Record]]]]
) -> Iterable[NodeTry]:
    for number, records in tries:
        own = records.get(name, ())
        steps, hooks = _steps(own), tuple(_hooks(own))
        warnings = tuple(
            Moment(record.time, record.event) for record in own if isinstance(record.event, Warned)
        )
        if not (steps or hooks or warnings):
            continue
        ends = [record for record in own if isinstance(record.event, NodeFinished | NodeFailed)]
        end = ends[-1].event if ends else None
        assert end is None or isinstance(end, NodeFinished | NodeFailed)  # noqa: S101 - just selected
        yield NodeTry(number, steps, hooks, end, ends[-1].time if ends else None, warnings)


def _steps(records: Iterable[Record]) -> tuple[StepStory, ...]:
    """The steps of one node in one try."""
    steps: list[_Step] = []
    last: dict[Step, _Step] = {}
    for record in records:
        event = record.event
        match event:
            case StepStarted(step=step):
                last[step] = _Step(step, record.time, lasted=True)
                steps.append(last[step])
            case (
                CommandSent(step=step)
                | OutputSeen(step=step)
                | Progressed(step=step)
                | Waited(step=step)
                | StepFinished(step=step)
                | StepFailed(step=step)
            ):
                # A guard sends commands for a step that has ended, or never began.
                if step not in last:
                    last[step] = _Step(step, record.time, lasted=False)
                    steps.append(last[step])
                last[step].take(event, record.time)
            case OpinionHeard() if Step.BAKE in last:
                last[Step.BAKE].opinions.append(event)
    return tuple(step.told() for step in steps)


class _Step:
    """A step while its records are read."""

    def __init__(self, step: Step, began: float, *, lasted: bool) -> None:
        self._step = step
        self._lasted = lasted
        self._began = began
        self._commands: list[_Command] = []
        self._waits: list[Wait] = []
        self._news = Waits()
        self._end: StepFinished | StepFailed | None = None
        self._last = began
        self.opinions: list[OpinionHeard] = []

    def take(self, event: Event, time: float) -> None:
        self._last = time
        match event:
            case CommandSent(target=target, line=line):
                self._commands.append(_Command(time, target, line))
            case OutputSeen(node=node, text=text):
                if not self._commands or self._commands[-1].target != node:
                    self._commands.append(_Command(time, node, ""))
                self._commands[-1].printed.append(text)
            case Progressed(detail=detail):
                self._news.heard(detail, time)
            case Waited(detail=detail, seconds=seconds):
                self._waits.append(Wait(detail, seconds))
            case StepFinished() | StepFailed():
                self._end = event

    def told(self) -> StepStory:
        end = self._end
        return StepStory(
            self._step,
            self._began,
            None if end is None else end.seconds,
            end.detail if isinstance(end, StepFinished) else "",
            end if isinstance(end, StepFailed) else None,
            tuple(command.told() for command in self._commands),
            # An older rollout, and one that was killed, have recorded no waits.
            tuple(self._waits) or self._news.longest(self._last),
            tuple(self.opinions),
            self._lasted,
        )


class _Command:
    """A command while its records are read."""

    def __init__(self, time: float, target: str, line: str) -> None:
        self._time = time
        self.target = target
        self._line = line
        self.printed: list[str] = []

    def told(self) -> Command:
        return Command(self._time, self.target, self._line, tuple(self.printed))


def _hooks(records: Iterable[Record]) -> Iterable[HookStory]:
    """The hooks of one node, or of the deployment as a whole."""
    running: dict[str, _Command] = {}
    for record in records:
        match record.event:
            case HookStarted(hook=hook, on=on, line=line):
                running[hook] = _Command(record.time, on, line)
            case HookPrinted(hook=hook, text=text) if hook in running:
                running[hook].printed.append(text)
            case HookEnded(hook=hook, seconds=seconds, failure=failure) if hook in running:
                yield HookStory(hook, running.pop(hook).told(), seconds, failure)
    for hook, command in running.items():
        yield HookStory(hook, command.told(), None)

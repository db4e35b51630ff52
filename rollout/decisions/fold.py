"""The fold over a deployment's events: each event makes a new `Progress` of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from itertools import groupby
from typing import Any

from rollout.decisions.progress import TOUCHING, NodeProgress, Phase, Progress, Try
from rollout.domain import Step
from rollout.events import (
    INTERRUPTED,
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Halted,
    HookPrinted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OpinionHeard,
    OutputSeen,
    Paused,
    Probed,
    Progressed,
    Record,
    ReleaseNoted,
    Sampled,
    Served,
    ServerNoted,
    StepFailed,
    StepFinished,
    StepStarted,
    UsersSaw,
    Warned,
    WentOn,
)


def fold(records: Iterable[Record]) -> Progress:
    """The progress after all `records` of one deployment, in order."""
    progress = Progress()
    for are_notes, group in groupby(records, lambda record: isinstance(record.event, ServerNoted)):
        fold_group = _noted if are_notes else _advanced
        progress = fold_group(progress, group)
    return progress


def _advanced(progress: Progress, records: Iterable[Record]) -> Progress:
    return reduce(advance, records, progress)


def advance(progress: Progress, record: Record) -> Progress:
    """The progress after one more record; `progress` itself stays as it is."""
    match record.event:
        case ServerNoted():
            return _noted(progress, [record])
        case DeploymentStarted() as event:
            return _deployment_started(progress, record, event)
        case DeploymentResumed() as event:
            return _deployment_resumed(progress, record, event)
        case Warned() as event:
            return replace(progress, warnings=(*progress.warnings, event))
        case Halted(reason=reason, gave_up=gave_up, judged=judged):
            return replace(progress, halted=reason, gave_up=gave_up, judged=judged)
        case Paused(reason=reason):
            begun = () if progress.paused else ((record.time, None),)
            return replace(progress, paused=reason, pauses=(*progress.pauses, *begun))
        case WentOn():
            return replace(progress, paused="", pauses=_ended(progress, record.time))
        case Sampled() as event:
            return replace(progress, so_far=event)
        case Served() as event:
            return replace(progress, served=(*progress.served, event))
        case UsersSaw() as event:
            return replace(progress, users_saw=event)
        case Probed() as event:
            return replace(progress, probed=event)
        case DeploymentFinished(outcome=outcome, seconds=seconds, reason=reason):
            pauses = _ended(progress, record.time)
            return replace(
                progress,
                ended=record.time,
                outcome=outcome,
                seconds=seconds,
                reason=reason,
                paused="",
                pauses=pauses,
            )
        case StepFailed() as event if not progress.first_failure and event.reason != INTERRUPTED:
            progress = replace(progress, first_failure=f"{event.node} at {event.step}: {event.reason}")
    return _node_event(progress, record)


def _node_event(progress: Progress, record: Record) -> Progress:
    """The progress after an event of one node; an event that changes no state leaves it as it is."""

    def changed(name: str, **changes: Any) -> Progress:
        return _with_node(progress, replace(_node(progress, name), **changes))

    match record.event:
        case ReleaseNoted(node=name, release=release):
            return changed(name, previous_release=release)
        case StepStarted(node=name, step=step):
            return _with_node(progress, _step_started(_node(progress, name), step, record.time))
        case Progressed(node=name, detail=detail, sessions=sessions):
            return changed(name, detail=detail, sessions=sessions)
        case OutputSeen(node=name, text=text):
            return changed(name, detail=text)
        case OpinionHeard(node=name, source=source, reason=reason):
            return changed(name, detail=f"{source}: {reason}")
        case HookStarted(node=str(name), hook=hook):
            return changed(name, phase=Phase.RUNNING, step=None, step_started=record.time, detail=hook)
        case HookPrinted(node=str(name), text=text):
            return changed(name, detail=text)
        case CommandSent(node=name, step=Step.BAKE):
            return changed(name, back=False)
        case StepFinished(node=name) as event:
            return _with_node(progress, _step_finished(_node(progress, name), event))
        case StepFailed(node=name, step=step) as event:
            return changed(name, phase=Phase.FAILED, step=step, failure=event, sessions=None)
        case NodeFinished(node=name, seconds=seconds):
            return changed(name, phase=Phase.DONE, seconds=seconds, left_out=False, proved=True)
        case NodeFailed(node=name, left_out=left_out, forgotten_by=forgotten_by):
            node = _node(progress, name)
            node = replace(node, phase=Phase.FAILED, left_out=left_out, forgotten_by=forgotten_by)
            return _with_node(progress, replace(node, proved=node.proved or node.back))
        case NodeReturned(node=name):
            return changed(name, left_out=False)
    return progress


def _ended(progress: Progress, now: float) -> tuple[tuple[float, float | None], ...]:
    """The pauses, of which none goes on."""
    return tuple((begun, now if over is None else over) for begun, over in progress.pauses)


def _noted(progress: Progress, records: Iterable[Record]) -> Progress:
    """The progress after notes of servers, of which there may be thousands in a row."""
    notes: dict[str, list[ServerNoted]] = {}
    for record in records:
        assert isinstance(record.event, ServerNoted)  # noqa: S101 - the callers have looked
        notes.setdefault(record.event.node, []).append(record.event)
    for name, own in notes.items():
        node = _node(progress, name)
        progress = _with_node(progress, replace(node, servers=(*node.servers, *own)))
    return progress


def _deployment_started(progress: Progress, record: Record, event: DeploymentStarted) -> Progress:
    nodes = {name: _node(progress, name) for name in event.nodes}
    skipped = {name: replace(_node(progress, name), phase=Phase.SKIPPED) for name in event.skipped}
    return replace(
        progress,
        deployment=record.deployment,
        started=record.time,
        begun=record.time,
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
        job=event.job,
        epoch=record.epoch,
        bake=event.bake,
        nodes=nodes | skipped,
    )


def _deployment_resumed(progress: Progress, record: Record, event: DeploymentResumed) -> Progress:
    phases = {**dict.fromkeys(event.nodes, Phase.WAITING), **dict.fromkeys(event.skipped, Phase.SKIPPED)}
    in_doubt = progress.in_doubt
    again = {
        name: replace(
            node,
            phase=phases[name],
            started=None,
            # A node that may be out counts as out until an event says that it is back.
            left_out=True if node.left_out or name in in_doubt else None,
            failure=None,
            detail="",
        )
        for name, node in progress.nodes.items()
        if name in phases
    }
    return replace(
        progress,
        user=event.user,
        host=event.host,
        pid=event.pid,
        job=event.job,
        epoch=record.epoch,
        nodes={**progress.nodes, **again},
        earlier=(*progress.earlier, Try(progress.outcome, progress.seconds, progress.reason)),
        begun=record.time,
        ended=None,
        halted=None,
        gave_up=False,
        judged=False,
        paused="",
        pauses=_ended(progress, record.time),
        bake=event.bake,
        so_far=None,
        served=(),
        users_saw=None,
        probed=None,
        outcome=None,
        reason="",
        seconds=None,
    )


def _step_started(node: NodeProgress, step: Step, time: float) -> NodeProgress:
    order = list(Step)
    earlier = {
        done: took for done, took in node.step_seconds.items() if order.index(done) < order.index(step)
    }
    return replace(
        node,
        step_seconds=earlier,
        phase=Phase.RUNNING,
        started=node.started if node.started is not None or step is Step.PREPARE else time,
        touched=node.touched or step in TOUCHING,
        back=node.back and step is not Step.DRAIN,
        step=step,
        step_started=time,
        detail="",
        sessions=None,
        failure=None,
    )


def _step_finished(node: NodeProgress, event: StepFinished) -> NodeProgress:
    return replace(
        node,
        phase=Phase.WAITING if event.step is Step.PREPARE else Phase.RUNNING,
        step_seconds={**node.step_seconds, event.step: event.seconds},
        back=node.back or event.step is Step.READY,
        left_out=None if event.step is Step.READY else node.left_out,
        detail=event.detail,
        sessions=None,
    )


def _node(progress: Progress, name: str) -> NodeProgress:
    return progress.nodes.get(name) or NodeProgress(name)


def _with_node(progress: Progress, node: NodeProgress) -> Progress:
    return replace(progress, nodes={**progress.nodes, node.name: node})

"""The fold over a deployment's events: each event makes a new `Progress` of the one before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from itertools import groupby

from rollout.decisions.node_map import NodeMap
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

_OF_NODES = (
    CommandSent,
    HookPrinted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OpinionHeard,
    OutputSeen,
    Progressed,
    ReleaseNoted,
    ServerNoted,
    StepFailed,
    StepFinished,
    StepStarted,
)
"""Events that change the state of one node, if any."""
_ORDER = {step: at for at, step in enumerate(Step)}


def fold(records: Iterable[Record]) -> Progress:
    """The progress after all `records` of one deployment, in order."""
    progress = Progress()
    for are_of_nodes, group in groupby(records, lambda record: isinstance(record.event, _OF_NODES)):
        fold_group = _nodes_advanced if are_of_nodes else _advanced
        progress = fold_group(progress, group)
    return progress


def _advanced(progress: Progress, records: Iterable[Record]) -> Progress:
    return reduce(advance, records, progress)


def advance(progress: Progress, record: Record) -> Progress:
    """The progress after one more record; `progress` itself stays as it is."""
    match record.event:
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
        case event if isinstance(event, _OF_NODES):
            return _nodes_advanced(progress, [record])
    return progress


def _ended(progress: Progress, now: float) -> tuple[tuple[float, float | None], ...]:
    """The pauses, of which none goes on."""
    return tuple((begun, now if over is None else over) for begun, over in progress.pauses)


def _nodes_advanced(progress: Progress, records: Iterable[Record]) -> Progress:
    """The progress after events of nodes, of which there may be thousands in a row."""
    nodes = NodeMap.of(progress.nodes)
    changed: dict[str, NodeProgress] = {}
    notes: dict[str, list[ServerNoted]] = {}
    failure = progress.first_failure
    for record in records:
        name: str | None = getattr(record.event, "node")  # noqa: B009 - each kind has it
        if name is None:
            continue
        if isinstance(record.event, StepFailed) and record.event.reason != INTERRUPTED:
            failure = failure or f"{name} at {record.event.step}: {record.event.reason}"
        before = changed.get(name) or nodes.get(name) or NodeProgress(name)
        if isinstance(record.event, ServerNoted):
            changed[name] = before
            notes.setdefault(name, []).append(record.event)
        elif (after := _node_advanced(before, record)) is not before:
            changed[name] = after
    for name, own in notes.items():
        changed[name] = replace(changed[name], servers=(*changed[name].servers, *own))
    return replace(progress, nodes=nodes.changed(changed), first_failure=failure)


def _node_advanced(node: NodeProgress, record: Record) -> NodeProgress:
    """The node after an event of it; `node` itself if that changes nothing."""
    match record.event:
        case ReleaseNoted(release=release):
            return replace(node, previous_release=release)
        case StepStarted(step=step):
            return _step_started(node, step, record.time)
        case Progressed(detail=detail, sessions=sessions):
            return replace(node, detail=detail, sessions=sessions)
        case OutputSeen(text=text) | HookPrinted(text=text):
            return replace(node, detail=text)
        case OpinionHeard(source=source, reason=reason):
            return replace(node, detail=f"{source}: {reason}")
        case HookStarted(hook=hook):
            return replace(node, phase=Phase.RUNNING, step=None, step_started=record.time, detail=hook)
        case CommandSent(step=Step.BAKE):
            return replace(node, back=False)
        case StepFinished() as event:
            return _step_finished(node, event)
        case StepFailed(step=step) as event:
            return replace(node, phase=Phase.FAILED, step=step, failure=event, sessions=None)
        case NodeFinished(seconds=seconds):
            return replace(node, phase=Phase.DONE, seconds=seconds, left_out=False, proved=True)
        case NodeFailed(left_out=left_out, forgotten_by=forgotten_by):
            failed = replace(node, phase=Phase.FAILED, left_out=left_out, forgotten_by=forgotten_by)
            return replace(failed, proved=node.proved or node.back)
        case NodeReturned():
            return replace(node, left_out=False)
    return node


def _deployment_started(progress: Progress, record: Record, event: DeploymentStarted) -> Progress:
    nodes = {name: progress.nodes.get(name) or NodeProgress(name) for name in event.nodes}
    skipped = {
        name: replace(progress.nodes.get(name) or NodeProgress(name), phase=Phase.SKIPPED)
        for name in event.skipped
    }
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
    in_doubt = {*progress.in_doubt}
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
    earlier = {done: took for done, took in node.step_seconds.items() if _ORDER[done] < _ORDER[step]}
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

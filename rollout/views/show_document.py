"""The JSON of `rollout show` and `rollout why`: names and times in UTC, and nothing left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rollout.decisions.memory import LeftOut
from rollout.decisions.story import Command, HookStory, Moment, NodeStory, NodeTry, StepStory, Story, TryStory
from rollout.decisions.summary import Summary
from rollout.domain import AdminState
from rollout.events import Event, ServerNoted
from rollout.views import history
from rollout.views.jsonlines import kind
from rollout.views.show import state
from rollout.views.status import left_out_document
from rollout.views.times import utc

Json = dict[str, Any]


def document(story: Story, later: Sequence[Summary], *, running: bool) -> Json:
    """All of a story. `later` are the deployments after it, oldest first."""
    plan, progress = story.plan, story.progress
    return {
        "deployment": progress.deployment,
        "service": plan.service,
        "release": plan.release,
        "rollback_of": plan.rollback_of,
        "state": state(progress, running=running),
        "reason": progress.reason,
        "first_failure": progress.first_failure,
        "started": utc(story.tries[0].began),
        "ended": utc(progress.ended),
        "seconds": story.seconds,
        "user": plan.user,
        "host": plan.host,
        "job": plan.job,
        "pid": plan.pid,
        "version": plan.version,
        "inventory": plan.inventory,
        "plan": {
            "nodes": list(plan.nodes),
            "skipped": list(plan.skipped),
            "load_balancers": list(plan.load_balancers),
            "window": plan.window,
            "canary": plan.canary,
            "waves": list(plan.waves),
            "releases": dict(plan.releases),
            "on_failure": plan.on_failure,
            "on_judged": plan.on_judged,
        },
        "tries": [_try(each) for each in story.tries],
        "hooks": [_hook(hook) for hook in story.hooks],
        "nodes": [node_document(story, node) for node in story.nodes.values()],
        "next": history.document(later),
    }


def node_document(story: Story, node: NodeStory) -> Json:
    """One node of a story."""
    progress = story.progress.nodes[node.name]
    return {
        "name": node.name,
        "state": progress.phase.value,
        "left_out": progress.left_out,
        "in_doubt": progress.in_doubt,
        "release": node.release,
        "release_before": node.release_before,
        "seconds": progress.seconds,
        "returned": utc(node.returned),
        "servers": [_server(server) for server in node.servers],
        "tries": [_node_try(each) for each in node.tries],
    }


def why_document(story: Story, name: str, out: LeftOut | None) -> Json:
    """One node's story in one deployment. `left_out` is what is remembered of it if it does not serve."""
    return {
        "deployment": story.progress.deployment,
        "service": story.plan.service,
        "started": utc(story.tries[0].began),
        "user": story.plan.user,
        "host": story.plan.host,
        "job": story.plan.job,
        "reason": story.progress.reason,
        "node": node_document(story, story.nodes[name]),
        "left_out": None if out is None else left_out_document(out),
    }


def _try(each: TryStory) -> Json:
    return {
        "number": each.number,
        "started": utc(each.began),
        "ended": utc(each.last) if each.outcome else None,
        "user": each.user,
        "host": each.host,
        "job": each.job,
        "pid": each.pid,
        "nodes": list(each.nodes),
        "skipped": list(each.skipped),
        "outcome": each.outcome and each.outcome.value,
        "seconds": each.seconds,
        "reason": each.reason,
        "capacity": [dataclasses.asdict(one) for one in each.capacity],
        "moments": [_moment(one) for one in each.moments],
        "verdicts": [_fields(judged) for judged in each.judged],
        "served": [dataclasses.asdict(one) for one in each.served],
        "users_saw": each.users_saw and dataclasses.asdict(each.users_saw),
        "probed": each.probed and dataclasses.asdict(each.probed),
        "samples": [{"time": utc(sample.time), **_fields(sample.seen)} for sample in each.samples],
    }


def _node_try(each: NodeTry) -> Json:
    end = each.end
    return {
        "try": each.number,
        "started": utc(each.began),
        "ended": utc(each.ended),
        "end": None if end is None else _fields(end),
        "steps": [_step(step) for step in each.steps],
        "hooks": [_hook(hook) for hook in each.hooks],
        "warnings": [_moment(one) for one in each.warnings],
    }


def _step(step: StepStory) -> Json:
    failure = step.failure
    return {
        "step": step.step.value,
        "started": utc(step.began),
        "seconds": step.seconds,
        "detail": step.detail,
        "failure": None if failure is None else _fields(failure, without=("node", "step", "seconds")),
        "waits": [dataclasses.asdict(wait) for wait in step.waits],
        "commands": [_command(command) for command in step.commands],
        "opinions": [_fields(opinion, without=("node",)) for opinion in step.opinions],
    }


def _hook(hook: HookStory) -> Json:
    return {
        "hook": hook.hook,
        "seconds": hook.seconds,
        "failure": hook.failure,
        **_command(hook.command),
    }


def _command(command: Command) -> Json:
    return {
        "time": utc(command.time),
        "target": command.target,
        "line": command.line,
        "printed": list(command.printed),
    }


def _moment(one: Moment) -> Json:
    return {"time": utc(one.time), "event": kind(one.event), **_fields(one.event)}


def _server(server: ServerNoted) -> Json:
    """The flags of the admin state by their names: `[]` is ready."""
    flags = [flag.name.lower() for flag in AdminState if flag in AdminState(server.admin) and flag.name]
    return {**_fields(server, without=("node",)), "admin": flags}


def _fields(event: Event, without: Sequence[str] = ()) -> Json:
    return {name: value for name, value in dataclasses.asdict(event).items() if name not in without}

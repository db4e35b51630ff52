"""The text of `rollout why`: what happened to one node, in words."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.decisions.memory import LeftOut
from rollout.decisions.progress import Phase
from rollout.decisions.story import NodeStory, NodeTry, StepStory, Story
from rollout.decisions.waits import Wait
from rollout.domain import Step
from rollout.events import NodeFinished
from rollout.views.ending import fate
from rollout.views.next_commands import command_line
from rollout.views.show import happened
from rollout.views.text import duration
from rollout.views.times import clock, moment

_DONE = {
    Step.PREPARE: "was prepared in",
    Step.DRAIN: "was drained in",
    Step.RELEASE: "got the release in",
    Step.RESTART: "was restarted in",
    Step.VERIFY: "was found healthy after",
    Step.READY: "was back in rotation after",
    Step.BAKE: "served for",
}
"""What a step that ended well means for its node."""


def text(story: Story, name: str, out: LeftOut | None, inventory: str) -> Iterator[str]:
    """One node's story in its last deployment. `out` is what is remembered of it if it does not serve, and
    `inventory` the path that commands name."""
    node = story.nodes[name]
    yield _result(story, node)
    yield ""
    plan = story.plan
    job = f", in {plan.job}" if plan.job else ""
    yield f"{plan.user} deployed from {plan.host}{job}."
    if node.release_before:
        yield f"Before, {name} ran {node.release_before}."
    for each in node.tries:
        if len(story.tries) > 1:
            yield f"In try {each.number}, by {story.tries[each.number - 1].user}:"
        yield from _steps(name, each)
        yield from (f"  {clock(one.time)}  {happened(one)}" for one in each.warnings)
    if not node.tries:
        yield from _untouched(story, node)
    yield ""
    yield from _now(story, node, out)
    words = [str(story.progress.deployment)]
    if any(command.printed for each in node.tries for step in each.steps for command in step.commands):
        yield f"all that its commands printed: {command_line('show', inventory, *words, '--output-of', name)}"
    if out is not None:
        yield f"put it back as it was, if it is healthy: {command_line('restore', inventory)}"


def _result(story: Story, node: NodeStory) -> str:
    progress = story.progress
    one = progress.nodes[node.name]
    what = f"deployment {progress.deployment} ({node.release or 'restart'}, {moment(story.tries[0].began)})"
    match one.phase:
        case Phase.DONE:
            return f"{node.name} is done: {what} finished with it in {duration(one.seconds or 0.0)}."
        case Phase.FAILED if one.failure:
            return f"{node.name} failed at {one.failure.step} in {what}: {one.failure.reason}"
        case Phase.FAILED:
            return f"{node.name} failed in {what}."
        case Phase.SKIPPED:
            return f"{node.name} was skipped by {what}: somebody else keeps it out of rotation."
        case Phase.RUNNING:
            return f"{node.name} was at {one.step or 'a hook'} when the last event of {what} was recorded."
    return f"{node.name} was not touched by {what}: its turn did not come."


def _steps(name: str, each: NodeTry) -> Iterator[str]:
    for hook in each.hooks:
        if hook.failure:
            yield f"  {clock(hook.command.time)}  Its hook {hook.hook} failed: {hook.failure}"
    for step in each.steps:
        yield f"  {clock(step.began)}  {_step(name, step)}"
        yield from (f"            It waited {duration(w.seconds)} for: {w.detail}" for w in _waits(step))
        if step.failure is not None:
            if step.failure.tail:
                yield "            The last lines that were printed:"
            yield from (f"            | {line}" for line in step.failure.tail)
            if step.failure.hint:
                yield f"            hint: {step.failure.hint}"
    if isinstance(each.end, NodeFinished) and each.ended is not None:
        yield f"  {clock(each.ended)}  It was done after {duration(each.end.seconds)}."


def _waits(step: StepStory) -> Iterator[Wait]:
    if step.step is not Step.BAKE:
        yield from step.waits


def _step(name: str, step: StepStory) -> str:
    if step.failure is not None:
        return f"Its {step.step} failed after {duration(step.failure.seconds)}: {step.failure.reason}"
    if step.seconds is None:
        return f"Its {step.step} began, and nobody recorded its end."
    detail = f" ({step.detail})" if step.detail else ""
    return f"It {_DONE[step.step]} {duration(step.seconds)}{detail}."


def _untouched(story: Story, node: NodeStory) -> Iterator[str]:
    if node.skipped:
        return
    halted = story.progress.halted or story.progress.reason
    yield f"No further node started: {halted}" if halted else "Its turn has not come."


def _now(story: Story, node: NodeStory, out: LeftOut | None) -> Iterator[str]:
    one = story.progress.nodes[node.name]
    if node.returned is not None:
        yield f"Somebody put it back into rotation on {moment(node.returned)}."
    elif out is not None and out.deployment != story.progress.deployment:
        yield f"It has been out since deployment {out.deployment} ({moment(out.since)}): {out.reason}"
    elif one.phase in (Phase.FAILED, Phase.RUNNING):
        yield f"It is {fate(one, balanced=story.progress.balanced).removeprefix('it ')}."

"""The events of a deployment as rows of a page, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollout.decisions.story import Command, HookStory, NodeTry, StepStory, Story
from rollout.events import Halted, Judged, NodeFinished, Warned
from rollout.views.ending import fate
from rollout.views.many import commands
from rollout.views.show import happened, outcome
from rollout.views.text import duration

_MOST_PRINTED = 600_000
"""Characters of printed lines in one page. With more, each command has fewer lines."""
_LONGEST = 2_000
"""Characters of one line in a page."""
_LINES = (400, 100, 30, 10, 3)
"""Lines of each command, as many as the page has room for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, at a Unix time."""

    time: float
    node: str
    """Empty for what is about the deployment as a whole."""
    kind: str
    """A step, a hook, or a word such as `warning`."""
    text: str
    bad: bool = False
    command: str = ""
    """The line that was sent; then `text` is where it was sent to."""
    printed: tuple[str, ...] = ()
    """The last lines that it printed."""
    left_out: int = 0
    """How many lines it printed before those."""


def rows(story: Story) -> list[Row]:
    """All rows of a story."""
    most = next((most for most in _LINES if _printed(story, most) <= _MOST_PRINTED), _LINES[-1])
    found = [*_of_deployment(story, most)]
    for node in story.nodes.values():
        for each in node.tries:
            found += _of_node(story, node.name, each, most)
        if node.returned is not None:
            found.append(Row(node.returned, node.name, "ready", "somebody put it back into rotation"))
    return sorted(found, key=lambda row: row.time)


def _of_deployment(story: Story, most: int) -> Iterator[Row]:
    for each in story.tries:
        verb = "deployed" if each.number == 1 else "resumed"
        yield Row(each.began, "", "deployment", f"{verb} by {each.user} from {each.host}")
        for moment in each.moments:
            about = moment.event.nodes if isinstance(moment.event, Judged) else ()
            node = about[0] if len(about) == 1 else ""
            bad = isinstance(moment.event, Halted | Warned)
            yield Row(moment.time, node, "verdict" if about else "deployment", happened(moment), bad=bad)
        if each.outcome is not None:
            yield Row(each.last, "", "deployment", outcome(each), bad=each.outcome.value != "done")
    for hook in story.hooks:
        yield from _hook("", hook, most)


def _of_node(story: Story, name: str, each: NodeTry, most: int) -> Iterator[Row]:
    for hook in each.hooks:
        yield from _hook(name, hook, most)
    for step in each.steps:
        yield _step(name, step)
        yield from (_command(name, step.step, command, most) for command in step.commands)
        end = step.began + (step.seconds or 0.0)
        yield from (
            Row(end, name, step.step, f"waited {duration(wait.seconds)}: {wait.detail}")
            for wait in step.waits
        )
        if step.failure:
            yield from _failure(name, step, end)
        for opinion in step.opinions:
            yield Row(end, name, step.step, f"{opinion.source}: {opinion.reply}: {opinion.reason}")
    last = each.ended or (each.steps[-1].began if each.steps else story.tries[each.number - 1].last)
    yield from (Row(one.time, name, "warning", happened(one), bad=True) for one in each.warnings)
    if isinstance(each.end, NodeFinished):
        yield Row(last, name, "done", f"done in {duration(each.end.seconds)}")
    elif each.end is not None:
        node = story.progress.nodes[name]
        text = fate(node, balanced=story.progress.balanced) if node.failure else "failed"
        yield Row(last, name, "failed", text, bad=True)


def _step(name: str, step: StepStory) -> Row:
    if step.failure is not None:
        text = f"FAILED after {duration(step.failure.seconds)}: {step.failure.reason}"
    elif step.seconds is None:
        text = "nobody recorded its end"
    else:
        text = duration(step.seconds) + (f" · {step.detail}" if step.detail else "")
    return Row(step.began, name, step.step, _cut(text), bad=step.failure is not None)


def _failure(name: str, step: StepStory, end: float) -> Iterator[Row]:
    assert step.failure is not None  # noqa: S101 - the caller has looked
    if step.failure.tail and not any(command.printed for command in step.commands):
        text = "the last lines that were printed"
        yield Row(end, name, step.step, text, bad=True, printed=tuple(map(_cut, step.failure.tail)))
    if step.failure.hint:
        yield Row(end, name, step.step, f"hint: {step.failure.hint}")


def _hook(name: str, hook: HookStory, most: int) -> Iterator[Row]:
    yield _command(name, hook.hook, hook.command, most)
    if hook.failure:
        yield Row(hook.command.time, name, hook.hook, f"FAILED: {hook.failure}", bad=True)


def _command(name: str, kind: str, command: Command, most: int) -> Row:
    shown = _last(command.printed, most)
    return Row(
        command.time,
        name,
        kind,
        command.target,
        command="\n".join(_cut(commands(part)) for part in command.line.strip().split("\n")),
        printed=tuple(map(_cut, shown)),
        left_out=len(command.printed) - len(shown),
    )


def _last(lines: Sequence[str], most: int) -> Sequence[str]:
    return lines[-most:]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _printed(story: Story, most: int) -> int:
    """How many characters all commands have, with so many lines each."""
    all_commands = [hook.command for hook in story.hooks]
    for node in story.nodes.values():
        for each in node.tries:
            all_commands += [hook.command for hook in each.hooks]
            all_commands += [command for step in each.steps for command in step.commands]
    return sum(
        min(len(line), _LONGEST) + 1 for command in all_commands for line in _last(command.printed, most)
    )

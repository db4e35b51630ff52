"""The text of `rollout show`: one deployment in full, for people. `show_document.py` has it for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decisions.progress import Phase, Progress
from rollout.decisions.story import Command, HookStory, Moment, NodeStory, StepStory, Story, TryStory
from rollout.decisions.summary import Summary
from rollout.domain import Outcome, Step
from rollout.events import Halted, Judged, Paused, Warned
from rollout.views.ending import fate, users
from rollout.views.many import commands
from rollout.views.next_commands import command_line, next_commands
from rollout.views.text import change, count, duration, few, pace
from rollout.views.times import clock, day, moment

_INDENT = " " * 21
"""What stands before the lines below a step."""
_SHOWN = 3
"""Printed lines of a command that are shown; of more, the last one, and how many there are."""
_LATER = 3
"""Deployments after this one that are named."""


def text(
    story: Story, later: Sequence[Summary], *, running: bool = False, elsewhere: bool = False
) -> Iterator[str]:
    """All of a story. `later` are the deployments after it, oldest first; `running` says whether it still
    runs, and `elsewhere` whether what its commands printed is on another machine."""
    yield from _head(story, running=running)
    if len(story.tries) > 1:
        yield ""
        yield f"{len(story.tries)} tries, {duration(story.seconds)} together:"
        yield from (f"  {line}" for line in _tries(story, running=running))
    yield from _section("hooks:", (line for hook in story.hooks for line in _hook(story, hook, "")))
    for node in story.nodes.values():
        yield ""
        yield from node_lines(story, node)
    yield from _section("besides:", map(_moment, (one for each in story.tries for one in each.moments)))
    yield from _section(
        "what users saw:", (line for each in story.tries for line in _users(each, len(story.tries)))
    )
    yield from _next(story, later, running=running)
    if elsewhere:
        yield ""
        yield f"{story.plan.host} alone has what the commands printed: run `rollout show` there to see it"


def node_lines(story: Story, node: NodeStory) -> Iterator[str]:
    """One node: how it ended, and its steps, with their times."""
    yield f"{node.name}  {_ending(story, node)}"
    for each in node.tries:
        if len(story.tries) > 1:
            yield f"  try {each.number}"
        for hook in each.hooks:
            yield from _hook(story, hook, node.name)
        for step in each.steps:
            yield from _step(story, node.name, step)
        yield from map(_moment, each.warnings)
    if node.returned is not None:
        yield f"  {moment(node.returned)}: somebody put it back into rotation"


def output(story: Story, name: str) -> Iterator[str]:
    """All that the commands of one node printed, each line after the commands that printed it."""
    for each in story.nodes[name].tries:
        for hook in each.hooks:
            yield from _whole(hook.hook, hook.command)
        for step in each.steps:
            for command in step.commands:
                if command.printed:
                    yield from _whole(step.step, command)


def outcome(each: TryStory, *, running: bool = False) -> str:
    """How a try ended: `failed after 1 min 15 s: web2 failed`."""
    took = duration(each.last - each.began if each.seconds is None else each.seconds)
    reason = f": {each.reason}" if each.reason else ""
    match each.outcome:
        case Outcome.DONE:
            return f"done in {took}{reason}"
        case Outcome.FAILED:
            return f"failed after {took}{reason}"
        case Outcome.INTERRUPTED:
            return f"interrupted after {took}{reason}"
        case _ if running:
            return f"running for {took}"
    return f"killed after {took}: nobody recorded its end"


def state(progress: Progress, *, running: bool) -> str:
    """The state of a deployment in a word: `running`, `killed`, or its outcome."""
    if running:
        return "running"
    return "killed" if progress.outcome is None else progress.outcome.value


def verdict(judged: Judged) -> str:
    """`web1 pass: 3 errors of 2,410; web2, web3 on 1.4.1: 1 of 9,000`."""
    figures = f"{judged.errors:,} errors of {judged.requests:,}"
    theirs = (
        f"; {judged.others}: {judged.others_errors:,} of {judged.others_requests:,}" if judged.others else ""
    )
    reason = f" ({judged.reason})" if judged.reason and not judged.reason.startswith(figures) else ""
    return f"verdict on {few(judged.nodes)}: {judged.verdict}: {figures}{theirs}{reason}"


def happened(one: Moment) -> str:
    """What happened to the deployment as a whole, in words."""
    match one.event:
        case Halted(reason=reason):
            return f"halted, no further node starts: {reason}"
        case Paused(reason=reason):
            return f"paused: {reason}"
        case Warned(message=message):
            return f"warning: {message}"
        case Judged() as judged:
            return verdict(judged)
    return f"continues: {one.event.reason}"


def _head(story: Story, *, running: bool) -> Iterator[str]:
    yield headline(story, running=running)
    progress = story.progress
    if progress.first_failure and len(story.tries) > 1:
        yield f"  first failure: {progress.first_failure}"
    yield ""
    for word, text in facts(story):
        yield f"  {word:5}  {text}"


def headline(story: Story, *, running: bool) -> str:
    """`deployment 17 of shop: 1.4.2, failed after 1 min 15 s: web2 failed`."""
    plan = story.plan
    back = f", rollback of deployment {plan.rollback_of}" if plan.rollback_of else ""
    ended = outcome(story.tries[-1], running=running)
    if len(story.tries) > 1:
        ended = f"try {len(story.tries)} {ended}"
    what = f"deployment {story.progress.deployment} of {plan.service}: {plan.release or 'restart'}"
    return f"{what}{back}, {ended}"


def facts(story: Story) -> Iterator[tuple[str, str]]:
    """When it was, who deployed from where, and the plan: a word and a text. The word is empty where the one
    before goes on."""
    plan = story.plan
    yield "when", f"{moment(story.tries[0].began)} to {moment(story.tries[-1].last)}"
    yield "who", f"{plan.user} on {plan.host}{_process(story)}"
    yield "from", plan.inventory
    if plan.job:
        yield "job", plan.job
    behind = f" behind {', '.join(plan.load_balancers)}" if plan.load_balancers else ""
    canary = f", canary {few(plan.nodes[: plan.canary])}" if plan.canary else ""
    yield "plan", f"{count(len(plan.nodes), 'node')}{behind} · {pace(plan.window)}{canary}"
    yield "", f"in this order: {' '.join(plan.nodes) or 'none'}"
    if len(plan.waves) > 1:
        yield "", f"in waves of {', '.join(map(str, plan.waves))}"
    if plan.skipped:
        yield "", f"skipped: {' '.join(plan.skipped)}"
    for one in story.tries[0].capacity:
        stay = f"{one.least} of {one.now} servers stay ready, {one.floor} must"
        yield "", f"{one.load_balancer} {one.backend}: {stay}"
    yield "", f"after a failure: {plan.on_failure}; after a bad verdict: {plan.on_judged}"


def _process(story: Story) -> str:
    version = f", rollout {story.plan.version}" if story.plan.version else ""
    return f" (process {story.plan.pid}{version})"


def _tries(story: Story, *, running: bool) -> Iterator[str]:
    for each in story.tries:
        ended = outcome(each, running=running and each is story.tries[-1])
        yield f"{each.number}  {day(each.began)}  {each.user} on {each.host}: {ended}"


def _ending(story: Story, node: NodeStory) -> str:
    progress = story.progress
    one = progress.nodes[node.name]
    match one.phase:
        case Phase.DONE:
            return f"done in {duration(one.seconds or 0.0)} · {change(one, node.release)}"
        case Phase.FAILED:
            at = f" at {one.failure.step}" if one.failure else ""
            return f"FAILED{at} · {fate(one, balanced=progress.balanced)}"
        case Phase.SKIPPED:
            return "skipped"
        case Phase.RUNNING:
            return f"at {one.step or 'a hook'} · it may take no traffic" if one.in_doubt else f"at {one.step}"
    return "untouched"


def _step(story: Story, name: str, step: StepStory) -> Iterator[str]:
    if step.failure is not None:
        how = f"FAILED after {duration(step.failure.seconds)}: {step.failure.reason}"
    elif step.seconds is None:
        how = "nobody recorded its end"
    else:
        how = duration(step.seconds) + (f" · {step.detail}" if step.detail else "")
    yield f"  {clock(step.began)}  {step.step:7}  {how}"
    tail = step.failure.tail if step.failure else ()
    failed = next((command for command in reversed(step.commands) if command.printed), None)
    for command in step.commands:
        yield from _command(story, name, command, tail=tail if command is failed else ())
    if failed is None:
        yield from (f"{_INDENT}| {line}" for line in tail)
    verb = "watched" if step.step is Step.BAKE else "waited"
    for wait in step.waits:
        yield f"{_INDENT}{verb} {duration(wait.seconds)}: {wait.detail}"
    for opinion in step.opinions:
        shadow = " (shadow)" if opinion.shadow else ""
        yield f"{_INDENT}{opinion.source}{shadow}: {opinion.reply}: {opinion.reason}"
    if step.failure is not None and step.failure.hint:
        yield f"{_INDENT}hint: {step.failure.hint}"


def _hook(story: Story, hook: HookStory, name: str) -> Iterator[str]:
    if hook.failure:
        how = f"FAILED: {hook.failure}"
    else:
        how = "nobody recorded its end" if hook.seconds is None else duration(hook.seconds)
    yield f"  {clock(hook.command.time)}  {hook.hook}  {how}"
    yield from _command(story, name, hook.command)


def _command(story: Story, name: str, command: Command, *, tail: Sequence[str] = ()) -> Iterator[str]:
    """A command, and the end of what it printed: the `tail` that its failure has, or else a few lines."""
    prompt = "$" if command.target in (name, "here", "node") else f"{command.target}>"
    yield from (f"{_INDENT}{prompt} {commands(part)}" for part in command.line.strip().split("\n") if part)
    lines = command.printed
    shown = tail or (lines if len(lines) <= _SHOWN else lines[-1:])
    yield from (f"{_INDENT}| {line}" for line in shown)
    if len(lines) > len(shown):
        words = [str(story.progress.deployment), *(["--output-of", name] if name else [])]
        whole = command_line("show", story.plan.inventory, *words)
        yield f"{_INDENT}| the end of {len(lines):,} lines; all of them: {whole}"


def _whole(step: str, command: Command) -> Iterator[str]:
    yield f"{clock(command.time)} {step} {command.target}"
    yield from (f"$ {part}" for part in command.line.strip().split("\n") if part)
    yield from command.printed
    yield ""


def _moment(one: Moment) -> str:
    return f"  {clock(one.time)}  {happened(one)}"


def _users(each: TryStory, tries: int) -> Iterator[str]:
    lines = [*users(each.users_saw, each.served, each.probed)]
    if lines and tries > 1:
        yield f"  in try {each.number}:"
    yield from lines


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    lines = iter([*lines])
    for number, line in enumerate(lines):
        if number == 0:
            yield ""
            yield title
        yield line


def _next(story: Story, later: Sequence[Summary], *, running: bool) -> Iterator[str]:
    progress = story.progress
    if later:
        yield ""
        yield "what was run next:"
        for summary in later[:_LATER]:
            back = f", rollback of {summary.rollback_of}" if summary.rollback_of else ""
            ended = summary.outcome.value if summary.outcome else "unfinished"
            yield (
                f"  {day(summary.started or 0.0)}  deployment {summary.deployment}: "
                f"{summary.release or 'restart'}{back}, {ended}, by {summary.user} on {summary.host}"
            )
        if len(later) > _LATER:
            yield f"  and {count(len(later) - _LATER, 'deployment')} more: rollout history"
    elif not running and (progress.outcome is not Outcome.DONE or progress.failed):
        yield ""
        yield "nothing was run since; what to run next:"
        for command in next_commands(progress, progress.inventory):
            yield f"  {command.line}  # {command.effect} {command.more}"

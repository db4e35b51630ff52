"""The report as Markdown, for chats and tickets: short enough to be read there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rollout.decisions.progress import Phase
from rollout.decisions.story import NodeStory, Story
from rollout.decisions.summary import Summary
from rollout.decisions.time_spent import spent
from rollout.views.ending import users
from rollout.views.history import text as history_lines
from rollout.views.show import facts, outcome, verdict
from rollout.views.text import count, duration, few

_MARKS = re.compile(r"([\\`*\[\]<>|])")
_FEW = 12
"""Nodes that have a row each; of more, only those that are not done."""


def markdown(story: Story, later: Sequence[Summary], *, running: bool) -> Iterator[str]:
    """The lines of the report."""
    plan, progress = story.plan, story.progress
    what = f"{plan.service} {plan.release or 'restart'}"
    yield f"## {_plain(what)}: deployment {progress.deployment}"
    yield ""
    yield f"**{_plain(outcome(story.tries[-1], running=running))}**"
    yield ""
    for each in story.tries[:-1]:
        yield f"- try {each.number}, by {_plain(each.user)}: {_plain(outcome(each))}"
    for each in story.tries:
        for line in users(each.users_saw, each.served, each.probed):
            yield f"- {_plain(line.strip())}"
    for each in story.tries:
        yield from (f"- {_plain(verdict(judged))}" for judged in each.judged)
    if times := sorted(spent(story), key=lambda each: -each.seconds)[:4]:
        longest = ", ".join(f"{each.what} {duration(each.seconds)}" for each in times)
        yield f"- where the time went: {longest}"
    yield ""
    yield from _nodes(story)
    yield from _failures(story)
    for word, text in facts(story):
        if word:
            yield f"- {word}: {_plain(text)}"
    if later:
        yield ""
        yield "Run next:"
        yield ""
        yield from (f"- {_plain(line.strip())}" for line in history_lines(later))


def _nodes(story: Story) -> Iterator[str]:
    nodes = [*story.nodes.values()]
    shown = nodes if len(nodes) <= _FEW else [node for node in nodes if _phase(story, node) is not Phase.DONE]
    if len(shown) < len(nodes):
        done = [node.name for node in nodes if _phase(story, node) is Phase.DONE]
        yield f"{count(len(done), 'node')} done: {_plain(few(done))}"
        yield ""
    if not shown:
        return
    yield "| node | state | release | time |"
    yield "|---|---|---|---|"
    for node in shown:
        one = story.progress.nodes[node.name]
        state = f"{one.phase}{', left out' if one.left_out else ''}"
        release = node.release or "restart"
        change = f"{node.release_before} → {release}" if node.release_before else release
        took = duration(one.seconds) if one.seconds is not None else "–"
        yield f"| {_plain(node.name)} | {state} | {_plain(change)} | {took} |"
    yield ""


def _failures(story: Story) -> Iterator[str]:
    for node in story.nodes.values():
        for each in node.tries:
            if failure := each.failure:
                after = f"**{_plain(node.name)}** failed at {failure.step}"
                yield f"{after} after {duration(failure.seconds)}: {_plain(failure.reason)}"
                yield ""
                if failure.tail:
                    yield "```"
                    yield from (line.replace("```", "'''") for line in failure.tail)
                    yield "```"
                    yield ""


def _phase(story: Story, node: NodeStory) -> Phase:
    return story.progress.nodes[node.name].phase


def _plain(text: str) -> str:
    """`text` with all that Markdown would take for a mark escaped, on one line."""
    return _MARKS.sub(r"\\\1", text).replace("\n", " ")

"""The summary of a deployment for the page of a GitHub Actions run, in Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import Outcome
from rollout.views.deployment_words import PAST
from rollout.views.ending import ending, fate
from rollout.views.text import change, duration, printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~@:-])")
"""Characters that Markdown, or GitHub in it, may take for something."""
_MARKS = {
    Phase.DONE: "✅ done",
    Phase.FAILED: "❌ failed",
    Phase.RUNNING: "⏹️ interrupted",
    Phase.WAITING: "⏸️ untouched",
    Phase.SKIPPED: "⏭️ skipped",
}


def step_summary(progress: Progress) -> str:
    """The result, a table of the nodes, and the last lines as a terminal shows them."""
    return "\n".join(_lines(progress)) + "\n"


def _lines(progress: Progress) -> Iterator[str]:
    first, *others = ending(progress)
    mark = {Outcome.DONE: "✅", Outcome.FAILED: "❌"}.get(progress.outcome or Outcome.INTERRUPTED, "⏹️")
    yield f"### {mark} {_plain(first)}"
    yield ""
    yield "| node | result | what | took |"
    yield "|---|---|---|---|"
    for node in progress.nodes.values():
        what, took = _what(progress, node)
        time = "" if took is None else duration(took)
        yield f"| {_plain(node.name)} | {_MARKS[node.phase]} | {_plain(what)} | {time} |"
    if others:
        yield ""
        yield "<pre>" + "\n".join(map(html.escape, others)).strip("\n") + "</pre>"
    yield ""


def _what(progress: Progress, node: NodeProgress) -> tuple[str, float | None]:
    if node.phase is Phase.DONE:
        steps = [f"{PAST[step]} {duration(took)}" for step, took in node.step_seconds.items()]
        return " · ".join([change(node, progress.release_of(node.name)), *steps]), node.seconds
    if failure := node.failure:
        return f"{failure.step}: {failure.reason}; {fate(node, balanced=progress.balanced)}", failure.seconds
    return (f"at {node.step}" if node.phase is Phase.RUNNING else ""), None


def _plain(text: str) -> str:
    """`text` as Markdown shows it, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(printable(text), quote=False))

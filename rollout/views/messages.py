"""The messages that `notify:` sends when a deployment starts and when it ends."""

from __future__ import annotations

from typing import Any

from rollout.decisions.progress import Phase, Progress
from rollout.views.ending import ending
from rollout.views.text import count, headline, resumption


def document(event: str, progress: Progress) -> dict[str, Any]:
    """For programs. `event` is `started` or `finished`; `previous` is the release that all nodes ran before,
    where it is known and the same on all."""
    before = {node.previous_release for node in progress.nodes.values() if node.phase is not Phase.SKIPPED}
    return {
        "event": event,
        "service": progress.service,
        "release": progress.release,
        "previous": before.pop() if len(before) == 1 else None,
        "deployment": progress.deployment,
        "rollback_of": progress.rollback_of,
        "nodes": progress.total,
        "outcome": progress.outcome and progress.outcome.value,
        "reason": progress.reason,
        "seconds": progress.seconds,
        "done": progress.done,
        "failed": progress.failed,
        "left_out": list(progress.maybe_out),
        "user": progress.user,
        "host": progress.host,
    }


def slack(event: str, progress: Progress) -> dict[str, Any]:
    """For people, in Slack's format. Anything that Slack would take for a link or a mention is escaped."""
    text = _finished(progress) if event == "finished" else _started(progress)
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, escaped)
    return {"text": text}


def _started(progress: Progress) -> str:
    line = resumption(progress, progress.unfinished) if progress.done else headline(progress)
    return f"{line} · {progress.user}@{progress.host}"


def _finished(progress: Progress) -> str:
    summary, *_ = ending(progress)
    parts = [
        f"deployment {progress.deployment}",
        f"{progress.done} of {count(progress.total, 'node')} done",
        f"{progress.user}@{progress.host}",
    ]
    if progress.rollback_of:
        parts.insert(1, f"rollback of deployment {progress.rollback_of}")
    if out := progress.maybe_out:
        parts.append(f"left out: {', '.join(out)}")
    return f"{summary}\n{' · '.join(parts)}"


MESSAGES = {"webhook": document, "slack": slack}
"""The function that makes a message, by the key of `notify:`."""

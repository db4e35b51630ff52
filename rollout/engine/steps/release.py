"""The release of a node: sent while the node serves, switched to while it is drained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from rollout.agents.release import switch
from rollout.domain import Content
from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.errors import SourceError, StepFailure
from rollout.inventory.quantities import format_bytes, format_duration
from rollout.ports import Sources
from rollout.release import plan_release
from rollout.release.plan import ReleasePlan, Upload
from rollout.remote.agent import AgentInput

_LOOK = 30.0
"""Seconds for one look at a node."""


def release_plan(context: NodeContext) -> ReleasePlan | None:
    """How the node gets its release; `None` for a rolling restart, or without `release:` in the inventory."""
    if context.release is None:
        return None
    return plan_release(context.inventory, context.release, context.fill)


async def look_at_place(context: NodeContext, upload: Upload) -> str:
    """The state of the release's place on the node: `there SHA256`, or `missing FREE` with the free bytes.

    Raises StepFailure if nothing can be put there, HostError.
    """
    completed = await context.look(upload.look, timeout=_LOOK)
    last_line = completed.tail[-1] if completed.tail else f"exit status {completed.status}"
    if completed.status != 0:
        raise StepFailure(last_line, tail=completed.tail)
    return last_line


async def to_be_sent(
    context: NodeContext, upload: Upload, timeout: float, sources: Sources, *, back: bool
) -> Content | None:
    """The content that the node lacks; `None` if it has the release. Nothing is touched.

    `back` says that the node goes back to the release: then it is used as it is there. Raises StepFailure if
    the node cannot take the content, SourceError, HostError.
    """
    state, _, digest_or_free = (await look_at_place(context, upload)).partition(" ")
    if state == "there":
        if not back:
            await _require_same(context, upload, sources, digest=digest_or_free)
        return None
    if back and not upload.of_one_release:
        raise StepFailure(
            f"release {context.release} is no longer on the node, "
            f"and {upload.source} may hold another release",
            hint="deploy the source that is here with `rollout deploy --release RELEASE`",
        )
    content = await _content(upload, sources)
    free = int(digest_or_free)
    if content.size > free:
        raise StepFailure(
            f"the release needs {format_bytes(content.size)} of disk space, "
            f"but only {format_bytes(free)} are free"
        )
    if upload.bandwidth and content.size / upload.bandwidth >= timeout:
        takes = format_duration(round(content.size / upload.bandwidth))
        raise StepFailure(
            f"sending {upload.source} takes {takes} at the configured bandwidth, longer than "
            f"release.timeout ({format_duration(timeout)})"
        )
    return content


async def send(
    context: NodeContext, upload: Upload, timeout: float, sources: Sources, log: StepLog, *, back: bool
) -> None:
    """Put the release on the node, whole and proven by its hash. The node does not switch to it.

    Raises StepFailure, SourceError, HostError.
    """
    content = await to_be_sent(context, upload, timeout, sources, back=back)
    if content is None:
        await context.run(upload.keep, timeout=timeout, log=log, shown=f"keep release {context.release}")
        log.detail = f"release {context.release} was already there"
        return
    receiving = upload.receive(content)
    paced = _paced(receiving, content, upload.bandwidth, log)
    await context.send(receiving.line, paced, timeout=timeout, log=log, shown=upload.shown)
    log.detail = f"{format_bytes(content.size)} sent"


async def release(context: NodeContext, plan: ReleasePlan, log: StepLog) -> bool:
    """Switch the drained node to the release; whether a link was changed. Raises StepFailure, HostError."""
    printed: list[str] = []
    await context.run(plan.command, timeout=plan.timeout, log=log, shown=plan.shown, printed=printed)
    return plan.undo is not None and any(switch.WAS in line for line in printed)


async def _content(upload: Upload, sources: Sources) -> Content:
    return await (sources.packed if upload.packed else sources.archive)(upload.source)


async def _require_same(context: NodeContext, upload: Upload, sources: Sources, *, digest: str) -> None:
    """Raises StepFailure if the release on the node, with this SHA-256, is not the one that is here."""
    try:
        content = await _content(upload, sources)
    except SourceError:  # it is gone here, but complete there
        return
    if content.sha256 != digest:
        raise StepFailure(
            f"the node already has a release {context.release}, and it differs from {upload.source}",
            hint="a release must not change: deploy the new content under a new name",
        )


async def _paced(
    receiving: AgentInput, content: Content, bandwidth: float | None, log: StepLog
) -> AsyncIterator[bytes]:
    """The agent's program and then the content, at most `bandwidth` bytes a second."""
    clock = asyncio.get_running_loop().time
    yield receiving.program
    begun, sent = clock(), 0
    async for data in content.pieces():
        yield data
        sent += len(data)
        log.progress(f"{sent * 10 // content.size * 10}% of {format_bytes(content.size)} sent")
        if bandwidth:
            await asyncio.sleep(begun + sent / bandwidth - clock())

"""Getting a release to a node: sent while it serves, switched to while it is drained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

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
    """How the node gets the release; `None` for a restart, or where the inventory does not say."""
    if context.release is None:
        return None
    return plan_release(context.inventory, context.release, context.fill)


async def look_at_place(context: NodeContext, upload: Upload) -> str:
    """What the node says of the release: `there SHA256` or `missing FREE`.

    Raises StepFailure where nothing could be put there, HostError.
    """
    looked = await context.look(upload.look, timeout=_LOOK)
    said = looked.tail[-1] if looked.tail else f"exit status {looked.status}"
    if looked.status != 0:
        raise StepFailure(said, tail=looked.tail)
    return said


async def to_be_sent(
    context: NodeContext, upload: Upload, timeout: float, sources: Sources, *, back: bool
) -> Content | None:
    """What the node lacks; `None` if it has the release. Touches nothing.

    `back` says that it goes back to the release: it is taken as it is there. Raises StepFailure where the
    node could not take it, SourceError, HostError.
    """
    found, _, what = (await look_at_place(context, upload)).partition(" ")
    if found == "there":
        if not back:
            await _require_same(context, upload, sources, what)
        return None
    if back and not upload.of_one_release:
        raise StepFailure(
            f"release {context.release} is not there any more, and {upload.source} may be another one",
            hint="rollout deploy --release RELEASE sends what is here",
        )
    content = await _content(upload, sources)
    if content.size > int(what):
        free = format_bytes(int(what))
        raise StepFailure(f"{format_bytes(content.size)} do not fit on its disk: {free} are free")
    if upload.bandwidth and content.size / upload.bandwidth >= timeout:
        takes = format_duration(round(content.size / upload.bandwidth))
        raise StepFailure(
            f"{upload.source} takes {takes} at that bandwidth, more than release.timeout "
            f"({format_duration(timeout)})"
        )
    return content


async def send(
    context: NodeContext, upload: Upload, timeout: float, sources: Sources, log: StepLog, *, back: bool
) -> None:
    """The release is on the node when this returns, whole and proven by its hash; it is not switched to.

    Raises what `to_be_sent` raises, CommandTimedOut, AnswerLost.
    """
    content = await to_be_sent(context, upload, timeout, sources, back=back)
    if content is None:
        await context.run(upload.keep, timeout=timeout, log=log, shown=f"keep release {context.release}")
        log.detail = f"release {context.release} was there already"
        return
    receiving = upload.receive(content)
    paced = _paced(receiving, content, upload.bandwidth, log)
    await context.send(receiving.line, paced, timeout=timeout, log=log, shown=upload.shown)
    log.detail = f"{format_bytes(content.size)} sent"


async def release(context: NodeContext, plan: ReleasePlan, log: StepLog) -> None:
    """What is done while the node is drained. Raises StepFailure, HostError."""
    await context.run(plan.command, timeout=plan.timeout, log=log, shown=plan.shown)


async def _content(upload: Upload, sources: Sources) -> Content:
    return await (sources.packed if upload.packed else sources.archive)(upload.source)


async def _require_same(context: NodeContext, upload: Upload, sources: Sources, digest: str) -> None:
    try:
        content = await _content(upload, sources)
    except SourceError:  # it is gone here, but whole there
        return
    if content.sha256 != digest:
        raise StepFailure(
            f"it has another release {context.release} already, which is not what {upload.source} holds",
            hint="a release never changes: give what is new a new name",
        )


async def _paced(
    receiving: AgentInput, content: Content, bandwidth: float | None, log: StepLog
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    yield receiving.program
    begun, sent = clock(), 0
    async for data in content.pieces():
        yield data
        sent += len(data)
        log.progress(f"{sent * 10 // content.size * 10}% of {format_bytes(content.size)} sent")
        if bandwidth:
            await asyncio.sleep(begun + sent / bandwidth - clock())

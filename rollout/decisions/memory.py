"""What is remembered of each node of a service, whatever deployments came later.

A node that was left out is remembered until it serves again. Each memory follows from the facts of
deployments, and is kept beside them, so that nobody must read old ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout.decisions.progress import NodeProgress, Progress
from rollout.domain import Step
from rollout.events import ServerNoted, from_fields, to_fields


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A node out of rotation, as the first deployment that left it out knows it: before that one, it was in
    rotation."""

    deployment: int
    release: str | None
    """The release that the deployment brought; `None` for a restart."""
    since: float
    """When the node's turn began, in Unix time."""
    certain: bool
    """False if nobody recorded how its turn ended: then it may be out."""
    step: Step | None
    """The step at which its turn ended."""
    reason: str
    """Why the step failed; empty if it did not."""
    previous_release: str | None
    """The release that the node ran before; `None` if it is unknown."""
    servers: tuple[ServerNoted, ...]
    """The node's servers as they were before anything was touched."""
    fell: bool = False
    """Whether it had been put back, and a health check took it out again: rollout did not leave it out."""

    def as_progress(self, name: str) -> NodeProgress:
        """The node as its deployment knew it, as far as others need that."""
        return NodeProgress(
            name,
            servers=self.servers,
            previous_release=self.previous_release,
            step=self.step,
            left_out=not self.fell,
        )


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """What is remembered of one node."""

    release: str | None = None
    """The release that a deployment put on it last; `None` if none did."""
    released_by: int = 0
    """That deployment's number."""
    out: LeftOut | None = None
    """`None` while the node serves, as far as deployments know."""


def remember(
    memories: Mapping[str, NodeMemory], progress: Progress, names: Iterable[str]
) -> dict[str, NodeMemory]:
    """The memories of the nodes in `names` that change once a deployment has come as far as `progress`."""
    changed = {}
    for name in names:
        before = memories.get(name, NodeMemory())
        node = progress.nodes.get(name)
        if node is not None and (after := _after(before, progress, node)) != before:
            changed[name] = after
    return changed


def nodes_out(memories: Mapping[str, NodeMemory]) -> dict[str, LeftOut]:
    """The nodes that deployments left out, or may have left out, and that no later one brought back."""
    return {name: out for name, out in nodes_to_mend(memories).items() if not out.fell}


def nodes_to_mend(memories: Mapping[str, NodeMemory]) -> dict[str, LeftOut]:
    """The nodes that are out, and those that were put back and fell: whatever HAProxy shows of them now, they
    are to be as they were before."""
    return {name: memory.out for name, memory in memories.items() if memory.out is not None}


def known_releases(memories: Mapping[str, NodeMemory]) -> dict[str, str]:
    """The release that each node got last, by node; only deployments that finished with the node count."""
    return {name: memory.release for name, memory in memories.items() if memory.release}


def memory_document(memory: NodeMemory) -> dict[str, Any]:
    """The memory as the journal keeps it."""
    document = dataclasses.asdict(dataclasses.replace(memory, out=None))
    if memory.out is not None:
        out = {field.name: getattr(memory.out, field.name) for field in dataclasses.fields(LeftOut)}
        document["out"] = {**out, "servers": [to_fields(server) for server in memory.out.servers]}
    return document


def read_memory(document: Mapping[str, Any]) -> NodeMemory:
    """The memory of which `document` was made. Raises TypeError, ValueError, KeyError for any other."""
    out = document["out"]
    return NodeMemory(
        release=document["release"],
        released_by=document["released_by"],
        out=None if out is None else _read_left_out(out),
    )


def _read_left_out(out: Mapping[str, Any]) -> LeftOut:
    servers = (from_fields(ServerNoted.__name__, server) for server in out["servers"])
    noted = tuple(server for server in servers if isinstance(server, ServerNoted))
    step = None if out["step"] is None else Step(out["step"])
    return LeftOut(**{**out, "step": step, "servers": noted})


def _after(before: NodeMemory, progress: Progress, node: NodeProgress) -> NodeMemory:
    after = dataclasses.replace(before, out=_out(before.out, progress, node))
    release = progress.release_of(node.name)
    if node.proved and release and progress.deployment >= before.released_by:
        return dataclasses.replace(after, release=release, released_by=progress.deployment)
    return after


def _out(before: LeftOut | None, progress: Progress, node: NodeProgress) -> LeftOut | None:
    if not (node.left_out or node.in_doubt or node.fell):
        return None if node.started is not None else before
    if before is not None and before.deployment != progress.deployment and before.fell == node.fell:
        return before
    return LeftOut(
        deployment=progress.deployment,
        release=progress.release_of(node.name),
        since=before.since if before is not None else (node.started or progress.started or 0.0),
        certain=bool(node.left_out),
        step=node.step,
        reason="" if node.failure is None else node.failure.reason,
        previous_release=node.previous_release,
        servers=node.servers,
        fell=node.fell,
    )

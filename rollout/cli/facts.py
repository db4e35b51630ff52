"""The facts of one deployment as they come, each kept together with what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.decisions.fold import advance, fold
from rollout.decisions.memory import NodeMemory, memory_document, remember
from rollout.decisions.progress import Progress
from rollout.decisions.summary import summary_document
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    Event,
    HookPrinted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OutputSeen,
    Progressed,
    Record,
    Sampled,
    ServerNoted,
    StepStarted,
)
from rollout.ports import Document, Journal

PRINTED = (HookPrinted, OutputSeen)
"""Events that are a printed line each."""
LAGGING = (*PRINTED, Progressed, Sampled)
"""Events from which nothing follows."""


class Facts:
    """One deployment in the journal. `progress` is how far it has come, by its facts."""

    def __init__(self, journal: Journal, progress: Progress, memories: Mapping[str, NodeMemory]) -> None:
        """`memories` are what the journal remembers of the service's nodes."""
        self._journal = journal
        self._memories = dict(memories)
        self.progress = progress

    @classmethod
    async def begin(
        cls,
        journal: Journal,
        service: str,
        events: Sequence[Event],
        memories: Mapping[str, NodeMemory],
    ) -> tuple[Facts, Sequence[Record]]:
        """A new deployment, which has these events on disk already. Raises JournalError."""
        records = await journal.begin(service, events, lambda records: summary_document(fold(records)))
        return cls(journal, fold(records), memories), records

    def append(self, event: Event) -> Record:
        """Take one more event; it is written soon."""
        return self._journal.append(self.progress.deployment, event, self._conclusions)

    def _conclusions(self, record: Record) -> tuple[Document | None, Mapping[str, Document]]:
        """The summary and the memories that change with a record."""
        if isinstance(record.event, LAGGING):
            return None, {}
        self.progress = advance(self.progress, record)
        changed = remember(self._memories, self.progress, _nodes_of(record.event))
        self._memories |= changed
        ends = isinstance(
            record.event, DeploymentResumed | NodeFinished | NodeFailed | NodeReturned | DeploymentFinished
        )
        summary = summary_document(self.progress) if ends or changed else None
        return summary, {name: memory_document(memory) for name, memory in changed.items()}


def _nodes_of(event: Event) -> Sequence[str]:
    """The nodes of which an event may change what is remembered."""
    match event:
        case DeploymentResumed(nodes=nodes, skipped=skipped):
            return (*nodes, *skipped)
        case StepStarted(node=node) | NodeFinished(node=node) | NodeFailed(node=node):
            return (node,)
        case NodeReturned(node=node) | ServerNoted(node=node):
            return (node,)
    return ()

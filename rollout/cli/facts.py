"""The facts of one deployment as they come, each kept together with what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.decisions.fold import advance, fold
from rollout.decisions.memory import NodeMemory, memory_document, remember
from rollout.decisions.progress import Progress
from rollout.decisions.summary import changes_summary, summary_document
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    Event,
    HookPrinted,
    OutputSeen,
    Progressed,
    Record,
    Sampled,
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
        begun = Progress()

        def summarize(records: Sequence[Record]) -> Document:
            nonlocal begun
            begun = fold(records)
            return summary_document(begun)

        records = await journal.begin(service, events, summarize)
        return cls(journal, begun, memories), records

    def append(self, event: Event) -> Record:
        """Take one more event; it is written soon."""
        return self._journal.append(self.progress.deployment, event, self._conclusions)

    def _conclusions(self, record: Record) -> tuple[Document | None, Mapping[str, Document]]:
        """The summary and the memories that change with a record."""
        if isinstance(record.event, LAGGING):
            return None, {}
        before, self.progress = self.progress, advance(self.progress, record)
        names = _nodes_of(record.event)
        changed = remember(self._memories, self.progress, names)
        self._memories |= changed
        ends = isinstance(record.event, DeploymentResumed | DeploymentFinished)
        is_other = ends or changes_summary(before, self.progress, names)
        summary = summary_document(self.progress) if is_other else None
        return summary, {name: memory_document(memory) for name, memory in changed.items()}


def _nodes_of(event: Event) -> Sequence[str]:
    """The nodes that an event is about."""
    if isinstance(event, DeploymentResumed):
        return (*event.nodes, *event.skipped)
    name: str | None = getattr(event, "node", None)
    return () if name is None else (name,)

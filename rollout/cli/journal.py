"""The user's journal: opening it, and what it knows of past deployments and of nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from rollout.adapters.journal import SqliteJournal
from rollout.cli.facts import Facts
from rollout.cli.process import has_ended
from rollout.decisions.fold import fold
from rollout.decisions.history import to_forget
from rollout.decisions.memory import NodeMemory, memory_document, read_memory, remember
from rollout.decisions.progress import Progress
from rollout.decisions.summary import Summary, read_summary, summary_document
from rollout.domain import LockState
from rollout.engine.hold import is_abandoned
from rollout.errors import JournalError, PlaceError
from rollout.events import NodeReturned
from rollout.ports import Journal


@asynccontextmanager
async def closing(journal: SqliteJournal) -> AsyncIterator[None]:
    """A context that closes the journal at its end."""
    try:
        yield
    finally:
        with suppress(JournalError):  # who waited for an unwritten event has seen the error
            await journal.aclose()


async def past_deployments(journal: Journal, service: str, latest: int | None = None) -> dict[int, Summary]:
    """The summaries of the service's `latest` deployments, or of all, by number, oldest first.

    Raises JournalError.
    """
    documents = await journal.summaries(service, latest)
    with _readable():
        return {
            number: read_summary(number, document)
            for number, document in documents.items()
            if document is not None
        }


async def last_deployment(journal: Journal, service: str) -> Progress | None:
    """The deployment that is running or ran last; `None` if there was none. Raises JournalError."""
    for number in await journal.summaries(service, latest=1):
        return fold(await journal.records(number))
    return None


async def node_memories(journal: Journal, service: str) -> dict[str, NodeMemory]:
    """What is remembered of the service's nodes, by name. Raises JournalError."""
    documents = await journal.nodes(service)
    with _readable():
        return {name: read_memory(document) for name, document in documents.items()}


async def catch_up(journal: SqliteJournal, service: str) -> None:
    """Keep what follows from deployments that an older rollout wrote. Raises JournalError."""
    unread = await journal.without_summary(service)
    memories = await node_memories(journal, service) if unread else {}
    for number in unread:
        progress = fold(await journal.records(number))
        changed = remember(memories, progress, progress.nodes)
        memories |= changed
        documents = {name: memory_document(memory) for name, memory in changed.items()}
        await journal.keep(number, summary_document(progress), documents)


async def prune(journal: Journal, service: str, keep: int) -> None:
    """Remove all but the last `keep` deployments. One that fails to be removed is removed another time."""
    with suppress(JournalError, PlaceError):
        old = await journal.numbers(service, but=keep)
        if gone := to_forget(old, await node_memories(journal, service)):
            await journal.forget(gone)


def is_running(deployment: Progress | Summary, lock: LockState | None) -> bool:
    """Whether a deployment still runs: it has no outcome, and whoever carries it out still has the lock."""
    if not deployment.running or lock is None or lock.epoch != deployment.epoch:
        return False
    return not is_left_behind(lock)


def is_left_behind(lock: LockState) -> bool:
    """Whether the holder of a lock must have crashed, or is known to have ended."""
    return is_abandoned(lock) or has_ended(lock.holder)


async def mark_returned(journal: Journal, service: str, name: str) -> None:
    """Record that a node which deployments left out serves again. Raises JournalError."""
    for number, summary in (await past_deployments(journal, service)).items():
        if name in (*summary.left_out, *summary.in_doubt):
            memories = await node_memories(journal, service)
            facts = Facts(journal, fold(await journal.records(number)), memories)
            facts.append(NodeReturned(name))
            await journal.written()


@contextmanager
def _readable() -> Iterator[None]:
    """Raises JournalError for a summary or a memory that rollout did not write so."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(f"the journal is damaged: {error!r}") from error

"""The journal of all deployers: what lies at the place where they meet, with a copy on this machine.

Each fact is written here first, and then added there. So nothing that happened is lost while the place is
away, and what was not added yet is added when it is back. Only some facts must be there before a node is
touched: who deploys what, what the node's servers were before, and that its turn begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from rollout.adapters.journal.journal import SqliteJournal
from rollout.adapters.journal.lines import document_line, fact_line, read_document, read_fact
from rollout.adapters.journal.schema import PRINTED
from rollout.domain import LockHolder, Publication, Shared, Step
from rollout.errors import FactsMissing, LockLost, PlaceError
from rollout.events import DeploymentFinished, DeploymentResumed, Event, Record, StepStarted
from rollout.ports import Conclusions, Document, Place, no_conclusions

_PACE = 1.0
"""Seconds between two publications for which nobody waits."""
_AGAIN = 0.2
"""Seconds until a publication that failed is tried again."""
_LAST_PATIENCE = 10.0
"""Seconds for what is left at the end."""


class SharedJournal:
    """Implements `Journal`.

    `written` also raises LockLost, and PlaceError if the place did not take what it must have for `patience`
    seconds.
    """

    def __init__(self, local: SqliteJournal, place: Place, service: str, patience: float) -> None:
        self._local = local
        self._place = place
        self._service = service
        self._patience = patience
        self._holder: tuple[LockHolder, int] | None = None
        self._there: Mapping[int, int] = {}
        """How many facts each deployment has at the place."""
        self._nodes: dict[str, Document] = {}
        self._waiting: dict[int, list[Record]] = {}
        """Facts to be added at the place, by deployment."""
        self._after: dict[int, int] = {}
        """How many facts the place has before those."""
        self._needed: list[tuple[Record, asyncio.Future[None]]] = []
        """Those among them that must be there before anything else is done."""
        self._turns: set[str] = set()
        self._changed: dict[int, Document] = {}
        """Summaries that changed."""
        self._memory_changed = False
        self._publishing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._lost: LockLost | None = None

    async def pull(self) -> Shared:
        """Bring the copy here up to date, in one exchange if no more than one deployment is new.

        Raises PlaceError, JournalError.
        """
        here = await self._local.counts()
        last = max(here, default=0)
        # What others added to a deployment follows what they have of it already.
        known = here[last][1] if last and here[last][0] == here[last][1] else 0
        seen = await self._place.look(last, known)
        self._there = dict(seen.counts)
        newest = max(self._there, default=0)
        records = {}
        if newest and self._there[newest] > here.get(newest, (0, 0))[1]:
            before = await self._local.records(newest) if newest == last and known else []
            records[newest] = [*before, *_read_all(newest, seen.facts)]
        unknown = [number for number in self._there if number not in here and number != newest]
        await self._local.receive(
            self._service,
            records,
            await self._fetched_summaries([*unknown, *records]),
            await self._newer(seen),
        )
        for number in {*here} - {*self._there}:
            if here[number][1]:  # it was there, so somebody pruned it
                await self._local.forget(number)
        return seen

    async def hold(self, holder: LockHolder, epoch: int) -> None:
        """Add facts as `holder` from now on, beginning with those that are only here.

        Raises PlaceError, JournalError, LockLost.
        """
        self._holder = holder, epoch
        self._local.epoch = epoch
        newest = max(self._there, default=0)
        for number, (here, shared) in (await self._local.counts()).items():
            there = self._there.get(number, 0)
            if here > there and there <= shared and (there or number >= newest):
                records = list(await self._local.records(number))
                self._queue(number, there, records[there:])
        self._nodes = dict(await self._local.nodes(self._service))
        if self._waiting:
            self._memory_changed = True
            await self._publish_all()

    async def begin(
        self, service: str, events: Sequence[Event], summarize: Callable[[Sequence[Record]], Document]
    ) -> Sequence[Record]:
        number = max([*self._there, *await self._local.counts()], default=0) + 1
        records = await self._local.begin(service, events, summarize, number)
        self._turns.clear()
        self._changed[number] = summarize(records)
        self._queue(number, 0, records)
        self._need(records[-1])
        await self.written()
        return records

    def append(
        self,
        deployment: int,
        event: Event,
        conclude: Callable[[Record], Conclusions] = no_conclusions,
    ) -> Record:
        def noted(record: Record) -> Conclusions:
            summary, nodes = conclude(record)
            nodes = {
                name: {**document, "epoch": record.epoch, "at": record.time}
                for name, document in nodes.items()
            }
            if summary is not None:
                self._changed[deployment] = summary
            self._nodes |= nodes
            self._memory_changed |= bool(nodes)
            return summary, nodes

        record = self._local.append(deployment, event, noted)
        if not isinstance(event, PRINTED):
            self._queue(deployment, self._there.get(deployment, 0), [record])
            if self._is_needed(event):
                self._need(record)
            self._publish_soon()
        return record

    async def written(self) -> None:
        await self._local.written()
        if self._lost is not None:
            raise self._lost
        if not self._needed:
            return
        self._hurry.set()
        self._publish_soon()
        _, late = await asyncio.wait([future for _, future in self._needed], timeout=self._patience)
        if self._lost is not None:
            raise self._lost
        if late:
            message = f"the state at {self._place.where} could not be written for {self._patience:g} s"
            raise PlaceError(message, hint="rollout status")

    async def records(self, deployment: int) -> Sequence[Record]:
        _, shared = (await self._local.counts()).get(deployment, (0, 0))
        if shared < self._there.get(deployment, 0):  # what others added counts, not what came too late here
            facts = _read_all(deployment, await self._place.facts(deployment))
            await self._local.receive(self._service, {deployment: facts}, {}, {})
        return await self._local.records(deployment)

    async def printed(self, deployment: int, latest: int) -> Sequence[Record]:
        """The `latest` lines that commands printed to the deployer of this machine. Raises JournalError."""
        return await self._local.printed(deployment, latest)

    async def summaries(self, service: str, latest: int | None = None) -> Mapping[int, Document | None]:
        return await self._local.summaries(service, latest)

    async def nodes(self, service: str) -> Mapping[str, Document]:
        return await self._local.nodes(service)

    async def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        await self._local.keep(deployment, summary, nodes)

    async def forget(self, deployment: int) -> None:
        if self._holder is not None:
            await self._place.prune(self._holder[0], [deployment])
        await self._local.forget(deployment)

    async def finish(self) -> None:
        """Add what is left at the place, if it answers soon."""
        self._hurry.set()
        if self._publishing is not None:
            await asyncio.wait([self._publishing], timeout=_LAST_PATIENCE)
            self._publishing.cancel()

    def _need(self, record: Record) -> None:
        self._needed.append((record, asyncio.get_running_loop().create_future()))

    def _queue(self, deployment: int, after: int, records: Sequence[Record]) -> None:
        if deployment not in self._waiting:
            self._waiting[deployment] = []
            self._after.setdefault(deployment, after)
        self._waiting[deployment] += records

    def _is_needed(self, event: Event) -> bool:
        """Whether others must know of an event before what follows it is done."""
        match event:
            case DeploymentResumed() | DeploymentFinished():
                self._turns.clear()
                return isinstance(event, DeploymentResumed)
            case StepStarted(node=node, step=step) if step is not Step.PREPARE and node not in self._turns:
                self._turns.add(node)
                return True
        return False

    def _publish_soon(self) -> None:
        if self._holder is not None and (self._publishing is None or self._publishing.done()):
            self._publishing = asyncio.create_task(self._publish_until_done())

    async def _publish_until_done(self) -> None:
        """Publish until nothing waits, at once while somebody waits for it, and else at a calm pace."""
        while self._waiting and self._lost is None:
            if not self._hurry.is_set():
                try:
                    async with asyncio.timeout(_PACE):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
            self._hurry.clear()
            try:
                await self._publish_all()
            except LockLost as error:
                self._lost = error
                self._tell_waiting(self._needed)
            except PlaceError:
                await asyncio.sleep(_AGAIN)
                self._hurry.set()

    async def _publish_all(self) -> None:
        for deployment in sorted(self._waiting):
            await self._publish(deployment)

    async def _publish(self, deployment: int) -> None:
        assert self._holder is not None  # noqa: S101 - nothing is queued before
        records, after = list(self._waiting[deployment]), self._after[deployment]
        memory, summary = self._memory_changed, self._changed.pop(deployment, None)
        self._memory_changed = False
        publication = Publication(
            deployment,
            after,
            [*map(fact_line, records)],
            memory=document_line({"nodes": self._nodes}) if memory else None,
            summary=document_line(summary) if summary is not None else None,
        )
        try:
            await self._place.publish(*self._holder, publication)
        except BaseException as error:
            self._memory_changed |= memory
            if summary is not None:
                self._changed.setdefault(deployment, summary)
            if isinstance(error, FactsMissing):  # the place has lost its last write
                lost = await self._local.records(deployment)
                self._waiting[deployment] = list(lost[error.have :])
                self._after[deployment] = error.have
                raise PlaceError(f"the state at {self._place.where} lost its last write") from error
            raise
        rest = self._waiting[deployment][len(records) :]
        self._after[deployment] = after + len(records)
        if rest:
            self._waiting[deployment] = rest
        else:
            del self._waiting[deployment]
        done = set(map(id, records))
        self._tell_waiting([need for need in self._needed if id(need[0]) in done])
        self._there = {**self._there, deployment: self._after[deployment]}
        await self._local.note_shared(deployment, self._after[deployment])

    def _tell_waiting(self, needs: Sequence[tuple[Record, asyncio.Future[None]]]) -> None:
        self._needed = [need for need in self._needed if need not in needs]
        for _, future in needs:
            if not future.done():
                future.set_result(None)

    async def _fetched_summaries(self, numbers: Sequence[int]) -> dict[int, Document]:
        if not numbers:
            return {}
        lines = await self._place.summaries(numbers)
        return {number: read_document(line) for number, line in lines.items()}

    async def _newer(self, seen: Shared) -> dict[str, Document]:
        """The memories at the place that are newer than those here.

        What a deployer tells that has lost the lock is older than what the one that took over tells.
        """

        def age(document: Document) -> tuple[int, float]:
            return document.get("epoch", 0), document.get("at", 0.0)

        here = await self._local.nodes(self._service)
        there: Mapping[str, Document] = read_document(seen.memory).get("nodes", {})
        return {
            name: document
            for name, document in there.items()
            if name not in here or age(document) > age(here[name])
        }


def _read_all(deployment: int, lines: Sequence[str]) -> list[Record]:
    records = (read_fact(deployment, line) for line in lines)
    return [record for record in records if record is not None]

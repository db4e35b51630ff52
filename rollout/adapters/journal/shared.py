"""The journal of all deployers: what lies at the place where they meet, with a copy on this machine.

Each fact is written here first, and then added there. So nothing that happened is lost while the place is
away, and what was not added yet is added when it is back. Only some facts must be there before a node is
touched: who deploys what, what the node's servers were before, and that its turn begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rollout.adapters.journal.journal import SqliteJournal
from rollout.adapters.journal.lines import read_document, read_fact
from rollout.adapters.journal.publisher import Publisher
from rollout.adapters.journal.schema import PRINTED
from rollout.domain import LockHolder, Shared, Step
from rollout.events import DeploymentFinished, DeploymentResumed, Event, Record, Sampled, StepStarted
from rollout.ports import Conclusions, Document, Place, no_conclusions


class SharedJournal:
    """Implements `Journal`.

    `written` also raises LockLost, and PlaceError if the place did not take for `patience` seconds what it
    must have before the node is touched. No other node waits for that.
    """

    def __init__(self, local: SqliteJournal, place: Place, service: str, patience: float) -> None:
        self._local = local
        self._place = place
        self._service = service
        self._publisher = Publisher(local, place, service, patience)
        self._holder: LockHolder | None = None
        self._here: dict[int, tuple[int, int]] = {}
        """How many facts each deployment had here when the copy was brought up to date, and how many of them
        others had: to count them takes long where there are many."""
        self._turns: set[str] = set()
        """The nodes whose turn has begun."""

    async def pull(self) -> Shared:
        """Bring the copy here up to date, in one exchange if no more than one deployment is new.

        Raises PlaceError, JournalError.
        """
        here = self._here = dict(await self._local.counts())
        last = max(here, default=0)
        # What others added to a deployment follows what they have of it already.
        known = here[last][1] if last and here[last][0] == here[last][1] else 0
        seen = await self._place.look(last, known)
        there = self._publisher.there = dict(seen.counts)
        newest = max(there, default=0)
        records = {}
        if newest and there[newest] > here.get(newest, (0, 0))[1]:
            before = await self._local.records(newest) if newest == last and known else []
            records[newest] = [*before, *_read_all(newest, seen.facts)]
        # Where a deployment that is only here has the number of one that others know, theirs counts.
        unknown = [
            number
            for number in there
            if number != newest and (number not in here or (here[number][0] and not here[number][1]))
        ]
        await self._local.receive(
            self._service,
            records,
            await self._fetched_summaries([*unknown, *records]),
            await self._newer(seen),
        )
        here |= dict.fromkeys(unknown, (0, 0))
        here |= {number: (len(ones), len(ones)) for number, ones in records.items()}
        for number in {*here} - {*there}:
            # It was there, so somebody pruned it. Without a later one, the place has lost it.
            if here[number][1] and number < newest:
                await self._local.forget(number)
                del here[number]
        return seen

    async def bring(
        self,
        records: Mapping[int, Sequence[Record]],
        summaries: Mapping[int, Document],
        nodes: Mapping[str, Document],
    ) -> None:
        """Take over deployments that only this machine knows, before `hold` adds them at the place.

        Raises JournalError.
        """
        await self._local.receive(self._service, records, summaries, nodes)
        for number, ones in records.items():
            await self._local.note_shared(number, 0)
            self._here[number] = len(ones), 0

    async def hold(self, holder: LockHolder, epoch: int) -> None:
        """Add facts as `holder` from now on, beginning with those that are only here.

        Raises PlaceError, JournalError, LockLost.
        """
        self._holder = holder
        self._local.epoch = epoch
        await self._publisher.hold(holder, epoch, self._here)

    async def catch_up(self, holder: LockHolder, over: LockHolder | None) -> None:
        """Add facts that are only here, since the place was away when they happened: as `holder`, if nobody
        else has the lock, or `over` has left it behind. Raises PlaceError, JournalError, LockLost."""
        if not self._publisher.missing(self._here):
            return
        above = await self._local.last_epoch()
        epoch = await self._place.take(holder, over=over.token if over else "", above=above)
        if epoch is not None:
            try:
                await self.hold(holder, epoch)
            finally:
                await self._place.drop(holder)

    async def begin(
        self, service: str, events: Sequence[Event], summarize: Callable[[Sequence[Record]], Document]
    ) -> Sequence[Record]:
        number = max([*self._publisher.there, *self._here], default=0) + 1
        records = await self._local.begin(service, events, summarize, number)
        self._here[number] = len(records), 0
        self._turns.clear()
        self._publisher.change(number, summarize(records), {})
        self._publisher.need(records[-1])
        self._publisher.add(number, records)
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
            self._publisher.change(deployment, summary, nodes)
            return summary, nodes

        record = self._local.append(deployment, event, noted)
        if not isinstance(event, PRINTED):
            if (node := self._needed_by(event)) is not None:
                self._publisher.need(record, node)
            self._publisher.add(deployment, [record], soon=not isinstance(event, Sampled))
        return record

    async def written(self, node: str = "") -> None:
        await self._local.written()
        await self._publisher.known(node)

    async def records(self, deployment: int) -> Sequence[Record]:
        # What others added counts, not what came too late here.
        if await self._local.shared(deployment) < self._publisher.there.get(deployment, 0):
            facts = _read_all(deployment, await self._place.facts(deployment))
            await self._local.receive(self._service, {deployment: facts}, {}, {})
        return await self._local.records(deployment)

    async def printed(self, deployment: int, latest: int | None, node: str = "") -> Sequence[Record]:
        """What commands printed to the deployer of this machine. Raises JournalError."""
        return await self._local.printed(deployment, latest, node)

    async def summaries(self, service: str, latest: int | None = None) -> Mapping[int, Document | None]:
        return await self._local.summaries(service, latest)

    async def nodes(self, service: str) -> Mapping[str, Document]:
        return await self._local.nodes(service)

    async def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        await self._local.keep(deployment, summary, nodes)

    async def forget(self, deployment: int) -> None:
        if self._holder is not None:
            await self._place.prune(self._holder, [deployment])
        await self._local.forget(deployment)

    async def finish(self) -> str:
        """Add what is left at the place, if it answers soon, as `Publisher.finish` says."""
        return await self._publisher.finish()

    def _needed_by(self, event: Event) -> str | None:
        """The node that is not touched before others know of an event; empty for all nodes, `None` if nothing
        waits for it."""
        match event:
            case DeploymentResumed() | DeploymentFinished():
                self._turns.clear()
                return "" if isinstance(event, DeploymentResumed) else None
            case StepStarted(node=node, step=step) if step is not Step.PREPARE and node not in self._turns:
                self._turns.add(node)
                return node
        return None

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

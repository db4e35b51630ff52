"""The journal of all deployers: what lies at the place where they meet, with a copy on this machine.

Each fact is written here first, and then added there. So nothing that happened is lost while the place is
away, and what was not added yet is added when it is back. Only some facts must be there before a node is
touched: who deploys what, what the node's servers were before, and that its turn begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

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
        """How many facts deployments have here, and how many of them others have: the last one, and those
        that others may lack."""
        self._total = 0
        """How many deployments lie at the place."""
        self._latest = 0
        """Of how many deployments the summaries were brought up to date."""
        self._turns: set[str] = set()
        """The nodes whose turn has begun."""

    async def pull(self, latest: int | None = 1) -> Shared:
        """Bring the copy here up to date, in one exchange: the last deployment, what is known of each node,
        and the summaries of the `latest` deployments. Raises PlaceError, JournalError.
        """
        here = self._here = dict(await self._local.unsettled())
        last = max(here, default=0)
        # What others added to a deployment follows what they have of it already.
        count, shared = here.get(last, (0, 0))
        known = shared if count <= shared else 0
        seen = await self._place.look(last, known, latest=latest, also=here)
        self._publisher.there = dict(seen.counts)
        self._total, self._latest = seen.total, seen.total if latest is None else latest
        if seen.last < last:  # the place may have lost what it had
            here |= await self._local.counts(first=seen.last)
        late = {n for n, (count, shared) in here.items() if shared < min(count, seen.counts.get(n, 0))}
        if seen.last in late and await self._are_own(seen):
            late.remove(seen.last)
        records, facts = await self._theirs(seen, late, goes_on=bool(known) and seen.last == last)
        nodes = await self._newer(seen, own=not late)
        await self._local.receive(self._service, records, await self._changed_summaries(seen), nodes, facts)
        await self._forget_pruned(seen.last)
        return seen

    async def _are_own(self, seen: Shared) -> bool:
        """Whether all that the place has of the last deployment is here, too: whoever added it was killed
        before it noted that. If so, it is noted."""
        theirs = _read_all(seen.last, seen.facts)
        mine = await self._local.records(seen.last)
        if mine[: len(theirs)] != theirs:
            return False
        self._here[seen.last] = self._here[seen.last][0], seen.counts[seen.last]
        self._local.note_shared(seen.last, seen.counts[seen.last])
        return True

    async def _theirs(
        self, seen: Shared, late: Collection[int], *, goes_on: bool
    ) -> tuple[dict[int, Sequence[Record]], dict[int, int]]:
        """The facts that replace those here, and how many of them the place has: of the last one, where
        those that were seen may go on after those here, and of each to which others added something before
        this machine could. What others have of an older one is read when somebody asks for it."""
        records: dict[int, Sequence[Record]] = dict.fromkeys(late, ())
        facts = dict.fromkeys(late, 0)
        last = seen.last
        if last and seen.counts[last] > self._here.get(last, (0, 0))[1]:
            before = await self._local.records(last) if goes_on else ()
            records[last] = [*before, *_read_all(last, seen.facts)]
            facts[last] = seen.counts[last]
        self._here |= {number: (count, count) for number, count in facts.items()}
        return records, facts

    async def bring(
        self,
        records: Mapping[int, Sequence[Record]],
        summaries: Mapping[int, Document],
        nodes: Mapping[str, Document],
    ) -> None:
        """Take over deployments that only this machine knows, before `hold` adds them at the place.

        Raises JournalError.
        """
        await self._local.receive(self._service, records, summaries, nodes, dict.fromkeys(records, 0))
        self._here |= {number: (len(ones), 0) for number, ones in records.items()}
        self._total += len(records)

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
        self._total += 1
        self._turns.clear()
        self._publisher.change(number, await self._local.summary(number), {})
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
        there = self._publisher.there.get(deployment, 0 if deployment in self._here else None)
        # What others added counts, not what came too late here.
        is_old = there is None or await self._local.shared(deployment) < there
        if is_old and (lines := await self._place.facts(deployment)):
            self._publisher.there[deployment] = len(lines)
            facts = {deployment: _read_all(deployment, lines)}
            await self._local.receive(self._service, facts, {}, {}, {deployment: len(lines)})
        return await self._local.records(deployment)

    async def printed(self, deployment: int, latest: int | None, node: str = "") -> Sequence[Record]:
        """What commands printed to the deployer of this machine. Raises JournalError."""
        return await self._local.printed(deployment, latest, node)

    async def summaries(self, service: str, latest: int | None = None) -> Mapping[int, Document | None]:
        if (self._total if latest is None else latest) <= self._latest:
            return await self._local.summaries(service, latest)
        seen = await self._place.look(latest=latest)
        await self._local.receive(service, {}, await self._changed_summaries(seen), {}, {})
        there = {*seen.counts, *self._here}
        here = await self._local.summaries(service)
        return {number: summary for number, summary in here.items() if number in there}

    async def nodes(self, service: str) -> Mapping[str, Document]:
        return await self._local.nodes(service)

    async def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        await self._local.keep(deployment, summary, nodes)

    async def numbers(self, service: str, but: int = 0) -> Sequence[int]:
        if self._total <= but:
            return ()
        numbers = sorted({*await self._place.numbers(), *self._here})
        return numbers[: len(numbers) - but]

    async def forget(self, deployments: Collection[int]) -> None:
        if self._holder is not None:
            await self._place.prune(self._holder, deployments)
        await self._local.forget(deployments)

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

    async def _changed_summaries(self, seen: Shared) -> dict[int, Document]:
        """The summaries at the place that are others than here, without those of which this machine knows
        more."""
        mine = await self._local.summaries(self._service, len(seen.counts))
        there = {number: read_document(line) for number, line in seen.summaries.items()}
        ahead = self._publisher.missing(self._here)
        return {
            number: summary
            for number, summary in there.items()
            if number not in ahead and summary != mine.get(number)
        }

    async def _forget_pruned(self, last: int) -> None:
        """Remove here what somebody pruned. What is not there and has no later one, the place has lost."""
        own = {number for number, (count, shared) in self._here.items() if count and not shared}
        if last and await self._local.total() - len(own) > self._total:
            there = {*await self._place.numbers(), *own}
            here = await self._local.numbers(self._service)
            pruned = {number for number in here if number < last} - there
            await self._local.forget(pruned)
            for number in pruned:
                self._here.pop(number, None)

    async def _newer(self, seen: Shared, *, own: bool) -> dict[str, Document]:
        """The memories at the place that are newer than those here; without `own`, all of them, since what is
        known here came too late, unless others lack something else that is here.

        What a deployer tells that has lost the lock is older than what the one that took over tells.
        """

        def age(document: Document) -> tuple[int, float]:
            return document.get("epoch", 0), document.get("at", 0.0)

        there: Mapping[str, Document] = read_document(seen.memory).get("nodes", {})
        if not own and not self._publisher.missing(self._here):
            return dict(there)
        here = await self._local.nodes(self._service)
        return {
            name: document
            for name, document in there.items()
            if name not in here or age(document) > age(here[name])
        }


def _read_all(deployment: int, lines: Sequence[str]) -> list[Record]:
    records = (read_fact(deployment, line) for line in lines)
    return [record for record in records if record is not None]

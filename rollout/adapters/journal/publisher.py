"""The way of facts from this machine's copy of the journal to the place where deployers meet.

Most facts go there at a calm pace. Those that others must know before a node is touched go at once, and
whoever touches that node waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.adapters.journal.journal import SqliteJournal
from rollout.adapters.journal.lines import document_line, fact_line
from rollout.domain import LockHolder, Publication
from rollout.errors import FactsMissing, LockLost, PlaceError
from rollout.events import Record
from rollout.ports import Document, Place

_PACE = 1.0
"""Seconds between two publications for which nobody waits."""
_AGAIN = 0.2
"""Seconds until a publication that failed is tried again."""
_GO_ON = "once the state can be written again: rollout resume"


@dataclass(frozen=True, slots=True, eq=False)
class _Need:
    """A fact that others must know before `node` is touched; before anything is done, where that is empty."""

    record: Record
    node: str
    there: asyncio.Future[None]
    """Done once the place has it."""


class Publisher:
    """Adds facts of the service at the place, in the order in which they happened.

    `patience` are the seconds for which a fact that others must know is waited for, and what is left at the
    end.
    """

    def __init__(self, local: SqliteJournal, place: Place, service: str, patience: float) -> None:
        self._local = local
        self._place = place
        self._service = service
        self._patience = patience
        self._holder: tuple[LockHolder, int] | None = None
        self.there: dict[int, int] = {}
        """How many facts deployments have at the place: the last one, and those that are of interest."""
        self._nodes: dict[str, Document] = {}
        self._waiting: dict[int, list[Record]] = {}
        """Facts to be added at the place, by deployment."""
        self._after: dict[int, int] = {}
        """How many facts the place has before those."""
        self._needed: list[_Need] = []
        """Those among them that must be there before something else is done."""
        self._changed: dict[int, Document] = {}
        """Summaries that changed."""
        self._memory_changed = False
        self._publishing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._lost: LockLost | None = None
        self._trouble: PlaceError | None = None
        """Why the last publication failed; `None` if it did not."""

    async def hold(self, holder: LockHolder, epoch: int, here: Mapping[int, tuple[int, int]]) -> None:
        """Add facts as `holder` from now on, beginning with those that are only here, as `missing` says.

        Raises PlaceError, JournalError, LockLost.
        """
        self._holder = holder, epoch
        for number, there in self.missing(here).items():
            await self._give_again(number, there)
        self._nodes = dict(await self._local.nodes(self._service))
        if self._waiting:
            await self._publish_all()

    def missing(self, here: Mapping[int, tuple[int, int]]) -> Mapping[int, int]:
        """The deployments of which facts are only here, with how many are at the place. `here` is how many
        facts each has here, and how many of them others had."""
        newest = max(self.there, default=0)
        missing: dict[int, int] = {}
        for number, (count, shared) in here.items():
            there = self.there.get(number, 0)
            # Where others have added facts since, what is only here came too late.
            if count > there and there <= shared and (there or number >= newest):
                missing[number] = there
        return missing

    def add(self, deployment: int, records: Sequence[Record], *, soon: bool = True) -> None:
        """Add facts soon, or together with the next ones."""
        if deployment not in self._waiting:
            self._waiting[deployment] = []
            self._after.setdefault(deployment, self.there.get(deployment, 0))
        self._waiting[deployment] += records
        if soon:
            self._publish_soon()

    def change(self, deployment: int, summary: Document | None, nodes: Mapping[str, Document]) -> None:
        """Add a summary and memories of nodes, together with the next fact."""
        if summary is not None:
            self._changed[deployment] = summary
        self._nodes |= nodes
        self._memory_changed |= bool(nodes)

    def need(self, record: Record, node: str = "") -> None:
        """Let `known` wait for a fact before `node` is touched; before anything is done, where that is
        empty."""
        self._needed.append(_Need(record, node, asyncio.get_running_loop().create_future()))
        self._hurry.set()

    async def known(self, node: str) -> None:
        """Wait until others know what they must before `node` is touched.

        Raises LockLost, and PlaceError if the place did not take it for the patience.
        """
        if self._lost is not None:
            raise self._lost
        needed = [need.there for need in self._needed if need.node in ("", node)]
        if not needed:
            return
        self._hurry.set()
        self._publish_soon()
        _, late = await asyncio.wait(needed, timeout=self._patience)
        if self._lost is not None:
            raise self._lost
        if late:
            raise PlaceError(f"{self._reason} (for {self._patience:g} s)", hint=_GO_ON)

    async def finish(self) -> str:
        """Add what is left, if the place answers soon. Returns why others do not know the end of a
        deployment; empty if they do, or if somebody has taken over."""
        self._hurry.set()
        if self._publishing is not None:
            await asyncio.wait([self._publishing], timeout=self._patience)
            self._publishing.cancel()
        if not self._waiting or self._lost is not None:
            return ""
        which = ", ".join(map(str, sorted(self._waiting)))
        return (
            f"{self._reason}. Others do not know the end of deployment {which} yet: the next `rollout` from "
            "here adds it"
        )

    @property
    def _reason(self) -> str:
        """Why the place has not taken what waits."""
        return str(self._trouble or f"the state cannot be reached: {self._place.where} gives no answer")

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
            except PlaceError as error:
                self._trouble = error
                await asyncio.sleep(_AGAIN)
                self._hurry.set()

    async def _publish_all(self) -> None:
        # The latest one first: where this is cut off, nothing older takes its place.
        for deployment in sorted(self._waiting, reverse=True):
            await self._publish(deployment)
        self._trouble = None

    async def _publish(self, deployment: int) -> None:
        assert self._holder is not None  # noqa: S101 - nothing is added before
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
            if isinstance(error, FactsMissing):
                await self._give_again(deployment, error.have)
                raise PlaceError(f"the state at {self._place.where} lost its last write") from error
            raise
        rest = self._waiting[deployment][len(records) :]
        self._after[deployment] = after + len(records)
        if rest:
            self._waiting[deployment] = rest
        else:
            del self._waiting[deployment]
        # By number, since what was given again was read anew.
        done = {(record.deployment, record.sequence) for record in records}
        there = [need for need in self._needed if (need.record.deployment, need.record.sequence) in done]
        self._tell_waiting(there)
        self.there[deployment] = self._after[deployment]
        self._local.note_shared(deployment, self._after[deployment])

    async def _give_again(self, deployment: int, have: int) -> None:
        """Queue what the place has lost, or never got: all facts but the first `have`, and what follows from
        them."""
        records = await self._local.records(deployment)
        last = records[-1].sequence if records else 0
        meanwhile = [record for record in self._waiting.get(deployment, []) if record.sequence > last]
        self._waiting[deployment] = [*records[have:], *meanwhile]
        self._after[deployment] = have
        if (summary := await self._local.summary(deployment)) is not None:
            self._changed.setdefault(deployment, summary)
        self._memory_changed = True

    def _tell_waiting(self, needs: Sequence[_Need]) -> None:
        self._needed = [need for need in self._needed if need not in needs]
        for need in needs:
            if not need.there.done():
                need.there.set_result(None)

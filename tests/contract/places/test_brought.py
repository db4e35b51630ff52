"""What only one machine knows comes to the place: an earlier history, and what happened while it was away."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_shared_journal import ANN, BOB, Way, begun, machine

from rollout.adapters.journal import SqliteJournal
from rollout.adapters.journal.shared import SharedJournal
from rollout.domain import Outcome
from rollout.errors import PlaceError
from rollout.events import DeploymentFinished, Record, Warned
from tests.support.memory_place import MemoryPlace, Stored


class CutOff(Way):
    """A way that ends after some exchanges."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    async def before(self) -> None:
        self.away = self.exchanges >= self._after
        await super().before()


async def test_a_history_comes_whole_or_from_its_end(tmp_path: Path) -> None:
    """Where its machine is cut off, what has come is the latest, each under its own number, and nothing older
    follows later."""
    stored = Stored()
    records = {number: [Record(number, 1, 10.0, Warned(f"deployment {number}"))] for number in (2, 3, 5)}
    summaries = {number: {"deployment": number} for number in records}
    local = await SqliteJournal.open(tmp_path / "ann" / "journal.db")
    way = CutOff(after=4)  # taking the lock, looking, and two of three publications
    place = MemoryPlace(stored, before=way.before)
    journal = SharedJournal(local, place, "shop", patience=0.3)
    epoch = await place.take(ANN)
    assert epoch is not None
    await journal.pull()
    await journal.bring(records, summaries, {"web1": {"release": "1"}})
    with pytest.raises(PlaceError):
        await journal.hold(ANN, epoch)
    await local.aclose()
    assert sorted(stored.facts) == [3, 5]
    async with machine(tmp_path / "bob", stored, BOB, over=ANN.token) as journal:
        assert await journal.summaries("shop") == {3: {"deployment": 3}, 5: {"deployment": 5}}
        assert await journal.nodes("shop") == {"web1": {"release": "1"}}
        assert await begun(journal) == 6
    async with machine(tmp_path / "ann", stored, ANN):
        assert sorted(stored.facts) == [3, 5, 6]


async def test_what_others_know_of_a_number_counts(tmp_path: Path) -> None:
    """A machine that was cut off before anything came knows the others' deployments, not its own with the
    same numbers."""
    stored = Stored()
    async with machine(tmp_path / "bob", stored, BOB) as journal:
        for _ in range(3):
            await begun(journal, Warned("bob's"))
    local = await SqliteJournal.open(tmp_path / "ann" / "journal.db")
    journal = SharedJournal(local, MemoryPlace(Stored()), "shop", patience=0.3)
    own = {number: [Record(number, at, 10.0, Warned("own")) for at in (1, 2)] for number in (1, 2, 3)}
    await journal.bring(own, {number: {"events": 2} for number in own}, {})
    await local.aclose()
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        assert await journal.summaries("shop") == {key: {"events": 1} for key in (1, 2, 3)}
        for number in (1, 2, 3):
            assert [record.event for record in await journal.records(number)] == [Warned("bob's")]
    assert all(len(facts) == 1 for facts in stored.facts.values())


async def test_the_summary_follows_with_the_facts(tmp_path: Path) -> None:
    """The place was away when a deployment ended: other machines see how it did, once it is back."""
    stored, way = Stored(), Way()
    async with machine(tmp_path / "ann", stored, ANN, way) as journal:
        number = await begun(journal)
        way.away = True
        end = DeploymentFinished(Outcome.DONE, 1.0)
        journal.append(number, end, lambda record: ({"outcome": "done"}, {}))
        await journal.written()
    async with machine(tmp_path / "ann", stored, ANN, over=ANN.token):
        pass
    async with machine(tmp_path / "bob", stored, BOB) as journal:
        assert await journal.summaries("shop") == {number: {"outcome": "done"}}


async def test_a_place_that_lost_everything_gets_it_back(tmp_path: Path) -> None:
    """From each machine that has it: nobody prunes all, so that is no removal."""
    async with machine(tmp_path / "ann", Stored(), ANN) as journal:
        numbers = [await begun(journal) for _ in range(2)]
    stored = Stored()
    async with machine(tmp_path / "ann", stored) as journal:
        assert list(await journal.summaries("shop")) == numbers
    async with machine(tmp_path / "ann", stored, ANN):
        pass
    async with machine(tmp_path / "bob", stored) as journal:
        assert await journal.summaries("shop") == {key: {"events": 1} for key in numbers}

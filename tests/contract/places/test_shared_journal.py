"""The journal of all deployers: whichever machine is asked, it knows the same."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from rollout.adapters.journal import SqliteJournal
from rollout.adapters.journal.shared import SharedJournal
from rollout.domain import LockHolder, Outcome, Step
from rollout.errors import LockLost, PlaceError
from rollout.events import DeploymentFinished, Event, OutputSeen, StepFinished, StepStarted, Warned
from tests.support.memory_place import MemoryPlace, Stored

ANN = LockHolder("1" * 32, "ann", "laptop", 17, 1_700_000_000.0, "deploy 1.4.2")
BOB = dataclasses.replace(ANN, token="2" * 32, user="bob", host="ci")
FIRST: list[Event] = [Warned("begun")]
DRAIN = StepStarted("web1", Step.DRAIN)


class Way:
    """A machine's way to the place: it may be away, or lose an answer."""

    def __init__(self) -> None:
        self.away = False
        self.loses = 0
        self.exchanges = 0

    async def before(self) -> None:
        self.exchanges += 1
        if self.away:
            raise PlaceError("lb1 does not answer")

    async def after(self) -> None:
        if self.loses:
            self.loses -= 1
            raise PlaceError("the answer was lost")


@asynccontextmanager
async def machine(
    folder: Path, stored: Stored, holder: LockHolder | None = None, way: Way | None = None, over: str = ""
) -> AsyncIterator[SharedJournal]:
    """The journal of one machine, whose copy is in `folder`, as `holder` of the lock if there is one."""
    way = way or Way()
    place = MemoryPlace(stored, before=way.before, after=way.after)
    local = await SqliteJournal.open(folder / "journal.db")
    journal = SharedJournal(local, place, "shop", patience=0.3)
    try:
        epoch = None
        if holder is not None:
            epoch = await place.take(holder, over=over)
            assert epoch is not None
        await journal.pull()
        if holder is not None and epoch is not None:
            await journal.hold(holder, epoch)
        yield journal
    finally:
        await journal.finish()
        await local.aclose()
        if holder is not None and not way.away:
            await place.drop(holder)


async def begun(journal: SharedJournal, *events: Event) -> int:
    records = await journal.begin("shop", events or FIRST, lambda records: {"events": len(records)})
    return records[0].deployment


async def known(journal: SharedJournal, number: int) -> list[Event]:
    return [record.event for record in await journal.records(number)]


@pytest.fixture
def stored() -> Stored:
    return Stored()


async def test_another_machine_knows_what_one_did(tmp_path: Path, stored: Stored) -> None:
    """Facts, summaries and memories, also with an empty home; numbers go on where the other one ended."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        number = await begun(journal)
        journal.append(number, OutputSeen("web1", Step.RESTART, "hello"))
        journal.append(number, DRAIN, lambda record: ({"events": 2}, {"web1": {"release": "1.1"}}))
        await journal.written("web1")
        journal.append(number, StepFinished("web1", Step.DRAIN, 0.5))
    async with machine(tmp_path / "bob", stored, BOB) as journal:
        assert await known(journal, number) == [*FIRST, DRAIN, StepFinished("web1", Step.DRAIN, 0.5)]
        assert await journal.summaries("shop") == {number: {"events": 2}}
        memory = dict((await journal.nodes("shop"))["web1"])
        assert memory.pop("at") > 0
        assert memory.pop("epoch") > 0
        assert memory == {"release": "1.1"}
        second = await begun(journal)
        assert second == number + 1
    async with machine(tmp_path / "ann", stored) as journal:
        assert list(await journal.summaries("shop")) == [number, second]
        assert await known(journal, second) == FIRST


async def test_records_name_the_epoch_of_their_lock(tmp_path: Path, stored: Stored) -> None:
    """A later holder's are in a later one."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        number = await begun(journal)
        (first,) = await journal.records(number)
    async with machine(tmp_path / "bob", stored, BOB) as journal:
        second = await begun(journal)
        (later,) = await journal.records(second)
        (same,) = await journal.records(number)
    assert 0 < first.epoch < later.epoch
    assert same == first


async def test_a_nodes_turn_waits_for_the_place_and_no_other_fact_does(
    tmp_path: Path, stored: Stored
) -> None:
    """One exchange for each node: that its turn begins is there before it is touched."""
    way = Way()
    async with machine(tmp_path / "ann", stored, ANN, way) as journal:
        number = await begun(journal)
        before = way.exchanges
        for node in ("web1", "web2"):
            journal.append(number, StepStarted(node, Step.PREPARE))
            await journal.written(node)
            journal.append(number, StepStarted(node, Step.DRAIN))
            await journal.written(node)
            assert f'"node": "{node}", "step": "drain"' in stored.facts[number][-1]
            for step in (Step.RESTART, Step.VERIFY, Step.READY):
                journal.append(number, StepStarted(node, step))
                await journal.written(node)
        assert way.exchanges - before == 2
    assert len(stored.facts[number]) == 11


async def test_while_the_place_is_away_no_turn_begins_and_nothing_is_lost(
    tmp_path: Path, stored: Stored
) -> None:
    """The turn is refused after the patience; what happens meanwhile is added once the place is back."""
    way = Way()
    async with machine(tmp_path / "ann", stored, ANN, way) as journal:
        number = await begun(journal)
        way.away = True
        journal.append(number, Warned("meanwhile"))
        await journal.written()
        journal.append(number, DRAIN)
        with pytest.raises(PlaceError, match=r"lb1 does not answer \(for 0\.3 s\)"):
            await journal.written("web1")
        await journal.written("web2")  # it is in flight already, and goes on
        assert len(stored.facts[number]) == 1
        way.away = False
        await journal.written("web1")
        assert len(stored.facts[number]) == 3


async def test_what_a_machine_could_not_share_it_shares_the_next_time(tmp_path: Path, stored: Stored) -> None:
    """Killed or cut off in mid-deployment: its copy here has the rest, and its next verb adds it."""
    way = Way()
    async with machine(tmp_path / "ann", stored, ANN, way) as journal:
        number = await begun(journal)
        way.away = True
        journal.append(number, DeploymentFinished(Outcome.DONE, 1.0), lambda _: ({"events": 2}, {}))
        await journal._local.written()
        if (publishing := journal._publisher._publishing) is not None:
            publishing.cancel()
    async with machine(tmp_path / "ann", stored) as journal:
        assert len(await journal.records(number)) == 2, "this machine knows it already"
    async with machine(tmp_path / "ann", stored, ANN, over=ANN.token):
        pass
    async with machine(tmp_path / "bob", stored) as journal:
        assert len(await journal.records(number)) == 2
        assert await journal.summaries("shop") == {number: {"events": 2}}


async def test_one_that_was_killed_keeps_what_it_could_not_share(tmp_path: Path, stored: Stored) -> None:
    """Although it did not even note that others have what came before."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        number = await begun(journal)
        journal.append(number, DRAIN)
        await journal.written("web1")
        journal._local.append(number, Warned("only here"))
        await journal._local.written()
    with closing(sqlite3.connect(tmp_path / "ann" / "journal.db")) as database, database:
        database.execute("DELETE FROM shared")
        database.execute("UPDATE counts SET shared = 0")
    async with machine(tmp_path / "ann", stored, ANN):
        pass
    async with machine(tmp_path / "bob", stored) as journal:
        assert await known(journal, number) == [*FIRST, DRAIN, Warned("only here")]


async def test_a_lost_answer_adds_nothing_twice(tmp_path: Path, stored: Stored) -> None:
    """It is sent again, and the place knows it already."""
    way = Way()
    async with machine(tmp_path / "ann", stored, ANN, way) as journal:
        number = await begun(journal)
        way.loses = 1
        journal.append(number, DRAIN)
        await journal.written("web1")
        assert way.loses == 0
    assert len(stored.facts[number]) == 2


async def test_a_place_that_lost_its_last_write_gets_it_again(tmp_path: Path, stored: Stored) -> None:
    """Within a deployment, and by the next verb, also one that only reads."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        number = await begun(journal)
        journal.append(number, DRAIN)
        await journal.written("web1")
        del stored.facts[number][1:]
        journal.append(number, StepStarted("web2", Step.DRAIN), lambda _: ({"events": 3}, {"web2": {}}))
        await journal.written("web2")
        assert len(stored.facts[number]) == 3
    for lost in ("some", "all"):
        del stored.facts[number][2:]
        stored.summaries[number] = stored.memory = ""
        if lost == "all":
            del stored.facts[number]
        async with machine(tmp_path / "ann", stored) as journal:
            assert len(await journal.records(number)) == 3
            await journal.catch_up(BOB, None)
        async with machine(tmp_path / lost, stored) as journal:
            assert len(await journal.records(number)) == 3
            assert await journal.summaries("shop") == {number: {"events": 3}}
            assert list(await journal.nodes("shop")) == ["web2"]


async def test_one_that_was_overtaken_adds_nothing_more(tmp_path: Path, stored: Stored) -> None:
    """Its turn is refused with the name of who took over, and the facts of both stay apart."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        number = await begun(journal)
        async with machine(tmp_path / "bob", stored, BOB, over=ANN.token) as other:
            journal.append(number, DRAIN)
            with pytest.raises(LockLost, match="bob on ci"):
                await journal.written("web1")
            await other.records(number)
            other.append(number, Warned("bob goes on"))
            await begun(other)
    assert [len(facts) for facts in stored.facts.values()] == [2, 1]
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        assert await known(journal, number) == [*FIRST, Warned("bob goes on")]


async def test_what_one_says_that_was_overtaken_is_older(tmp_path: Path, stored: Stored) -> None:
    """It slept, woke, and told its own machine of a node that the next one had put back since: that machine
    believes the next one, too."""
    async with machine(tmp_path / "ann", stored, ANN) as late:
        number = await begun(late)
        async with machine(tmp_path / "bob", stored, BOB, over=ANN.token) as journal:
            second = await begun(journal)
            journal.append(second, DRAIN, lambda record: (None, {"web1": {"left_out": False}}))
            await journal.written("web1")
        late.append(number, DRAIN, lambda record: (None, {"web1": {"left_out": True}}))
        with pytest.raises(LockLost):
            await late.written("web1")
    async with machine(tmp_path / "ann", stored) as journal:
        assert (await journal.nodes("shop"))["web1"]["left_out"] is False


async def test_one_that_was_overtaken_is_in_nobodys_way(tmp_path: Path, stored: Stored) -> None:
    """On the same machine, whoever took over continues the same deployment, and what the other one still
    tells comes too late, before the first fact of the new epoch and after it."""
    async with machine(tmp_path / "ann", stored, ANN) as late:
        number = await begun(late)
        await known(late, number)
        async with machine(tmp_path / "ann", stored, BOB, over=ANN.token) as journal:
            await known(journal, number)
            late.append(number, DRAIN)
            with pytest.raises(LockLost):
                await late.written("web1")
            journal.append(number, DRAIN, lambda record: (None, {"web1": {"left_out": False}}))
            await journal.written("web1")
            late.append(number, DRAIN, lambda record: (None, {"web1": {"left_out": True}}))
            with pytest.raises(LockLost):
                await late.written("web1")
            assert await known(journal, number) == [*FIRST, DRAIN]
            assert (await journal.nodes("shop"))["web1"]["left_out"] is False


async def test_pruned_deployments_go_everywhere(tmp_path: Path, stored: Stored) -> None:
    """At the place, and in the other machine's copy when it looks."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        numbers = [await begun(journal) for _ in range(3)]
    async with machine(tmp_path / "bob", stored, BOB) as journal:
        await journal.forget(numbers[:1])
    async with machine(tmp_path / "ann", stored) as journal:
        assert list(await journal.summaries("shop")) == numbers[1:]


async def test_a_home_that_is_new_reads_little(tmp_path: Path, stored: Stored) -> None:
    """Of two hundred deployments the last one, in one exchange; of another one what is asked for."""
    async with machine(tmp_path / "ann", stored, ANN) as journal:
        for _ in range(200):
            await begun(journal)
    for _ in range(2):
        way = Way()
        async with machine(tmp_path / "ci", stored, way=way) as journal:
            assert await journal.summaries("shop", latest=1) == {200: {"events": 1}}
            assert len(await journal.records(200)) == 1
            assert way.exchanges == 1
            assert len(await journal.records(7)) == 1
            assert len(await journal.summaries("shop")) == 200
            assert way.exchanges == 3


async def test_old_deployments_cost_nothing(tmp_path: Path, stored: Stored) -> None:
    """SQLite itself counts its steps: a machine that has made two thousand deployments takes as many to look,
    to take the lock and to begin the next one as a machine that has made ten."""
    steps: list[int] = []
    for number, deployments in enumerate((10, 2_000)):
        copy, stored = tmp_path / str(number), Stored()
        async with machine(copy, stored, ANN) as journal:
            await begun(journal)
        with closing(sqlite3.connect(copy / "journal.db")) as database, database:
            for later in range(2, deployments + 1):
                stored.facts[later], stored.summaries[later] = stored.facts[1], stored.summaries[1]
                for table in ("deployments", "events", "shared"):
                    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")][1:]
                    first = "id" if table == "deployments" else "deployment"
                    names = ", ".join(columns)
                    database.execute(
                        f"INSERT INTO {table} ({first}, {names}) "
                        f"SELECT ?, {names} FROM {table} WHERE {first} = 1",
                        [later],
                    )
        local = await SqliteJournal.open(copy / "journal.db")
        steps.append(0)

        def count() -> int:
            steps[-1] += 1
            return 0

        local._database._database.set_progress_handler(count, 1)
        journal = SharedJournal(local, MemoryPlace(stored), "shop", patience=0.3)
        assert await local.last_epoch() == 1
        epoch = await MemoryPlace(stored).take(ANN)
        assert epoch is not None
        await journal.pull()
        await journal.hold(ANN, epoch)
        assert await journal.summaries("shop", 1) == {deployments: {"events": 1}}
        assert await begun(journal) == deployments + 1
        await journal.finish()
        await local.aclose()
    assert steps[0] == steps[1]

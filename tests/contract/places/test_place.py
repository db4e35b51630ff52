"""What every place promises: a lock whose epoch only rises, facts that are added once, by its holder."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from contextlib import aclosing

import pytest

from rollout.domain import LockHolder, LockRequests, Publication, Shared
from rollout.errors import FactsMissing, LockLost
from rollout.ports import Place

ONE = LockHolder("1" * 32, "ann", "laptop", 17, 1_700_000_000.0, "deploy 1.4.2", "boot", "pid:[1]", 4711)
OTHER = dataclasses.replace(ONE, token="2" * 32, user="bob", purpose="restart")
FACTS = ['{"kind": "Started", "text": "it\'s 100 % \\"quoted\\" $HOME `id` \\\\n"}', '{"é": "✓"}', "{}"]


async def test_one_takes_it_and_the_other_sees_who_holds_it(place: Place) -> None:
    """Until it is dropped; then the other one may have it, in a later epoch."""
    assert await place.held() is None
    first = await place.take(ONE)
    assert first is not None
    assert await place.take(OTHER) is None
    held = await place.held()
    assert held is not None
    assert (held.holder, held.epoch) == (ONE, first)
    assert 0 <= held.silent < 5
    await place.drop(ONE)
    assert await place.held() is None
    later = await place.take(OTHER, above=first + 5)
    assert later is not None
    assert later > first + 5


async def test_a_try_whose_answer_was_lost_may_be_made_again(place: Place) -> None:
    """The holder that has the lock gets its epoch, and what others asked of it stays."""
    epoch = await place.take(ONE)
    await place.ask("halt", "cid")
    assert await place.take(ONE) == epoch
    assert await place.beat(ONE) == LockRequests("cid")


async def test_of_many_at_once_one_gets_it(place: Place) -> None:
    """However they meet."""
    many = [dataclasses.replace(ONE, token=f"{number:032}") for number in range(20)]
    taken = await asyncio.gather(*map(place.take, many))
    held = await place.held()
    assert sum(epoch is not None for epoch in taken) == 1
    assert held is not None
    assert taken[many.index(held.holder)] == held.epoch


async def test_a_dead_one_is_taken_over_by_one_of_many(place: Place) -> None:
    """Each names the dead holder; the second one no longer finds it, and the dead one learns who did it."""
    await place.take(ONE)
    many = [dataclasses.replace(OTHER, token=f"{number:032}") for number in range(2, 10)]
    taken = await asyncio.gather(*(place.take(holder, over=ONE.token) for holder in many))
    assert sum(epoch is not None for epoch in taken) == 1
    with pytest.raises(LockLost, match="bob on laptop"):
        await place.beat(ONE)
    await place.drop(ONE)
    assert await place.held() is not None, "the dead one's late end takes nobody else's lock away"


async def test_one_that_lost_it_learns_who_took_over(place: Place) -> None:
    """Also when that one has ended meanwhile; where nobody did, somebody broke it."""
    epoch = await place.take(ONE)
    assert epoch is not None
    await place.drop(ONE)
    with pytest.raises(LockLost, match="somebody broke it"):
        await place.beat(ONE)
    await place.take(ONE)
    await place.take(OTHER, over=ONE.token)
    await place.drop(OTHER)
    with pytest.raises(LockLost, match=r"bob on laptop .* took over"):
        await place.beat(ONE)
    with pytest.raises(LockLost, match=r"bob on laptop .* took over"):
        await place.publish(ONE, epoch, Publication(1, 0, FACTS))
    await place.take(ONE)
    assert await place.beat(ONE) == LockRequests()


async def test_requests_reach_the_holder(place: Place) -> None:
    """A halt each time, a promote once; nobody is there to ask without a holder, and the next one is not
    asked."""
    assert not await place.ask("halt", "cid")
    await place.take(ONE)
    assert await place.beat(ONE) == LockRequests()
    assert await place.ask("halt", "cid on pc")
    assert await place.ask("promote", "dan on pc")
    assert await place.beat(ONE) == LockRequests("cid on pc", "dan on pc")
    assert await place.beat(ONE) == LockRequests("cid on pc")
    await place.take(OTHER, over=ONE.token)
    assert await place.beat(OTHER) == LockRequests()


async def test_facts_come_back_as_they_were(place: Place) -> None:
    """In order, whatever is in them; with the memory, and the count and the summary of each deployment."""
    epoch = await place.take(ONE)
    assert epoch is not None
    await place.publish(ONE, epoch, Publication(3, 0, FACTS, memory='{"web1": 1}', summary='{"done": 0}'))
    await place.publish(ONE, epoch, Publication(12, 0, FACTS[:1]))
    await place.publish(ONE, epoch, Publication(12, 1, FACTS[1:], summary='{"done": 2}'))
    shared = await place.look(latest=None)
    assert list(shared.counts.items()) == [(3, 3), (12, 3)]
    assert dict(shared.summaries) == {3: '{"done": 0}', 12: '{"done": 2}'}
    assert (shared.last, shared.total) == (12, 2)
    assert list(shared.facts) == FACTS
    assert shared.memory == '{"web1": 1}'
    assert shared.lock is not None
    assert shared.lock.holder == ONE
    assert list((await place.look(12, 2)).facts) == FACTS[2:]
    assert list((await place.look(3, 2)).facts) == FACTS
    assert list(await place.facts(3)) == FACTS
    assert list(await place.facts(4)) == []


async def test_a_look_shows_what_it_is_asked_for(place: Place) -> None:
    """The last deployment, or as many as are wanted, and others by their numbers; a summary where there is
    one. Whatever it shows, the facts are those of the last one."""
    epoch = await place.take(ONE)
    assert epoch is not None
    for number in range(8, 13):
        summary = f'{{"number": {number}}}' if number != 11 else None
        await place.publish(ONE, epoch, Publication(number, 0, [FACTS[0]] * (number - 7), summary=summary))
    for latest, also, shown in (
        (1, [], [12]),
        (3, [], [10, 11, 12]),
        (1, [8, 11, 12, 40], [8, 11, 12]),
        (2, [7, 9], [9, 11, 12]),
        (40, [], [*range(8, 13)]),
    ):
        shared = await place.look(latest=latest, also=also)
        assert list(shared.counts.items()) == [(number, number - 7) for number in shown]
        assert dict(shared.summaries) == {
            number: f'{{"number": {number}}}' for number in shown if number != 11
        }
        assert (shared.total, len(shared.facts)) == (5, 5)
    assert list(await place.numbers()) == [*range(8, 13)]


async def test_nothing_is_there_before_the_first_deployment(place: Place) -> None:
    """And that is no error."""
    shared = await place.look()
    assert (shared.lock, shared.memory, shared.total, list(shared.facts)) == (None, "", 0, [])
    assert dict((await place.look(latest=None, also=[1])).counts) == {}
    assert list(await place.numbers()) == []


async def test_a_fact_that_is_sent_again_is_added_once(place: Place) -> None:
    """As after an answer that was lost; and one that is missing before is said."""
    epoch = await place.take(ONE)
    assert epoch is not None
    await place.publish(ONE, epoch, Publication(1, 0, FACTS[:2]))
    await place.publish(ONE, epoch, Publication(1, 0, FACTS))
    await place.publish(ONE, epoch, Publication(1, 1, FACTS[1:]))
    assert list(await place.facts(1)) == FACTS
    with pytest.raises(FactsMissing) as missing:
        await place.publish(ONE, epoch, Publication(1, 5, FACTS))
    assert missing.value.have == 3


async def test_a_holder_that_was_overtaken_adds_nothing(place: Place) -> None:
    """Neither by its lock nor in its epoch; what is there stays."""
    epoch = await place.take(ONE)
    assert epoch is not None
    await place.publish(ONE, epoch, Publication(1, 0, FACTS[:1]))
    later = await place.take(OTHER, over=ONE.token)
    assert later is not None
    with pytest.raises(LockLost, match="bob"):
        await place.publish(ONE, epoch, Publication(1, 1, FACTS[1:], memory="{}"))
    with pytest.raises(LockLost):
        await place.publish(OTHER, epoch, Publication(1, 1, FACTS[1:]))
    assert list(await place.facts(1)) == FACTS[:1]
    assert (await place.look()).memory == ""


async def test_pruned_deployments_are_gone(place: Place) -> None:
    """The others stay, and only the holder prunes."""
    epoch = await place.take(ONE)
    assert epoch is not None
    for number in (1, 2, 3):
        await place.publish(ONE, epoch, Publication(number, 0, FACTS, summary="{}"))
    await place.prune(OTHER, [3])
    await place.prune(ONE, [1, 2])
    shared = await place.look(latest=None, also=[1])
    assert (shared.total, dict(shared.counts), dict(shared.summaries)) == (1, {3: 3}, {3: "{}"})
    assert list(await place.numbers()) == [3]


async def test_changes_are_noticed(place: Place) -> None:
    """By whoever waits for them: a lock, a request, facts, in this order."""
    async with aclosing(place.changes(0.2, facts=True)) as changes:

        async def changed(true: Callable[[Shared, LockRequests], bool]) -> None:
            async with asyncio.timeout(20):
                async for told in changes:
                    if told:
                        shared = await place.look()
                        asked = await place.beat(ONE) if shared.lock else LockRequests()
                        if true(shared, asked):
                            return

        epoch = await place.take(ONE)
        assert epoch is not None
        await changed(lambda shared, _: shared.lock is not None)
        await place.ask("promote", "cid")
        await changed(lambda _, asked: asked.promote == "cid")
        await place.publish(ONE, epoch, Publication(1, 0, FACTS))
        await changed(lambda shared, _: list(shared.facts) == FACTS)


async def test_much_is_no_more_than_little(place: Place) -> None:
    """Five thousand facts of a deployment with thousands of servers, and a memory of 100 kB."""
    epoch = await place.take(ONE)
    assert epoch is not None
    many = [f'{{"number": {number}, "text": "{"x" * 300}"}}' for number in range(5000)]
    memory = f'{{"nodes": "{"y" * 100_000}"}}'
    await place.publish(ONE, epoch, Publication(1, 0, many, memory=memory))
    shared = await place.look()
    assert list(shared.facts) == many
    assert shared.memory == memory

"""etcd as a place: members that are gone or hang, and values that are larger than etcd takes."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.places.etcd_keys import Keys
from rollout.domain import Publication
from rollout.errors import PlaceError
from tests.support.etcd import Etcd
from tests.support.etcd_place import opened, taken
from tests.support.folders import ONE
from tests.support.until import until_seen


@pytest.fixture
def three(etcd_program: Path, tmp_path: Path) -> Iterator[Etcd]:
    """Three members."""
    with Etcd(etcd_program, tmp_path, members=3) as etcd:
        yield etcd


async def test_the_next_member_is_asked(three: Etcd) -> None:
    """Where one is down or hangs; and then the one that answered, so that only one request has to wait."""
    clock = asyncio.get_running_loop().time
    async with opened(three.address()) as place:
        three.kill(0)
        await taken(place)
    three.run(0)
    await until_seen(lambda: asyncio.to_thread(three.status, 0), "the member to be back")
    async with opened(three.address()) as place:
        three.signal(0, signal.SIGSTOP)
        await place.held()
        begun = clock()
        for _ in range(10):
            await place.held()
        assert clock() - begun < 3
        three.signal(0, signal.SIGCONT)


async def test_a_leader_that_is_cut_off_loses_nothing(three: Etcd) -> None:
    """Facts that are published meanwhile are there once, in order; also those that it was given last."""
    facts = [f'{{"number": {number}}}' for number in range(60)]
    leader = three.leader()
    async with opened(three.address(members=(three.members[leader], *three.members))) as place:
        epoch = await taken(place)
        for number, fact in enumerate(facts):
            if number == 30:
                three.signal(leader, signal.SIGSTOP)
            await place.publish(ONE, epoch, Publication(1, number, [fact], memory=fact))
            await place.beat(ONE)
        three.signal(leader, signal.SIGCONT)
        await until_seen(lambda: asyncio.to_thread(three.status, leader), "the old leader to follow")
        shared = await place.look()
        assert list(shared.facts) == facts
        assert shared.memory == facts[-1]
        assert shared.lock is not None
        assert shared.lock.epoch == epoch


async def test_no_member_answers(three: Etcd) -> None:
    """The error says of each why; without a majority, too."""
    members = three.members
    async with opened(three.address()) as place:
        three.kill(0)
        three.signal(1, signal.SIGSTOP)
        with pytest.raises(PlaceError) as error:
            await place.held()
        assert f"{members[0]}: connection refused" in str(error.value)
        assert f"{members[1]}: no answer within 3 s" in str(error.value)
        assert f"{members[2]}: " in str(error.value)
        three.signal(1, signal.SIGCONT)

        async def answers() -> bool:
            try:
                return await place.held() is None
            except PlaceError:
                return False

        await until_seen(answers, "a majority")


async def test_a_member_that_was_restarted_is_watched_again(etcd_program: Path, tmp_path: Path) -> None:
    """While it is away, something may have changed; afterwards, each change is told again."""
    with Etcd(etcd_program, tmp_path) as etcd:
        async with opened(etcd.address()) as place, aclosing(place.changes(60, facts=True)) as changes:
            await taken(place)
            assert await anext(changes)
            etcd.kill(0)
            for _ in range(3):
                async with asyncio.timeout(20):
                    assert await anext(changes)
            etcd.run(0)
            await until_seen(lambda: asyncio.to_thread(etcd.status, 0), "the member to be back")
            held = await place.held()
            assert held is not None
            assert held.holder == ONE
            await place.drop(ONE)
            async with asyncio.timeout(20):
                while await place.held() is not None:
                    assert await anext(changes)


async def test_facts_larger_than_etcd_takes(etcd: Etcd) -> None:
    """One fact of 3 MB that cannot be packed, many of 300 kB, and many more: as they were, in order."""
    facts = [
        secrets.token_hex(1_500_000),
        *(secrets.token_hex(150_000) for _ in range(6)),
        *(f'{{"number": {number}}}' for number in range(5000)),
    ]
    async with opened(etcd.address(), "large") as place:
        epoch = await taken(place)
        await place.publish(ONE, epoch, Publication(1, 0, facts, memory="{}", summary="{}"))
        shared = await place.look()
        assert dict(shared.counts) == {1: len(facts)}
        assert list(shared.facts) == facts
        assert list((await place.look(1, 4000)).facts) == facts[4000:]
        with pytest.raises(PlaceError, match="what is known of the nodes has"):
            await place.publish(ONE, epoch, Publication(1, len(facts), [], memory=secrets.token_hex(700_000)))
        assert (await place.look()).memory == "{}"


async def test_what_a_writer_left_that_was_cut_off_is_not_read(etcd: Etcd) -> None:
    """Neither before the next one writes there, nor after."""

    def put(part: int, value: bytes) -> dict[str, Any]:
        keys = Keys("/rollout/cut/")
        return dict(keys.put(f"facts/00000001/00000001.{part:04}", value)["request_put"])

    async with opened(etcd.address(), "cut") as place:
        epoch = await taken(place)
        await place.publish(ONE, epoch, Publication(1, 0, ['{"first": 1}']))
        for part in range(3):
            etcd.ask(0, "kv/put", **put(part, b"half of a fact"))
        assert list((await place.look()).facts) == ['{"first": 1}']
        await place.publish(ONE, epoch, Publication(1, 1, ['{"second": 2}']))
        assert list((await place.look()).facts) == ['{"first": 1}', '{"second": 2}']


async def test_what_somebody_else_wrote_is_no_state(etcd: Etcd) -> None:
    """The error says how to look at it."""
    keys = Keys("/rollout/foreign/")
    async with opened(etcd.address(), "foreign") as place:
        etcd.ask(0, "kv/put", **keys.put("lock", b"mine")["request_put"])
        with pytest.raises(PlaceError, match="holds something else") as error:
            await place.take(ONE)
        assert error.value.hint == "look at it: etcdctl get --prefix /rollout/foreign/"


async def test_many_deployments_are_pruned(etcd: Etcd) -> None:
    """More than one transaction may remove."""
    async with opened(etcd.address(), "pruned") as place:
        epoch = await taken(place)
        for number in range(1, 102):
            await place.publish(ONE, epoch, Publication(number, 0, ["{}"], summary="{}"))
        await place.prune(ONE, range(1, 101))
        shared = await place.look(latest=None)
        assert list(shared.counts) == list(shared.summaries) == [101]


async def test_services_do_not_see_each_other(etcd: Etcd) -> None:
    """One of them has a name that begins like another's."""
    async with opened(etcd.address(), "one") as one, opened(etcd.address(), "one-more") as more:
        await taken(more)
        assert await one.held() is None
        assert await one.take(ONE) == 1

"""What the end of a deployment says that users saw, beside what the users themselves count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.domain import Outcome
from rollout.events import Sampled, Served, UsersSaw
from tests.support.rolling import CHECK, Rolling, rolling
from tests.support.until import until
from tests.support.visitors import Seen, crowd

pytestmark = pytest.mark.every_haproxy

SIZE = 8
"""Clients with one request each: so many may be in flight when the counting begins and when it ends."""

SLOW_CHECK = (CHECK[0], "default-server check inter 200ms rise 1 fall 10")
"""HAProxy notices after 2 s that an application is gone, and until then users notice."""

SETTINGS = {
    "no retries": (),
    "redispatch": ("retries 3", "option redispatch"),
    "retry-on": ("retries 2", "option redispatch", "retry-on all-retryable-errors"),
}


@asynccontextmanager
async def last_node(binary: Path, settings: str, *, fresh: bool) -> AsyncIterator[tuple[Rolling, Seen]]:
    """A deployment under traffic that waits in the restart of web3, and ends after the block."""
    servers = (f"server web{number} {{web{number}}}" for number in (1, 2, 3))
    backends = {"shop": (*SETTINGS[settings], *SLOW_CHECK, *servers)}
    async with rolling(binary, 3, backends=backends, new_release="2") as it:
        held = it.hold("web3")
        async with crowd(it.here.balancers[0], "shop", size=SIZE, pause=0.005, fresh=fresh) as seen:
            running = asyncio.create_task(it.deployment.run())
            await until(lambda: it.restarting("web3"), "the last node")
            yield it, seen
            held.set()
            assert await running is Outcome.DONE


async def lose(seen: Seen, number: int) -> None:
    """Wait until users have lost that many more requests."""
    lost = len(seen.lost)
    await until(lambda: len(seen.lost) >= lost + number, f"{number} lost requests")


def near(counted: int, seen: int) -> bool:
    return abs(counted - seen) <= SIZE


@pytest.mark.parametrize(
    ("settings", "fresh"), [("no retries", False), ("redispatch", True), ("retry-on", False)]
)
async def test_what_users_count_themselves(haproxy_binary: Path, settings: str, fresh: bool) -> None:
    """One application is killed without a drain, another answers errors, then none is left: the figures are
    the clients' own, whatever HAProxy tries again, and HAProxy's own answers stand apart."""
    async with last_node(haproxy_binary, settings, fresh=fresh) as (it, seen):
        first, second = it.here.apps["web1"], it.here.apps["web2"]
        first.delay = second.delay = 0.005
        first.stop()
        served = seen.total
        await until(lambda: seen.total > served + 50, "traffic without web1")
        await first.start()
        second.error_every = 4
        await until(lambda: seen.total > served + 150, "traffic with errors")
        second.error_every = 0
        first.stop()
        second.stop()
        await lose(seen, 60)
        await first.start()
        await second.start()
    (saw,) = it.here.told(UsersSaw)
    served_by = {served.release: served for served in it.here.told(Served)}
    broken = sum(lost.startswith("500") for lost in seen.lost)
    refused = sum(lost.startswith("503") for lost in seen.lost)
    assert near(saw.errors, len(seen.lost)), (saw, len(seen.lost))
    assert saw.requests == pytest.approx(seen.total + len(seen.lost), rel=0.05)
    assert saw.errors == saw.by_haproxy + sum(served.errors for served in served_by.values())
    assert saw.by_haproxy >= refused - SIZE
    assert served_by["2"].errors >= broken - SIZE
    assert served_by["the release before"].errors == 0


async def test_samples_lead_up_to_what_the_end_says(haproxy_binary: Path) -> None:
    """Counters that only rise, by release; the last ones are those of the end. Capacity falls and is back."""
    async with last_node(haproxy_binary, "no retries", fresh=False) as (it, seen):
        before = seen.total
        await until(lambda: seen.total > before + 200, "traffic")
        await until(lambda: any(sample.ready == {"lb1": 2} for sample in it.here.told(Sampled)), "a sample")
    samples = it.here.told(Sampled)
    last, (saw,) = samples[-1], it.here.told(UsersSaw)
    served = {event.release: (event.requests, event.errors) for event in it.here.told(Served)}
    assert {
        release: (requests, errors)
        for release, requests, errors in zip(last.releases, last.requests, last.errors, strict=True)
    } == served
    assert last.by_haproxy == saw.by_haproxy
    assert last.ready == {"lb1": 3}
    totals = [sum(sample.requests) for sample in samples]
    assert totals == sorted(totals)
    assert totals[-1] > totals[0]
    assert all(set(sample.sessions) == {"lb1"} for sample in samples)

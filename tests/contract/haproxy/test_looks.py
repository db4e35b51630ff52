"""Looks at some servers among many, and at the states of all, with real HAProxy: what they show, and cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rollout.adapters.haproxy import HAProxy, all_states
from rollout.adapters.haproxy.transport import UnixTransport
from rollout.domain import AdminState, Reading, Server, ServerState
from rollout.remote import runtime
from tests.support.balancer import Balancer, balancer
from tests.support.until import until_seen

pytestmark = pytest.mark.every_haproxy

MANY = 150
BACKENDS = {
    name: tuple(f"server web{number} 127.0.0.1:{number} {check}" for number in range(1, MANY + 1))
    for name, check in (("shop", "weight 30 check inter 60s"), ("api", "disabled"))
}
OURS = (Server("lb1", "shop", "web7"), Server("lb1", "api", "web7"), Server("lb1", "shop", "web70"))


class Recorded(UnixTransport):
    """A way to HAProxy's socket that keeps the lines that are asked."""

    def __init__(self, lb: Balancer) -> None:
        super().__init__("lb1", lb.socket())
        self.asked: list[str] = []

    async def ask(self, request: bytes) -> bytes:
        self.asked.append(request.decode())
        return await super().ask(request)


@asynccontextmanager
async def looked_at(binary: Path) -> AsyncIterator[tuple[HAProxy, Balancer, list[str]]]:
    """HAProxy, of which everything was read once, and the lines that it is asked from then on."""
    async with balancer(binary, BACKENDS) as lb:
        transport = Recorded(lb)
        haproxy = HAProxy("lb1", transport)
        await haproxy.read()
        transport.asked.clear()
        yield haproxy, lb, transport.asked


def states(reading: Reading) -> dict[Server, ServerState]:
    return {state.server: state for state in reading.servers}


def everything(asked: list[str]) -> int:
    """How often all servers were read."""
    return sum("show stat -1 6 " in line for line in asked)


async def test_a_look_shows_what_a_reading_of_everything_shows(haproxy_binary: Path) -> None:
    """But of the servers that are wanted alone."""
    async with looked_at(haproxy_binary) as (haproxy, _, asked):
        seen = await haproxy.look(OURS)
        assert everything(asked) == 0
        whole = states(await haproxy.read())
        assert states(seen) == {server: whole[server] for server in OURS}
        assert (seen.only, seen.of_everything) == (frozenset(OURS), False)


async def test_what_many_look_at_is_one_exchange(haproxy_binary: Path) -> None:
    """Who asks for the process alone shares it, too."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        process = asyncio.create_task(haproxy.process())
        one, other, third = await asyncio.gather(*(haproxy.look([server]) for server in OURS))
        assert len(asked) == 1
        assert one is other is third
        assert await process == one.process
        assert one.pid == lb.pid


async def test_a_state_is_not_read_again_at_once(haproxy_binary: Path) -> None:
    """The second of two looks that follow each other shows the rows of the servers alone; now and then the
    quarter of a second ends in between."""
    async with looked_at(haproxy_binary) as (haproxy, _, asked):

        async def is_spared() -> bool:
            asked.clear()
            assert states(await haproxy.look(OURS)) == states(await haproxy.look(OURS))
            return ["show servers state shop" in line for line in asked] == [True, False]

        await until_seen(is_spared, "a look without states")


@pytest.mark.parametrize(
    ("what", "admin", "weight"),
    [
        ("set server shop/web7 state drain", AdminState.FORCED_DRAIN, 30),
        ("set server shop/web7 state maint", AdminState.FORCED_MAINT, 30),
        ("set server shop/web7 weight 12", AdminState.READY, 12),
    ],
)
async def test_what_others_change_is_seen_by_the_next_look(
    haproxy_binary: Path, what: str, admin: AdminState, weight: int
) -> None:
    """The statistics show that the state has changed, so it is read anew."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        await haproxy.look(OURS)
        await lb.ask(what)
        state = states(await haproxy.look(OURS))[OURS[0]]
        assert (state.admin, state.weight) == (admin, weight)
        assert everything(asked) == 0


async def test_what_the_statistics_do_not_show_is_seen_soon(haproxy_binary: Path) -> None:
    """A server that is DOWN shows no drain there: a look `now` sees it at once, any other in a moment."""
    async with looked_at(haproxy_binary) as (haproxy, lb, _):
        await lb.ask("set server shop/web7 health down")

        async def admin(*, now: bool = False) -> AdminState:
            return states(await haproxy.look(OURS, now=now))[OURS[0]].admin

        assert await admin() == AdminState.READY
        await lb.ask("set server shop/web7 state drain")
        assert await admin(now=True) == AdminState.FORCED_DRAIN
        await lb.ask("set server shop/web7 state ready")
        await lb.ask("set server shop/web7 health down")

        async def is_ready() -> bool:
            return await admin() == AdminState.READY

        await until_seen(is_ready, "the state to be read again", within=2.0)


async def test_a_command_ends_with_a_look(haproxy_binary: Path) -> None:
    """It shows what was set, as does the look after it, all in one exchange each."""
    async with looked_at(haproxy_binary) as (haproxy, _, asked):
        await haproxy.look(OURS)
        asked.clear()
        await haproxy.send(["set server shop/web7 state drain", "set server api/web7 state ready"], OURS)
        recent = haproxy.recent(of=OURS)
        assert haproxy.recent() is None
        assert len(asked) == 1
        for seen in (recent, await haproxy.look(OURS)):
            assert seen is not None
            assert [states(seen)[server].admin.forced for server in OURS] == [
                AdminState.FORCED_DRAIN,
                AdminState.READY,
                AdminState.READY,
            ]
        assert everything(asked) == 0


async def test_a_look_that_a_command_overtakes_is_forgotten(haproxy_binary: Path) -> None:
    """Looks go on while commands are sent: what comes after a command shows it, whatever shows in the
    statistics."""
    async with looked_at(haproxy_binary) as (haproxy, lb, _):
        await lb.ask("set server shop/web7 health down")
        looking = True

        async def look_on() -> None:
            while looking:
                await haproxy.look(OURS)

        onlookers = [asyncio.create_task(look_on()) for _ in range(3)]
        for _ in range(20):
            for word, admin in (("drain", AdminState.FORCED_DRAIN), ("ready", AdminState.READY)):
                commands = [f"set server shop/web7 state {word}", "set server shop/web7 health down"]
                await haproxy.send(commands, OURS)
                assert states(await haproxy.look(OURS))[OURS[0]].admin == admin
        looking = False
        await asyncio.gather(*onlookers)


async def test_after_a_reload_everything_is_read(haproxy_binary: Path) -> None:
    """Another process may number its servers otherwise: no look believes it."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        before = await haproxy.look(OURS)
        await lb.reload()

        async def is_new() -> bool:
            return (await haproxy.look(OURS)).process != before.process

        await until_seen(is_new, "the new process")
        assert everything(asked) == 1
        assert states(await haproxy.look(OURS)).keys() == set(OURS)


async def test_a_server_of_another_name_is_not_taken_for_it(haproxy_binary: Path) -> None:
    """A server that is removed, and whose number another one gets, is missing."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        await haproxy.look(OURS)
        for command in (
            "set server shop/web7 state maint",
            "del server shop/web7",
            "add server shop/other 127.0.0.1:7 id 7",
        ):
            await lb.ask(command)
        seen = states(await haproxy.look(OURS))
        assert OURS[0] not in seen
        assert OURS[1] in seen
        assert everything(asked) == 1


async def test_few_servers_are_read_as_a_whole(haproxy_binary: Path) -> None:
    """Where HAProxy has few servers, a look at some costs no less than a reading of all."""
    backends = {"shop": tuple(f"server web{number} 127.0.0.1:{number}" for number in range(1, 9))}
    async with balancer(haproxy_binary, backends) as lb:
        haproxy = lb.haproxy()
        assert len((await haproxy.look(OURS[:1])).servers) == 8
        assert len((await haproxy.look(OURS[:1])).servers) == 8


async def test_very_many_servers_are_looked_at_in_several_lines(haproxy_binary: Path) -> None:
    """A line holds some eighty of them."""
    servers = tuple(f"server web{number} 127.0.0.1:{number}" for number in range(1, 1301))
    async with balancer(haproxy_binary, {"shop": servers}) as lb:
        haproxy = lb.haproxy()
        await haproxy.read()
        wanted = [Server("lb1", "shop", f"web{number}") for number in range(1, 151)]
        seen = await haproxy.look(wanted)
        assert seen.only == frozenset(wanted)
        assert states(seen).keys() == set(wanted)


async def test_twins_are_looked_at_with_their_servers(haproxy_binary: Path) -> None:
    """From the command that adds one, or from a moment after others did, until it is removed."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        found = states(await haproxy.look(OURS))
        adding = [line for server in OURS[:2] for line in runtime.add_twin(found[server], (), "1s")]
        await haproxy.send(adding, OURS)
        twins = {server.twin for server in OURS[:2]}
        for seen in (haproxy.recent(of=OURS), await haproxy.look(OURS)):
            assert seen is not None
            assert {state.server for state in seen.twins} == twins
            assert states(seen).keys() == set(OURS)
        assert everything(asked) == 0
        assert {state.server for state in (await haproxy.read()).twins} == twins

        await haproxy.send([*runtime.remove_twin(OURS[0].twin)], OURS)
        assert {state.server for state in (await haproxy.look(OURS)).twins} == {OURS[1].twin}
        await lb.ask(";".join(runtime.remove_twin(OURS[1].twin)))
        assert (await haproxy.look(OURS)).twins == ()
        for line in runtime.add_twin(found[OURS[2]], (), "1s"):
            await lb.ask(line)

        async def is_seen() -> bool:
            return [state.server for state in (await haproxy.look(OURS)).twins] == [OURS[2].twin]

        await until_seen(is_seen, "the twin that others added")


async def test_the_states_of_all_are_read_without_their_statistics(haproxy_binary: Path) -> None:
    """They are those of now, and everything else is as it was read last."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        before = await haproxy.states()
        await lb.ask("set server shop/web7 state maint;set server shop/web8 weight 12")
        after = await haproxy.states()
        assert everything(asked) == 0
        assert (before.of_everything, after.of_everything) == (True, True)
        assert haproxy.recent() is not after
        changed = {
            s.name: (states(after)[s].admin, states(after)[s].weight)
            for s in states(after)
            if states(after)[s] != states(before)[s]
        }
        assert changed == {"web7": (AdminState.FORCED_MAINT, 30), "web8": (AdminState.READY, 12)}
        assert after.queued == {"shop": 0, "api": 0}


async def test_states_of_other_servers_take_a_reading_of_everything(haproxy_binary: Path) -> None:
    """After a reload, and where a server was added; a twin is no other server."""
    async with looked_at(haproxy_binary) as (haproxy, lb, asked):
        before = await haproxy.states()
        for line in runtime.add_twin(states(before)[OURS[0]], (), "1s"):
            await lb.ask(line)
        assert len((await haproxy.states()).servers) == 2 * MANY
        assert everything(asked) == 0
        await lb.ask("add server shop/other 127.0.0.1:7")
        assert len((await haproxy.states()).servers) == 2 * MANY + 1
        assert everything(asked) == 1
        await lb.reload()

        async def is_new() -> bool:
            return (await haproxy.states()).process != before.process

        await until_seen(is_new, "the new process")
        assert len((await haproxy.states()).servers) == 2 * MANY
        assert everything(asked) == 2


async def test_old_statistics_do_not_count(haproxy_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing reads them once a second, each look does."""
    monkeypatch.setattr(all_states, "_COUNTED", 0.0)
    async with looked_at(haproxy_binary) as (haproxy, _, asked):
        await haproxy.states()
        assert everything(asked) == 1

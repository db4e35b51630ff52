"""A node that comes back takes its share of the traffic by steps, and ends at the weight that it had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rollout.domain import AdminState, Outcome, Step
from rollout.engine.checks.on_load_balancer import server_findings
from rollout.engine.site import survey
from rollout.events import CommandSent, DeploymentFinished, Progressed, StepFailed, StepFinished
from tests.support.rolling import CHECK, Rolling, rolling
from tests.support.until import until
from tests.support.visitors import crowd

READY, DRAIN = AdminState.READY, AdminState.FORCED_DRAIN
SLOWLY = {"steps": ["10%", "50%", "100%"], "over": "40s"}
"""So that it stands at its first step for longer than a test takes."""


def shop(*more: str, server: str = "weight 100", nodes: int = 2) -> dict[str, tuple[str, ...]]:
    servers = (f"server web{number} {{web{number}}}" for number in range(1, nodes + 1))
    return {"shop": (*CHECK, f"default-server {server}", *more, *servers)}


@asynccontextmanager
async def warming(
    binary: Path, warmup: dict[str, Any] = SLOWLY, *, nodes: int = 2, backends: Any = None, **more: Any
) -> AsyncIterator[tuple[Rolling, asyncio.Task[Outcome]]]:
    """A deployment that runs, of which the first node is about to be warmed up."""
    async with rolling(binary, nodes, backends=backends or shop(nodes=nodes), warmup=warmup, **more) as it:
        running = asyncio.create_task(it.deployment.run())
        try:
            yield it, running
        finally:
            if not running.done():
                running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def weights(it: Rolling, node: str = "web1") -> list[str]:
    """Every weight that was set for a node, in order."""
    lines = [event.line for event in it.here.told(CommandSent) if event.node == node]
    return [line.rpartition(" ")[2] for line in lines if " weight " in line and " state " not in line]


def ready_detail(it: Rolling, node: str = "web1") -> str:
    return next(e.detail for e in it.here.told(StepFinished) if (e.node, e.step) == (node, Step.READY))


async def at(it: Rolling, weight: int, *balancers: str) -> None:
    """Wait until every one of these load balancers has shown it in rotation with this weight."""
    for name in balancers or ("lb1",):
        told = f"weight {weight} of "
        await until(lambda: any(told in line and name in line for line in progress(it)), f"{told} {name}")  # noqa: B023


def progress(it: Rolling) -> list[str]:
    return [event.detail for event in it.here.told(Progressed) if event.node == "web1"]


async def test_its_share_rises_by_steps(haproxy_binary: Path) -> None:
    """Under traffic, which loses nothing: a tenth of its weight first, then half, then all of it."""
    async with (
        warming(haproxy_binary, {"over": "1s"}) as (it, running),
        crowd(it.here.balancers[0], "shop", pause=0.001) as seen,
    ):
        moments = []
        for weight in (10, 50, 100):
            await at(it, weight)
            moments.append(seen.answers.copy())
        assert await running is Outcome.DONE
        moments.append(seen.answers.copy())
        await until(lambda: (seen.answers - moments[-1]).total() > 200, "traffic with both")
        moments.append(seen.answers.copy())
        during = [after - before for before, after in pairwise(moments)]
        tenth, half, _, full = [answers["web1"] / answers.total() for answers in during]
        assert tenth < 0.2 < half < 0.42 < full
        first = [event.line for event in it.here.told(CommandSent) if event.step is Step.READY][:2]
        assert first == [
            "set server shop/web1 weight 10",
            "set server shop/web1 health up; set server shop/web1 state ready",
        ]
        assert weights(it) == weights(it, "web2") == ["10", "50", "100"]
        assert ready_detail(it) == ""
        assert await it.admin("web1") == await it.admin("web2") == {"lb1": (READY, 100)}
    assert seen.lost == []


async def test_it_ends_at_the_weight_that_it_had(haproxy_binary: Path) -> None:
    """One that the socket had set, on each load balancer its own."""
    found = {"lb1": ["set server shop/web1 weight 40"]}
    async with warming(haproxy_binary, {"over": "100ms"}, balancers=2, found=found) as (it, running):
        assert await running is Outcome.DONE
        assert {"4", "10", "40", "100"} <= set(weights(it)) <= {"4", "10", "20", "40", "50", "100"}
        assert ready_detail(it) == ""
        assert await it.admin("web1") == {"lb1": (READY, 40), "lb2": (READY, 100)}


async def test_a_reload_in_the_middle_is_made_good(haproxy_binary: Path) -> None:
    """The new process, which forgot the weight, is told that of the step again; it ends at what it had."""
    found = {"lb1": ["set server shop/web1 weight 80"]}
    async with warming(haproxy_binary, {"over": "2s"}, found=found) as (it, running):
        await at(it, 8)
        await it.here.balancers[0].reload()
        assert await running is Outcome.DONE
        assert weights(it)[:2] == ["8", "8"]
        assert weights(it)[-1] == "80"
        assert await it.admin("web1") == {"lb1": (READY, 80)}


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("set server shop/web1 weight 70", (READY, 70)),
        ("set server shop/web1 weight 100", (READY, 100)),
        ("set server shop/web1 state drain", (DRAIN, 10)),
    ],
)
async def test_what_an_operator_sets_in_the_middle_stays(
    haproxy_binary: Path, command: str, left: tuple[AdminState, int]
) -> None:
    """The deployment halts, and the node has all of its share back where nobody else changed it."""
    async with warming(haproxy_binary, balancers=2) as (it, running):
        await at(it, 10, "lb1", "lb2")
        await it.here.balancers[0].ask(command)
        assert await running is Outcome.FAILED
        (failure,) = it.here.told(StepFailed)
        assert failure.changed_by_others
        assert failure.reason.startswith("someone else changed it as it came back: shop/web1 on lb1 shows")
        assert it.failed() == {"web1": False}
        assert it.drained_from() == ["web1"]
        assert await it.admin("web1") == {"lb1": left, "lb2": (READY, 100)}


async def test_ended_at_once_it_has_all_of_its_share(haproxy_binary: Path) -> None:
    """A second Ctrl-C in the middle leaves it in rotation, everywhere with the weight that it had."""
    async with warming(haproxy_binary, balancers=2) as (it, running):
        await at(it, 10, "lb1", "lb2")
        it.deployment.interrupt("enough")
        with pytest.raises(asyncio.CancelledError):
            await running
        assert it.here.told(DeploymentFinished)[0].outcome is Outcome.INTERRUPTED
        assert it.failed() == {"web1": False}
        assert await it.admin("web1") == {"lb1": (READY, 100), "lb2": (READY, 100)}


@pytest.mark.parametrize("balance", ["static-rr", "source"])
async def test_a_static_balance_is_no_failure(haproxy_binary: Path, balance: str) -> None:
    """HAProxy refuses lower weights there: it is told, and the node comes back at all of its weight."""
    backends = shop(f"balance {balance}")
    async with warming(haproxy_binary, backends=backends) as (it, running):
        assert await running is Outcome.DONE
        told = ready_detail(it)
        assert told.startswith("shop on lb1 is not warmed up: HAProxy rejected `set server shop/web1 weight")
        assert "static LB algorithm" in told
        assert await it.admin("web1") == {"lb1": (READY, 100)}


async def test_slowstart_does_it_alone(haproxy_binary: Path) -> None:
    """Where HAProxy itself holds a server back, it has its weight at once, and nothing is waited for."""
    backends = shop(server="weight 100 slowstart 20s")
    async with warming(haproxy_binary, backends=backends) as (it, running):
        assert await running is Outcome.DONE
        assert ready_detail(it) == "HAProxy's slowstart warms up shop/web1"
        assert weights(it) == ["10", "100"]
        assert await it.admin("web1") == {"lb1": (READY, 100)}


async def test_weight_1_has_no_steps(haproxy_binary: Path) -> None:
    """It is told by the step and by `rollout check`, and the node comes back at once."""
    async with warming(haproxy_binary, backends=shop(server="weight 1")) as (it, running):
        assert await running is Outcome.DONE
        assert weights(it) == []
        assert ready_detail(it) == "no warm-up of shop/web1 on lb1: there is no weight below 1"
        (finding,) = server_findings(it.site, ["web1"], await survey(it.site))
        assert (finding.level, finding.hint) == (
            "warning",
            "write `weight 100` on all `server` lines of its backend",
        )


async def test_what_is_kept_out_is_not_warmed_up(haproxy_binary: Path) -> None:
    """A server that somebody drained stays as it was; the node's other one is warmed up."""
    found = {"lb1": ["set server shop/web1 state drain"]}
    more = {"found": found, "balancers": 2, "include_out_of_rotation": True, "nodes": 3}
    async with warming(haproxy_binary, {"over": "100ms"}, **more) as (it, running):
        assert await running is Outcome.DONE
        told = [e for e in it.here.told(CommandSent) if e.node == "web1" and " weight " in e.line]
        assert {event.target for event in told} == {"lb2"}
        assert await it.admin("web1") == {"lb1": (DRAIN, 100), "lb2": (READY, 100)}

"""`rollout plan` tells every command of a deployment: what real deployments sent is compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.local import LocalHost
from rollout.decisions.preview import node_lines
from rollout.domain import Completed, Outcome, Step
from rollout.engine.rotation.twins import twins_to_add
from rollout.engine.site import Survey, survey
from rollout.events import CommandSent, StepFailed
from rollout.remote import drain_file
from tests.support.rolling import Rolling, rolling
from tests.support.site import AppHost
from tests.support.until import until
from tests.support.visitors import crowd

Sent = tuple[Step, str, str]
"""A step, the target, and the line that it was sent."""

COMMANDS: dict[str, Any] = {
    "release": {"command": "install $ROLLOUT_RELEASE"},
    "restart": {"command": "restart"},
}

CHECK = ("option httpchk GET /_status", "timeout check 10s", "default-server check inter 50ms rise 1 fall 2")
"""With `rise 1` a server that passed stays proven while its next check runs: it is not proven twice."""

SELDOM = (*CHECK[:-1], "default-server check inter 2s fastinter 50ms rise 1 fall 2")


def backends(*weights: int, nodes: int = 2, check: tuple[str, ...] = CHECK) -> dict[str, tuple[str, ...]]:
    """A backend for each weight, with all nodes in it: `shop`, then `api`, which HAProxy reads first."""
    return {
        name: (*check, *(f"server web{n} {{web{n}}} weight {weight}" for n in range(1, nodes + 1)))
        for name, weight in zip(("shop", "api"), weights, strict=False)
    }


async def planned(it: Rolling, node: str, seen: Survey) -> list[Sent]:
    plan, servers = it.plan, it.plan.placement[node]
    twins = await twins_to_add(it.site.twin_paths, seen.readings, servers)
    lines = node_lines(it.site.inventory, plan.release, node, servers, seen.checked(), plan.before, twins)
    asked = f"GET http://{it.here.apps[node].host}:8000/_status"
    assert (Step.VERIFY, node, asked) in [(line.step, line.target, line.text) for line in lines]
    return [(line.step, line.target, line.text) for line in lines if line.text != asked]


def on_this_machine(host: AppHost, line: str) -> None:
    """Have a line of this host carried out."""

    async def run() -> Completed:
        return await LocalHost(host.name).run(line, environment={}, timeout=10.0)

    host.actions[line] = run


def sent(it: Rolling, node: str) -> list[Sent]:
    events = it.here.told(CommandSent)
    return [(event.step, event.target, event.line) for event in events if event.node == node]


async def run_and_compare(it: Rolling) -> None:
    """Run the deployment; each node got the lines of its preview, in their order.

    Where several load balancers are told, each is told at its own pace: the order of each step and of each
    target must hold.
    """
    seen = await survey(it.site)
    previews = {name: await planned(it, name, seen) for name in it.plan.nodes}
    outcome = await it.deployment.run()
    assert outcome is Outcome.DONE, it.here.told(StepFailed)
    for name, preview in previews.items():
        commands = sent(it, name)
        assert [step for step, _, _ in commands] == [step for step, _, _ in preview]
        for target in {name, *it.site.load_balancers}:
            assert [line for line in commands if line[1] == target] == [
                line for line in preview if line[1] == target
            ]
        if len(it.site.load_balancers) == 1:
            assert commands == preview


@pytest.mark.parametrize("balancers", [1, 2])
@pytest.mark.parametrize("new_release", ["2", None])
async def test_by_the_socket(haproxy_binary: Path, balancers: int, new_release: str | None) -> None:
    """Drain, maintenance, release, restart, HAProxy's checks, ready: on one load balancer and on two."""
    async with rolling(
        haproxy_binary, 2, backends=backends(1), balancers=balancers, new_release=new_release, **COMMANDS
    ) as it:
        await run_and_compare(it)


@pytest.mark.parametrize("check", [CHECK, SELDOM, ()], ids=["checked", "by twins", "unchecked"])
async def test_two_backends(haproxy_binary: Path, check: tuple[str, ...]) -> None:
    """A line has all servers of a node on a load balancer, and the twins of those that HAProxy checks seldom;
    one without a check has no health to set."""
    async with rolling(haproxy_binary, 2, backends=backends(1, 1, check=check), **COMMANDS) as it:
        await run_and_compare(it)


async def test_with_pinned_clients(haproxy_binary: Path) -> None:
    """Clients that a cookie pins and that never pause are moved by the lines that any other node gets."""
    pinned = ("cookie S insert indirect", "server web1 {web1} cookie 1", "server web2 {web2} cookie 2")
    async with rolling(haproxy_binary, 2, backends={"shop": (*CHECK, *pinned)}, **COMMANDS) as it:
        delays = [f"/?delay={seconds}" for seconds in (0.03, 0.05, 0.07)]
        async with crowd(it.here.balancers[0], "shop", size=12, target=delays) as seen:
            await until(lambda: seen.total > 20, "traffic")
            await run_and_compare(it)
        assert seen.lost == []


async def test_with_weights(haproxy_binary: Path) -> None:
    """Every weight of a warm-up, in the step in which it is due."""
    async with rolling(haproxy_binary, 2, backends=backends(100, 2), warmup={"over": "1s"}, **COMMANDS) as it:
        await run_and_compare(it)


@pytest.mark.parametrize("kept", ["maint", "drain"])
async def test_what_somebody_keeps_out(haproxy_binary: Path, kept: str) -> None:
    """A server that was in maintenance or drained before is deployed too, and left as it was."""
    found = {"lb1": [f"set server api/web1 state {kept}"]}
    async with rolling(
        haproxy_binary,
        3,
        backends=backends(100, 2, nodes=3),
        found=found,
        include_out_of_rotation=True,
        **COMMANDS,
    ) as it:
        await run_and_compare(it)


async def test_by_the_health_page(haproxy_binary: Path, tmp_path: Path) -> None:
    """The file of a node's health page is made and removed there; no load balancer is told anything."""
    page = {"health_page": {"file": f"{tmp_path}/{{node}}/draining"}, "timeout": "5s"}
    async with rolling(
        haproxy_binary, 2, backends=backends(1), drain=page, new_release="2", **COMMANDS
    ) as it:
        for name, app in it.here.apps.items():
            app.draining_file = tmp_path / name / "draining"
            for line in (drain_file.create, drain_file.remove):
                on_this_machine(it.hosts[name], line(str(app.draining_file)))
        await run_and_compare(it)


async def test_by_requests(haproxy_binary: Path) -> None:
    """The node is asked to drain and to come back, by the requests that the preview shows."""
    url = "http://{host}:8000/_drain"
    request = {"down": {"method": "PUT", "url": url}, "up": {"method": "DELETE", "url": url}}
    page = {"health_page": {"request": request}, "timeout": "5s"}
    async with rolling(haproxy_binary, 2, backends=backends(1), drain=page, **COMMANDS) as it:
        await run_and_compare(it)

"""What cannot work is known, and refused, before a node is touched: by `check`, `plan` and `deploy` alike."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import prepared
from tests.support.balancer import balancer
from tests.support.resolver import resolver
from tests.support.shop import Shop, shop
from tests.support.until import until_seen
from tests.support.web import Page, web_app

CHECK = ("option httpchk GET /_check", "default-server check inter 50ms rise 1 fall 2")
PAGE = {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "10s"}
REPAIR = {"http": {"method": "DELETE", "url": "http://{host}:8000/_drain"}}
"""A restart after which an application's page is right."""


class Site:
    """A shop behind a real HAProxy, and `rollout` as people run it on an inventory of it."""

    def __init__(self, here: Shop, folder: Path) -> None:
        self.here = here
        self.folder = folder
        self.path = folder / "rollout.yml"

    def write(self, health: dict[str, Any] | None = None, **sections: Any) -> None:
        """The inventory; `health` is added to that of a page that is right."""
        balancers = self.here.balancers
        written = {
            "service": "shop",
            "load_balancers": {lb.name: {"haproxy": f"unix://{lb.socket().path}"} for lb in balancers},
            "nodes": {name: {"host": app.host} for name, app in self.here.apps.items()},
            "ssh": "local",
            "release": {"command": f"touch {self.folder}/touched"},
            "restart": REPAIR,
            "health": {**PAGE, **(health or {})},
            **sections,
        }
        self.path.write_text(yaml.safe_dump(written))

    async def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        ran = await asyncio.to_thread(prepared.run, [*words, "-i", str(self.path), "--yes"])
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran

    @property
    def touched(self) -> bool:
        return (self.folder / "touched").exists()


@asynccontextmanager
async def at(binary: Path, folder: Path, nodes: int = 2, **backends: tuple[str, ...]) -> AsyncIterator[Site]:
    """`backends` are of the shop; by default one with all nodes."""
    servers = [f"server web{number} {{web{number}}}" for number in range(1, nodes + 1)]
    async with shop(binary, backends or {"shop": (*CHECK, *servers)}, nodes=nodes) as here:
        yield Site(here, folder)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "port": ({"http": "http://{host}:8001/_status"}, ":8001/_status: connection refused"),
    "path": ({"http": "http://{host}:8000/_gone"}, "/_gone answered 404, not 200"),
    "key": ({"release": {"json": "version"}}, "does not report a release"),
    "header": ({"release": {"header": "X-Release"}}, "does not report a release"),
    "body": ({"body": "healthy"}, "its answer does not contain 'healthy'"),
    "no answer": ({"http": "http://{host}:8000/hold", "timeout": "1s"}, "/hold: no answer within 1 s"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_page_that_fails_on_every_node(haproxy_binary: Path, tmp_path: Path, wrong: str) -> None:
    """HAProxy shows all nodes UP, so it is the page: no node could be proved, and none is taken out."""
    health, told = WRONG[wrong]
    async with at(haproxy_binary, tmp_path) as site:
        for app in site.here.apps.values():
            app.pages["/_gone"] = Page(404)
        site.write(health)
        verbs = (["check"], ["plan", "--release", "2"], ["deploy", "--release", "2"])
        for ran in await asyncio.gather(*(site.run(*words) for words in verbs)):
            assert ran.returncode == 3, ran.stdout
            assert told in ran.stdout + ran.stderr
            assert "; likewise web2: no node that runs has a page that is right" in ran.stdout + ran.stderr
        plan = json.loads((await site.run("plan", "--release", "2", "--output", "json")).stdout)
        assert [told in refusal for refusal in plan["refusals"]] == [True]
        assert await site.here.statuses() == {"UP"}
        assert not site.touched


async def test_a_release_that_brings_its_page(haproxy_binary: Path, tmp_path: Path) -> None:
    """It can be deployed if somebody says so; what the pages say is told at the start."""
    async with at(haproxy_binary, tmp_path) as site:
        for app in site.here.apps.values():
            app.pages["/_status"].status = 404
        site.write()
        words = ("--release", "2", "--allow-unhealthy")
        assert (await site.run("plan", *words)).returncode == 0
        ran = await site.run("deploy", *words)
        assert ran.returncode == 0, ran.stdout
        begun, warned, *_ = ran.stdout.splitlines()
        host = site.here.apps["web1"].host
        assert "2 nodes" in begun
        assert warned.endswith(
            f"warning: web1: http://{host}:8000/_status answered 404, not 200; likewise web2"
        )


@pytest.mark.parametrize("output", ["text", "json"])
async def test_a_page_that_fails_on_one_node(haproxy_binary: Path, tmp_path: Path, output: str) -> None:
    """The other one shows that the page is meant: the deployment names the node as it starts, and begins."""
    async with at(haproxy_binary, tmp_path) as site:
        site.here.apps["web2"].pages["/_status"].status = 500
        site.write()
        told = f"web2: http://{site.here.apps['web2'].host}:8000/_status answered 500, not 200"
        assert f"warning: {told}" in (await site.run("plan", "--release", "2")).stdout
        ran = await site.run("deploy", "--release", "2", "--output", output)
        assert ran.returncode == 0, ran.stdout
        if output == "json":
            events = [json.loads(line) for line in ran.stdout.splitlines()]
            kinds = [event["event"] for event in events]
            assert [event["message"] for event in events if event["event"] == "warned"] == [told]
            assert kinds.index("warned") < kinds.index("step_started")
        else:
            assert ran.stdout.splitlines()[1].endswith(f"warning: {told}")
        limited = await site.run("plan", "--release", "2", "--limit", "web2")
        assert limited.returncode == 0, limited.stdout


async def test_nodes_that_do_not_run_yet(haproxy_binary: Path, tmp_path: Path) -> None:
    """They are DOWN, and so no evidence against the page: the first release can be deployed."""
    async with at(haproxy_binary, tmp_path) as site:
        for app in site.here.apps.values():
            app.stop()
        await until_seen(lambda: all_down(site.here), "both nodes to be DOWN")
        site.write()
        ran = await site.run("plan", "--release", "1")
        assert ran.returncode == 0, ran.stdout
        assert "/_status: connection refused; likewise web2" in ran.stdout


async def test_a_node_that_does_not_run_is_waited_for(haproxy_binary: Path, tmp_path: Path) -> None:
    """There is no pidfile. That is the inventory's mistake where a node runs; where none does it is told, and
    the release is put there first. Then somebody starts the application, and the node returns."""
    signal = {"signal": {"pidfile": str(tmp_path / "shop.pid"), "signal": "HUP", "proof": "health"}}
    missing = f"there is no pidfile {tmp_path}/shop.pid"
    async with at(haproxy_binary, tmp_path, nodes=1) as site:
        site.write(restart=signal)
        refused = await site.run("deploy", "--release", "1", "--allow-outage")
        assert refused.returncode == 3
        assert f"{missing}, but http" in refused.stderr

        web1 = site.here.apps["web1"]
        web1.stop()
        await until_seen(lambda: all_down(site.here), "the node to be DOWN")
        running = asyncio.create_task(site.run("deploy", "--release", "1", "--allow-outage"))

        async def released() -> bool:
            return site.touched

        await until_seen(released, "the release")
        await web1.start()
        ran = await running
        assert ran.returncode == 0, ran.stdout
        assert f"warning: web1: shop does not run there ({missing}), and nothing here starts it" in ran.stdout
        assert (
            f"shop does not run ({missing}), and nothing here starts it: its health page is waited for"
            in (ran.stdout)
        )
        assert await site.here.statuses("web1") == {"UP"}


async def all_down(here: Shop) -> bool:
    return all([await here.statuses(name) == {"DOWN"} for name in here.apps])


@pytest.mark.parametrize("checked", [False, True])
async def test_servers_without_a_check(haproxy_binary: Path, tmp_path: Path, *, checked: bool) -> None:
    """HAProxy shows them UP whatever they do: a node whose page does not even answer may not run yet."""
    lines = [f"server {name} {{{name}}}{' check' if checked else ''}" for name in ("web1", "web2")]
    async with at(haproxy_binary, tmp_path, shop=tuple(lines)) as site:
        site.write({"http": "http://{host}:8001/_status"})
        assert (await site.run("plan", "--release", "2")).returncode == (3 if checked else 0)
        site.write({"body": "healthy"})
        assert (await site.run("plan", "--release", "2")).returncode == 3


async def test_a_restart_needs_no_release_to_be_reported(haproxy_binary: Path, tmp_path: Path) -> None:
    """Only a release must be recognised afterwards."""
    async with at(haproxy_binary, tmp_path) as site:
        site.write({"release": {"json": "version"}})
        assert (await site.run("plan")).returncode == 0
        assert (await site.run("plan", "--release", "2")).returncode == 3


async def test_what_is_resumed_and_what_is_rolled_back(haproxy_binary: Path, tmp_path: Path) -> None:
    """`resume` refuses as `deploy` does. A rollback may be what mends the page, so it begins all the same."""
    async with at(haproxy_binary, tmp_path) as site:
        site.write(release={"command": 'test "$ROLLOUT_RELEASE" != 2'})
        assert (await site.run("deploy", "--release", "1")).returncode == 0
        assert (await site.run("deploy", "--release", "2")).returncode == 1
        site.write({"http": "http://{host}:8000/_gone"})
        for app in site.here.apps.values():
            app.pages["/_gone"] = Page(404)
        resumed = await site.run("resume")
        assert (resumed.returncode, resumed.stdout) == (3, "")
        assert "/_gone answered 404, not 200; likewise web2: no node that runs" in resumed.stderr
        site.write({"http": "http://{host}:8000/_gone", "timeout": "1s"})
        back = await site.run("rollback")
        assert back.returncode == 1
        assert "warning: web1: http://" in back.stdout


@pytest.mark.parametrize(("window", "least"), [(50, 1), ("50%", 2), (2, 2)])
async def test_the_least_capacity_is_what_the_deployment_keeps(
    haproxy_binary: Path, tmp_path: Path, window: int | str, least: int
) -> None:
    """A window of 50 on four nodes takes three at most; the forgotten percent sign is asked about."""
    async with at(haproxy_binary, tmp_path, nodes=4) as site:
        site.write(strategy={"window": window, "patience": "5s"})
        plan = await site.run("plan")
        assert plan.returncode == 0
        assert f"lb1 shop: {least} of 4 servers stay ready" in plan.stdout
        fewest = 4

        async def watch() -> None:
            nonlocal fewest
            while True:
                states = (await site.here.haproxies["lb1"].read()).servers
                fewest = min(fewest, sum(state.in_rotation for state in states))
                await asyncio.sleep(0.01)  # the applications run in this process, too

        watching = asyncio.create_task(watch())
        ran = await site.run("deploy")
        watching.cancel()
        assert ran.returncode == 0, ran.stdout
        assert fewest == least
        doubt = "strategy.window is 50, but the service has 4 nodes; did you mean 50%?"
        for told in (plan, ran, await site.run("check")):
            assert (doubt in told.stdout) == (window == 50)


REFUSED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "too little capacity": ([], {"strategy": {"min_ready": 2}}),
    "a command that is missing": ([], {"restart": {"signal": {"pidfile": "/nowhere", "proof": "new-pid"}}}),
    "a release that cannot be sent": (
        ["--release", "2"],
        {"release": {"archive": {"source": "none.tar", "directory": "/srv/shop"}}},
    ),
    "a name that no folder can bear": (
        ["--release", "../2"],
        {"release": {"archive": {"source": "none.tar", "directory": "/srv/shop"}}},
    ),
    "no server of the node": ([], {"nodes": {"web9": {"host": "192.0.2.1"}}}),
    "no socket": ([], {"load_balancers": {"lb1": {"haproxy": "unix:///nowhere.sock"}}}),
}


@pytest.mark.parametrize("reason", REFUSED)
async def test_a_plan_exits_as_the_deploy_would(haproxy_binary: Path, tmp_path: Path, reason: str) -> None:
    """Whatever a deploy is refused for: the plan says the same."""
    words, sections = REFUSED[reason]
    async with at(haproxy_binary, tmp_path) as site:
        site.write(**sections)
        plan, deploy = await asyncio.gather(site.run("plan", *words), site.run("deploy", *words))
        assert plan.returncode == deploy.returncode in (2, 3)
        message = deploy.stderr.removeprefix("rollout: ").splitlines()[0]
        assert message in plan.stdout + plan.stderr


async def test_a_plan_whose_nodes_are_all_skipped(haproxy_binary: Path, tmp_path: Path) -> None:
    """There is nothing to deploy: the deploy is refused for that, and so is the plan."""
    async with at(haproxy_binary, tmp_path) as site:
        site.write()
        for name in site.here.apps:
            await site.here.haproxies["lb1"].send([f"set server shop/{name} state maint"])
        plan, deploy = await asyncio.gather(site.run("plan"), site.run("deploy"))
        assert (plan.returncode, deploy.returncode) == (3, 3)
        assert "deploy would be refused: there is no node to deploy: shop/web1 on lb1 is in" in plan.stdout
        assert (await site.run("plan", "--include-out-of-rotation")).returncode == 0


@pytest.mark.every_haproxy
async def test_empty_slots_of_a_template_are_no_capacity(haproxy_binary: Path, tmp_path: Path) -> None:
    """Half of ten slots, of which three have an address, is two servers: a node at a time can leave."""
    async with AsyncExitStack() as stack:
        apps = {name: await stack.enter_async_context(web_app(name)) for name in ("web1", "web2", "web3")}
        dns = await stack.enter_async_context(resolver([app.host for app in apps.values()]))
        template = "server-template slot 10 shop.test:8000 check inter 50ms resolvers dns init-addr none"
        lb = await stack.enter_async_context(
            balancer(haproxy_binary, {"shop": (CHECK[0], template)}, settings=dns.section())
        )
        site = Site(Shop(apps, [lb], {lb.name: lb.haproxy()}), tmp_path)

        async def shown(number: int) -> bool:
            states = (await site.here.haproxies["lb1"].read()).servers
            return sum(state.in_rotation for state in states) == number

        await until_seen(lambda: shown(3), "three servers")
        site.write(strategy={"min_ready": "50%", "window": 3})
        plan = await site.run("plan")
        assert "lb1 shop: 2 of 3 servers stay ready, 2 must" in plan.stdout
        assert plan.returncode == (await site.run("check")).returncode == 0
        ran = await site.run("deploy")
        assert ran.returncode == 0, ran.stdout
        site.write(strategy={"min_ready": "70%"})
        refused = await site.run("deploy")
        assert refused.returncode == 3
        assert (
            "would have 2 of its 3 servers ready, but strategy.min_ready (70%) requires 3" in refused.stderr
        )
        dns.addresses.pop()
        await until_seen(lambda: shown(2), "a slot to be empty")
        site.write(nodes={name: {"host": apps[name].host} for name in ("web1", "web2")})
        assert "lb1 shop: 1 of 2 servers stay ready" in (await site.run("plan")).stdout

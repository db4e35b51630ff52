"""The place where deployers meet is in trouble in mid-deployment, under live traffic: a folder on a disk that
is full, may only be read, forgets, is slow or silent; and an etcd of three members that loses one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_deploy import HARSH, RATE
from test_deployers import Deployer, releases

from rollout.lab.lab import Lab
from rollout.lab.traffic import Traffic
from tests.support.begun import Running
from tests.support.debian import Unavailable
from tests.support.etcd import Etcd
from tests.support.etcd_versions import program
from tests.support.needs import missing
from tests.support.small_disk import fill, remount, small_disk
from tests.support.until import wait
from tests.support.wire import Wire


@dataclass
class Site:
    """A lab, and the place in a folder on a small disk of its first load balancer, which is reached by a
    wire."""

    lab: Lab
    disk: Path
    wire: Wire

    def inventory(self, state: str, **strategy: str) -> Path:
        """The lab's inventory with another place."""
        inventory = yaml.safe_load(self.lab.inventory.read_text())
        strategy = inventory["strategy"] | {"bake": 0, **strategy}
        path = self.lab.directory / f"{state.partition(':')[0]}.yml"
        path.write_text(yaml.safe_dump(inventory | {"state": state, "strategy": strategy}))
        return path

    @property
    def by_wire(self) -> Path:
        """The inventory with the place on the disk."""
        place = f"ssh://root@{self.wire.address}:{self.wire.port}{self.disk}/state"
        return self.inventory(place, patience="2s")

    def traffic(self) -> Traffic:
        return Traffic(self.lab.urls, RATE)

    def forget(self) -> None:
        """Let the disk lose the last fact and half of the one before, as after a loss of power."""
        facts = max(self.disk.glob("state/*/deployments/*.facts"))
        with (facts.parents[1] / "busy").open("a") as busy:
            fcntl.flock(busy, fcntl.LOCK_EX)
            *_, last_but_one, last = facts.read_bytes().splitlines(keepends=True)
            os.truncate(facts, facts.stat().st_size - len(last) - len(last_but_one) // 2)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("places")
    with ExitStack() as running:
        disk = running.enter_context(small_disk(folder / "disk"))
        lab = Lab.up(folder / "lab", **HARSH)
        running.callback(lab.down)
        machine = lab.load_balancers[0]
        wire = running.enter_context(Wire(machine.host, lab.addresses.ssh))
        known_hosts = lab.home / "ssh" / "known_hosts"
        known = known_hosts.read_text()
        known_hosts.write_text(known + known.replace(f"[{machine.host}]", f"[{wire.address}]"))
        yield Site(lab, disk, wire)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """Three members."""
    try:
        installed = program("3.5")
    except Unavailable as reason:
        missing(f"etcd 3.5: {reason}")
    with Etcd(installed, tmp_path_factory.mktemp("etcd"), members=3) as etcd:
        yield etcd


def at(deployer: Deployer, step: str, node: str, release: str) -> AbstractAsyncContextManager[Running]:
    """A deployment that has just begun a step of a node, and prints for people."""
    return deployer.once(lambda line: line.split()[1:3] == [node, step], "deploy", "--release", release)


async def ended(process: Running) -> tuple[int, str]:
    assert process.stdout is not None
    rest = (await process.stdout.read()).decode()
    return await process.wait(), rest


async def agreed(*deployers: Deployer) -> dict[str, Any]:
    """The status that all of them see, who see the same history as well."""
    seen = [await deployer.status() for deployer in deployers]
    assert seen[0]["deployment"] == seen[1]["deployment"]
    assert releases(seen[0]) == releases(seen[1])
    pasts = await asyncio.gather(*(one.run("history", "--output", "json") for one in deployers))
    assert pasts[0] == pasts[1]
    return seen[0]


def all_on(release: str) -> dict[str, tuple[str, str | None]]:
    return dict.fromkeys(("web1", "web2", "web3"), ("ready", release))


STOPPED: dict[str, tuple[Callable[[Site], None], Callable[[Site], None], str]] = {
    "full": (
        lambda site: fill(site.disk / "filler"),
        lambda site: (site.disk / "filler").unlink(),
        "No space left on device",
    ),
    "read-only": (
        lambda site: remount(site.disk, "ro"),
        lambda site: remount(site.disk, "rw"),
        "Read-only file system",
    ),
    "silent": (
        lambda site: site.wire.go_silent(),
        lambda site: site.wire.carry_on(),
        "the state cannot be reached",
    ),
}
"""What stops a place, what mends it, and what people are told."""


@pytest.mark.parametrize("trouble", STOPPED)
async def test_a_place_that_takes_nothing_stops_a_deployment(
    site: Site, tmp_path: Path, trouble: str
) -> None:
    """The node in flight finishes, and no other starts; the message says why and how to go on; and what
    happened is known to all once the place is back."""
    stop, mend, reason = STOPPED[trouble]
    ann, bob = (Deployer(site.by_wire, tmp_path / name) for name in ("ann", "bob"))
    before = (await ann.status())["nodes"][1]["release"]
    async with site.traffic() as traffic:
        await traffic.flowing()
        async with at(ann, "restart", "web1", trouble) as process:
            stop(site)
            try:
                code, said = await ended(process)
            finally:
                mend(site)
        assert code in (1, 130), said
        assert reason in said, said
        assert "/state" in said, said
        assert f"rollout resume -i {site.by_wire}" in said, said
        shown = releases(await agreed(ann, bob))
        assert shown["web1"] == ("ready", trouble), said
        assert {shown["web2"], shown["web3"]} == {("ready", before)}, said
        code, output = await ann.run("resume")
        assert code == 0, output
        # The end may come before its last word; it is proved again then, and not restarted.
        assert "web1  restart" not in output, output
        status = await agreed(ann, bob)
    assert (status["deployment"]["state"], releases(status)) == ("done", all_on(trouble))
    assert traffic.result.losses == {}


async def test_a_place_that_is_slow_or_forgets_stops_nobody(site: Site, tmp_path: Path) -> None:
    """At 100 ms for each exchange, and with its last facts lost in the middle: all is done, and known to
    all."""
    ann, bob = (Deployer(site.by_wire, tmp_path / name) for name in ("ann", "bob"))
    site.wire.delay = 0.05
    async with site.traffic() as traffic:
        await traffic.flowing()
        async with at(ann, "verify", "web2", "slow") as process:
            site.forget()
            code, said = await ended(process)
    site.wire.delay = 0.0
    assert code == 0, said
    status = await agreed(ann, bob)
    assert (status["deployment"]["state"], releases(status)) == ("done", all_on("slow"))
    assert traffic.result.losses == {}


@pytest.mark.parametrize("trouble", ["away", "silent"])
async def test_an_etcd_that_loses_a_member_stops_nobody(
    site: Site, etcd: Etcd, tmp_path: Path, trouble: str
) -> None:
    """One of three is away from the start, or the leader goes silent in mid-deployment: all is done, and
    known to all while it is still away."""
    inventory = site.inventory(f"etcd://{','.join(etcd.members)}/rollout")
    ann, bob = (Deployer(inventory, tmp_path / name) for name in ("ann", "bob"))
    leader = etcd.leader()
    member = leader if trouble == "silent" else (leader + 1) % 3
    if trouble == "away":
        etcd.kill(member)
    try:
        async with site.traffic() as traffic:
            await traffic.flowing()
            async with at(ann, "restart", "web2", f"etcd-{trouble}") as process:
                if trouble == "silent":
                    etcd.signal(member, signal.SIGSTOP)
                code, said = await ended(process)
        assert code == 0, said
        status = await agreed(ann, bob)
    finally:
        if trouble == "away":
            etcd.run(member)
        else:
            etcd.signal(member, signal.SIGCONT)
        wait(lambda: etcd.status(member), f"etcd {member}")
    assert (status["deployment"]["state"], releases(status)) == ("done", all_on(f"etcd-{trouble}"))
    assert traffic.result.losses == {}

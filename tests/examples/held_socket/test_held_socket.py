"""The example of a service that holds its listening socket, restarted by `restart: signal` under load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout.agents.common.proc import Process, children, find
from tests.support.capacity import capacity
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import wait

EXAMPLE = Path(__file__).parents[3] / "examples" / "held_socket.py"
PORT = 8000
CHILDREN = 3


@dataclass(frozen=True)
class HeldSocketShop:
    address: str
    folder: Path
    parent: Process

    @property
    def children(self) -> set[Process]:
        return set(children(self.parent))

    def deploy(self, release: str, *, timeout: str = "60s") -> subprocess.CompletedProcess[str]:
        pidfile, release_file = self.folder / "shop.pid", self.folder / "release"
        sections = {
            "release": {"command": f'echo "$ROLLOUT_RELEASE" > {release_file}'},
            "restart": {"signal": {"pidfile": str(pidfile), "proof": "new-children"}, "timeout": timeout},
        }
        inventory = write_inventory(self.folder / "shop.yml", sections)
        return rollout("deploy", "--release", release, inventory=inventory)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[HeldSocketShop]:
    """It runs release 1."""
    (tmp_path / "release").write_text("1")
    pidfile, address = tmp_path / "shop.pid", own_address()
    words = [f"{address}:{PORT}", pidfile, tmp_path / "release", CHILDREN]
    running = subprocess.Popen([sys.executable, EXAMPLE, *map(str, words)], start_new_session=True)
    try:
        wait(lambda: pidfile.exists() and pidfile.read_text(), "the pidfile")
        parent = find(running.pid)
        assert parent is not None
        yield HeldSocketShop(address, tmp_path, parent)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def test_no_request_is_lost_and_no_capacity(shop: HeldSocketShop) -> None:
    """All children are new, none left before the new ones could answer, and every request was answered."""
    old = shop.children
    with Load(shop.address, PORT) as load, capacity(shop.parent) as counts:
        done = shop.deploy("2")
        load.until(lambda answer: answer.body == "2", "release 2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert load.lost == []
    assert load.bodies[0] == "1"
    assert load.bodies[-1] == "2"
    assert min(counts) == CHILDREN, f"fewer than {CHILDREN} children: {counts}"
    assert len(shop.children) == CHILDREN
    assert not shop.children & old


def test_a_broken_release_leaves_the_old_one_serving(shop: HeldSocketShop) -> None:
    """New children that do not become ready are ended, the deployment fails, and nobody noticed."""
    old = shop.children
    with Load(shop.address, PORT) as load, capacity(shop.parent) as counts:
        done = shop.deploy("broken", timeout="4s")
    assert done.returncode == 1
    assert f"{CHILDREN} of its {CHILDREN} old ones" in done.stdout + done.stderr
    assert (load.lost, load.bodies) == ([], ["1"])
    assert min(counts) == CHILDREN
    assert shop.children == old


def test_it_leaves_nothing_behind(shop: HeldSocketShop) -> None:
    """On SIGTERM it answers what it has, and all of it ends."""
    everybody = shop.children
    os.kill(shop.parent.pid, signal.SIGTERM)
    wait(lambda: not any(find(child.pid) == child for child in [shop.parent, *everybody]), "their end")
    assert not (shop.folder / "shop.pid").exists()

"""etcd tells of changes: whoever waits for one asks nothing meanwhile, and hears of it at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from rollout.domain import LockHolder
from rollout.engine import hold
from rollout.engine.hold import Hold
from rollout.ports import Place
from tests.support.etcd import Etcd
from tests.support.etcd_place import opened
from tests.support.folders import ONE, OTHER
from tests.support.until import until, wait

ASKED = ("Range", "Txn", "LeaseTimeToLive")
"""What a look asks of etcd."""


def hold_of(place: Place, holder: LockHolder, said: list[str]) -> Hold:
    return Hold(place, holder, patience=60, halt=said.append, promote=said.append)


def never(_: LockHolder) -> bool:
    return False


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for anything before a minute has passed."""
    monkeypatch.setattr(hold, "_BEAT", 60.0)
    monkeypatch.setattr(hold, "_LOOK_AGAIN", 60.0)


@pytest.mark.usefixtures("patient")
async def test_a_holder_is_told_what_others_ask(etcd: Etcd) -> None:
    """To halt, to promote, and that somebody took over: long before its next sign of life."""
    said: list[str] = []
    async with (
        opened(etcd.address(), "told") as place,
        opened(etcd.address(), "told") as other,
        hold_of(place, ONE, said).taken(wait=0, above=0, is_dead=never),
    ):
        assert await other.ask("promote", "dan")
        await until(lambda: "dan" in said, "the promotion")
        assert await other.ask("halt", "cid")
        await until(lambda: "cid asked to halt" in said, "the request to halt")
        await other.take(OTHER, over=ONE.token)
        await until(lambda: any("bob on laptop" in one for one in said), "the loss of the lock")


@pytest.mark.usefixtures("patient")
async def test_who_waits_for_the_lock_is_told_that_it_is_free(etcd: Etcd) -> None:
    """And asks nothing meanwhile."""
    async with opened(etcd.address(), "waits") as place, opened(etcd.address(), "waits") as other:
        await place.take(ONE)
        waiting = hold_of(other, OTHER, [])
        taken = asyncio.create_task(waiting._take(30.0, 0, never))
        quiet = await settled(etcd)
        await asyncio.wait([taken], timeout=1.0)
        assert etcd.requests(*ASKED) == quiet
        await place.drop(ONE)
        async with asyncio.timeout(10):
            await taken


async def settled(etcd: Etcd) -> int:
    """How many requests etcd has had, once no more come."""
    before, now = -1, 0
    while before != now:
        before, now = now, etcd.requests(*ASKED)
        await asyncio.sleep(0.3)
    return now


def test_status_watches(etcd: Etcd, tmp_path: Path) -> None:
    """`--watch` shows the nodes every second and asks etcd nothing while nothing happens; a deployment of
    somebody else is seen all the same."""
    inventory = tmp_path / "rollout.yml"
    sections = {
        "service": "shop",
        "state": f"etcd://{etcd.members[0]}/watched",
        "nodes": {"web1": {"host": "127.0.0.1"}},
        "ssh": "local",
        "drain": {"health_page": {"file": f"{tmp_path}/draining", "settle": "0"}},
        "restart": {"command": "true"},
    }
    inventory.write_text(yaml.safe_dump(sections))
    with watching(inventory, tmp_path / "ann") as lines:

        def tables() -> int:
            return sum(line.startswith("shop") for line in lines)

        wait(lambda: tables() > 2, "the first tables")
        shown, asked = tables(), etcd.requests(*ASKED)
        wait(lambda: tables() > shown + 4, "more of them")
        assert etcd.requests(*ASKED) - asked <= 2, "it looks when the watch is begun anew, every ten seconds"
        deploy = [sys.executable, "-m", "rollout", "deploy", "--allow-outage", "-i", str(inventory)]
        subprocess.run(deploy, env=home(tmp_path / "bob"), check=True, stdout=subprocess.DEVNULL)
        wait(lambda: any("deployment 1" in line and "done" in line for line in lines), "the deployment")


def home(folder: Path) -> dict[str, str]:
    return os.environ | {"XDG_STATE_HOME": str(folder)}


@contextmanager
def watching(inventory: Path, folder: Path) -> Iterator[list[str]]:
    """The lines of `rollout status --watch`, as they come."""
    lines: list[str] = []
    words = [sys.executable, "-m", "rollout", "status", "--watch", "-i", str(inventory)]
    with subprocess.Popen(words, env=home(folder), stdout=subprocess.PIPE, text=True) as process:
        reading = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
        reading.start()
        try:
            yield lines
        finally:
            process.terminate()
            reading.join()

"""Repairs of a real gunicorn: a refused release that workers must not load, and a gunicorn that is down."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gunicorn_support import PORT, GunicornShop

from rollout.agents.common import proc
from tests.support.command import rollout, write_inventory
from tests.support.until import wait

Given = Callable[[GunicornShop], tuple[Path, str, str]]


def inventory(shop: GunicornShop, start: str | None = None, **sections: Any) -> Path:
    sections = {
        "nodes": {"web1": {"host": shop.host, "ssh": "local"}},
        "release": {"command": f'printf %s "$ROLLOUT_RELEASE" > {shop.folder}/release'},
        "restart": {"gunicorn": shop.settings("rolling"), **({"start": start} if start else {})},
        "health": {"http": f"http://{{host}}:{PORT}/", "interval": "50ms", "timeout": "20s"},
        **sections,
    }
    return write_inventory(shop.folder / "shop.yml", sections)


def by_command(shop: GunicornShop) -> tuple[Path, str, str]:
    """The inventory, the broken release, and what is said of the one before, which rollout has put there."""
    shop.start()
    here = inventory(shop)
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0
    return here, "2 broken", "release 1 is on the disk again"


def by_a_link(shop: GunicornShop) -> tuple[Path, str, str]:
    """The same where rollout knows nothing of the release before but the link that led to it."""
    data = shop.folder / "data"
    (data / "releases/first").mkdir(parents=True)
    (data / "current").symlink_to("releases/first")
    (shop.folder / "release").symlink_to("data/current/release")
    shop.start()
    (shop.folder / "new").mkdir()
    (shop.folder / "new/release").write_text("2 broken")
    here = inventory(shop, release={"files": {"from": "new", "to": str(data)}})
    return here, "2", f"{data}/current is first again"


def test_a_release_that_dies_after_two_seconds_is_not_loaded(newest: GunicornShop) -> None:
    """It answers at first, also on trial: no worker is touched, and the release before is on the disk."""
    here, _, told = by_command(newest)
    old = newest.workers()
    with newest.load() as load:
        done = rollout("deploy", "--release", "2 dies", inventory=here)
    assert done.returncode == 1
    assert "the new code ended soon after it had answered, so nothing was signalled" in done.stdout
    assert f"; {told}" in done.stdout
    assert (newest.workers(), load.lost, load.bodies) == (old, [], ["1"])


@pytest.mark.parametrize("given", [by_command, by_a_link])
def test_a_refused_release_is_not_loaded_by_a_recycled_worker(newest: GunicornShop, given: Given) -> None:
    """The release before is on the disk again: gunicorn recycles a worker, and nothing is lost."""
    here, broken, told = given(newest)
    old = newest.workers()
    with newest.load() as load:
        done = rollout("deploy", "--release", broken, inventory=here)
        assert done.returncode == 1
        assert "so nothing was signalled: RuntimeError: there is no table" in done.stdout
        assert f"; {told}" in done.stdout
        assert "left out" not in done.stdout
        recycled = next(iter(old))
        os.kill(recycled.pid, signal.SIGTERM)
        wait(lambda: len(newest.workers() - old) == 1 and len(newest.able()) == 3, "another worker")
    assert (load.lost, load.bodies) == ([], ["1"])


def test_a_gunicorn_that_a_release_took_down_is_started_by_the_rollback(newest: GunicornShop) -> None:
    """The rollback refuses nothing: the release goes back, and then gunicorn is started."""
    newest.start()
    line = " ".join([sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--daemon", "shop"])
    surroundings = f"ROOT={Path(__file__).parents[3]} ADDRESS={newest.host}:{PORT}"
    here = inventory(newest, start=f"cd {newest.folder} && {surroundings} {line}")
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0
    assert rollout("deploy", "--release", "2 fatal", inventory=here).returncode == 1
    wait(lambda: proc.find(newest.started_pid) is None, "the end of gunicorn")
    back = rollout("rollback", inventory=here)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "shop does not run there" in back.stdout
    with newest.load() as load:
        load.until(lambda answer: answer.body == "1", "release 1")

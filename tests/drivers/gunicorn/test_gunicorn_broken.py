"""Releases that are broken: the old workers of a real gunicorn serve on, and it is said why."""

from __future__ import annotations

import os
import signal

import pytest
from gunicorn_support import Capacity, GunicornShop

from rollout.agents.common.talk import Untouched
from tests.support.until import wait

SETS_THE_TITLE = """
import ctypes
getproctitle = str
def setproctitle(title):
    fields = open("/proc/self/stat").read().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, title.encode(), min(len(title), end - begin - 1))
"""
"""The module of that name, as far as gunicorn uses it."""


def test_code_that_does_not_start_ends_no_worker(newest: GunicornShop) -> None:
    """It is told in the application's own words, and every old worker is still there."""
    newest.start()
    old, master = newest.workers(), newest.master
    done = newest.deploy("upgrade", "2 broken")
    assert done.returncode == 1
    assert (
        "BROKEN: the new code does not start, so nothing was signalled: RuntimeError: there is no table"
        in (done.stdout + done.stderr)
    )
    assert (newest.master, newest.workers()) == (master, old)
    assert newest.left_behind() == []


@pytest.mark.parametrize("mode", ["rolling", "upgrade"])
def test_workers_that_fail_their_own_health_page_are_taken_back(shop: GunicornShop, mode: str) -> None:
    """Code that works on trial, but not in a worker, costs no request and no old worker, and leaves none."""
    _is_taken_back(shop, mode, "2 sick", "60s", "is not ready: /_status answered 500 Sick")


@pytest.mark.parametrize("mode", ["rolling", "upgrade"])
def test_workers_that_do_not_become_ready_in_time_are_taken_back(newest: GunicornShop, mode: str) -> None:
    """Code whose import hangs is waited for as long as the inventory says, and not longer."""
    _is_taken_back(newest, mode, "2 hangs", "3s", "to be ready, and gave up after 3 s")


def _is_taken_back(shop: GunicornShop, mode: str, release: str, ready: str, why: str) -> None:
    shop.start()
    old, master = shop.workers(), shop.master
    with shop.load() as load, Capacity(shop) as capacity:
        shop.put(release)
        status, printed = shop.restart(mode, ready=ready)
    assert status == Untouched.exit_status
    assert printed.splitlines()[-1].startswith("BROKEN: ")
    assert why in printed.splitlines()[-1]
    assert "Booting worker with pid" in printed
    assert (shop.master, shop.workers(), shop.left_behind()) == (master, old, [])
    assert load.lost == []
    assert set(load.bodies) == {"1"}
    assert capacity.least == 3


def test_workers_that_die_soon_where_no_trial_shows_it(script: GunicornShop) -> None:
    """With setproctitle there is no trial: the new master's workers must live before the old one ends."""
    (script.folder / "setproctitle.py").write_text(SETS_THE_TITLE)
    script.start(PYTHONPATH=str(script.folder))
    script.hold = 3
    old, master = script.workers(), script.master
    script.put("2 dies")
    with script.load() as load:
        status, printed = script.restart("upgrade")
    assert status == Untouched.exit_status
    assert "the new code is not started on trial" in printed
    assert "BROKEN: the workers of the new master ended within 3 s" in printed.splitlines()[-1]
    assert (script.master, script.workers(), load.lost) == (master, old, [])


def test_an_agent_that_is_killed_leaves_as_many_workers_as_before(shop: GunicornShop) -> None:
    """After kill -9 of all that runs on the node for rollout, while one more worker starts, it is ended."""
    shop.start()
    old = shop.workers()
    shop.put("2 hangs")
    agent = shop.agent("rolling")
    wait(lambda: len(shop.workers()) == 4, "one worker more")
    os.killpg(agent.pid, signal.SIGKILL)
    agent.communicate()
    wait(lambda: shop.left_behind() == [] and shop.workers() == old, "the old workers alone")

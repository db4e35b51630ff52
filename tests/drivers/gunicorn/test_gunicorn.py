"""`restart: gunicorn`, against real gunicorns under load."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from gunicorn_support import PORT, Capacity, GunicornShop

from tests.support import prepared
from tests.support.load import KeptLoad

MODES = ["reload", "rolling", "upgrade"]


@pytest.mark.parametrize("mode", MODES)
def test_a_release(newest: GunicornShop, mode: str) -> None:
    """No request is lost, all workers are new, and none but reload has less of them than before."""

    def deploy() -> None:
        done = newest.deploy(mode, "2")
        assert done.returncode == 0, done.stdout + done.stderr

    _all_are_new(newest, mode, deploy)


@pytest.mark.parametrize("mode", MODES)
def test_a_release_with_debians_gunicorn(debians: GunicornShop, mode: str) -> None:
    """The same holds for 20.1."""

    def restart() -> None:
        debians.put("2")
        status, printed = debians.restart(mode)
        assert status == 0, printed

    _all_are_new(debians, mode, restart)


def _all_are_new(shop: GunicornShop, mode: str, restart: Callable[[], None]) -> None:
    shop.start()
    old, master = shop.workers(), shop.master
    with shop.load() as load, Capacity(shop) as capacity:
        restart()
        load.until(lambda answer: answer.body == "2", "the new release")
    figure = f"{len(load.lost)} lost of {len(load.answers)}, never fewer than {capacity.least} of 3 workers"
    sys.stdout.write(f"gunicorn {mode}: {figure}\n")
    assert load.lost == []
    assert load.bodies[0] == "1"
    assert load.answers[-1].body == "2"
    new = shop.workers()
    assert len(new) == 3
    assert not old & new
    assert (shop.master == master) is (mode != "upgrade")
    if mode != "reload":
        assert capacity.least == 3
    if mode == "rolling":
        assert capacity.most == 4
    assert shop.left_behind() == []


@pytest.mark.parametrize(("mode", "least"), [("reload", 0), ("rolling", 3)])
def test_an_application_that_takes_its_time_to_start(newest: GunicornShop, mode: str, least: int) -> None:
    """With an import of 1 s, reload leaves nobody who answers; rolling never has less workers than before."""
    newest.start()
    newest.put("2 slow")
    with newest.load() as load, Capacity(newest) as capacity:
        status, printed = newest.restart(mode)
        assert status == 0, printed
    assert load.lost == []
    assert capacity.least == least


def test_a_daemon_is_replaced_by_another(newest: GunicornShop) -> None:
    """Its workers leave on WINCH, and then the old master does."""
    newest.start("--daemon")
    old, master = newest.workers(), newest.master
    newest.put("2")
    with newest.load() as load, Capacity(newest) as capacity:
        status, printed = newest.restart("upgrade")
    assert status == 0, printed
    assert "Handling signal: winch" in (newest.folder / "shop.log").read_text()
    assert (load.lost, capacity.least, newest.left_behind()) == ([], 3, [])
    assert newest.master != master
    assert not newest.workers() & old


def test_a_preloaded_application_is_replaced_with_its_master(newest: GunicornShop) -> None:
    """With preload_app, upgrade works, and the other modes say beforehand that they could not."""
    newest.start(PRELOAD="yes")
    old = newest.workers()
    for mode in ("reload", "rolling"):
        status, printed = newest.restart(mode, check=True)
        assert (status, newest.workers()) == (1, old)
        assert "new workers of the running master would run the old code; use mode: upgrade" in printed
    status, printed = newest.restart("upgrade")
    assert status == 0, printed
    assert not newest.workers() & old


def test_workers_report_by_plain_udp(newest: GunicornShop) -> None:
    """A hook of five lines, written by hand, is all that `notify: udp://` needs."""
    where = newest.report_by_hand()
    newest.start(NOTIFY=where)
    old = newest.workers()
    status, printed = newest.restart("rolling", notify=where)
    assert status == 0, printed
    assert not newest.workers() & old


def test_a_hook_that_stands_alone(debians: GunicornShop) -> None:
    """The file that `rollout hook` prints is all that the application needs of rollout."""
    (debians.folder / "rollout_hook.py").write_text(prepared.run(["hook", "gunicorn"], timeout=60).stdout)
    configuration = debians.folder / "gunicorn.conf.py"
    configuration.write_text(
        "import os\n"
        "from rollout_hook import post_worker_init\n"
        "bind = os.environ['ADDRESS']\n"
        "workers = 3\n"
        "pidfile = 'shop.pid'\n"
    )
    debians.start()
    old = debians.workers()
    status, printed = debians.restart("rolling")
    assert status == 0, printed
    assert not debians.workers() & old


def test_clients_that_keep_their_connections(newest: GunicornShop) -> None:
    """Threads that keep connections lose none of their requests, from gunicorn 24 on."""
    newest.configure("worker_class = 'gthread'", "threads = 4")
    newest.start()
    newest.put("2")
    with KeptLoad(newest.host, PORT, rate=60) as load:
        status, printed = newest.restart("rolling")
        assert status == 0, printed
    sys.stdout.write(f"gunicorn, kept connections: {len(load.lost)} lost of {len(load.answers)}\n")
    assert load.lost == []

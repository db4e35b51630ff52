"""A restart of a unit by releases that die, and its repair, with a real systemd."""

from __future__ import annotations

from tests.support.load import Load
from tests.support.systemd_shop import PORT, SystemdShop

pytest_plugins = ("tests.support.systemd_host",)

UNIT = "shop.service"


def test_a_release_that_dies_after_two_seconds_is_rolled_back(shop: SystemdShop) -> None:
    """It is active when it is looked at first, and again when systemd has started it anew."""
    shop.dying()
    shop.install("Type=simple\nRestart=always\nRestartSec=50ms")
    assert shop.deploy("1", systemd=UNIT).status == 0
    done = shop.deploy("dies", systemd=UNIT, strategy={"on_failure": "rollback"})
    assert done.status == 1
    assert any("shop.service ended soon after it had started" in line for line in done.tail), done.tail
    with Load(shop.address, PORT) as load:
        load.until(lambda answer: answer.body == "1", "release 1")
    assert shop.show("ActiveState") == {"ActiveState": "active"}


def test_a_unit_at_its_start_limit_is_started_by_a_rollback(shop: SystemdShop) -> None:
    """systemd would refuse it ("Start request repeated too quickly") until ten seconds are over."""
    shop.install("Type=notify\nRestart=always\nRestartSec=50ms\n[Unit]\nStartLimitIntervalSec=1h")
    assert shop.deploy("1", systemd=UNIT).status == 0
    done = shop.deploy("broken", systemd=UNIT)
    assert done.status == 1
    shop.host.run("while systemctl is-active shop.service | grep -qx activating; do sleep 0.05; done")
    assert shop.show("ActiveState") == {"ActiveState": "failed"}
    refused = shop.host.run("echo 1 > /run/release; systemctl start shop.service")
    assert refused.status == 1
    back = shop.rollout("rollback")
    assert back.status == 0, back.tail
    with Load(shop.address, PORT) as load:
        load.until(lambda answer: answer.body == "1", "release 1")


def test_a_unit_that_does_not_run_is_started_where_a_reload_was_meant(shop: SystemdShop) -> None:
    """Nobody can reload it; that it is started is said beforehand."""
    reload = {"unit": UNIT, "action": "reload"}
    shop.install("Type=notify\nExecReload=/bin/sh -c 'kill -HUP $MAINPID; sleep 1'")
    shop.host.run("systemctl stop shop.service")
    done = shop.deploy("2", systemd=reload)
    assert done.status == 0, done.tail
    assert any("it is started by `" in line for line in done.tail), done.tail
    with Load(shop.address, PORT) as load:
        load.until(lambda answer: answer.body == "2", "release 2")

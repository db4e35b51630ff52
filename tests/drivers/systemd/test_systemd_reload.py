"""`restart: {systemd: {action: reload}}` with real systemds: one that knows Type=notify-reload, one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.load import Load
from tests.support.systemd_shop import PORT, SystemdShop

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

RELOAD = {"unit": "shop.service", "action": "reload"}


@pytest.fixture
def shop(systemd_host: SystemdHost) -> Iterator[SystemdShop]:
    shop = SystemdShop(systemd_host)
    yield shop
    shop.remove()


@pytest.fixture
def newer(newer_systemd_host: SystemdHost) -> Iterator[SystemdShop]:
    shop = SystemdShop(newer_systemd_host)
    yield shop
    shop.remove()


def test_a_reload_that_the_unit_itself_reports(newer: SystemdShop) -> None:
    """Type=notify-reload: nothing is lost, the unit is the invocation of before, and the new release answers."""
    newer.install("Type=notify-reload")
    before = newer.show("InvocationID", "MainPID")
    with Load(newer.address, PORT) as load:
        done = newer.deploy("2", systemd=RELOAD)
        load.until(lambda answer: answer.body == "2", "release 2")
    assert done.status == 0, done.tail
    assert any("shop.service is reloaded, and active (running)" in line for line in done.tail), done.tail
    assert load.lost == []
    assert newer.show("InvocationID", "MainPID") == before


def test_a_release_that_does_not_load_leaves_the_old_one_serving(newer: SystemdShop) -> None:
    """Type=notify-reload: systemd waits in vain for the unit's word, and its time-out is the failure."""
    newer.install("Type=notify-reload\nTimeoutStartSec=2s")
    with Load(newer.address, PORT) as load:
        done = newer.deploy("broken", systemd=RELOAD)
    assert done.status == 1
    assert any("this release does not start" in line for line in done.tail), done.tail
    assert (load.lost, load.bodies) == ([], ["1"])
    assert newer.show("ActiveState", "ReloadResult") == {"ActiveState": "active", "ReloadResult": "timeout"}


WAITS = "sh -c 'kill -HUP $MAINPID; until grep -qx 2 /run/release && curl -s {url} | grep -qx 2; do sleep 0.1; done'"

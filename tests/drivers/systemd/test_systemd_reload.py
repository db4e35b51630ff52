"""`restart: {systemd: {action: reload}}` with systemd 252, and with one that has Type=notify-reload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.capacity import capacity
from tests.support.load import Load
from tests.support.systemd_shop import CHILDREN, PORT, SystemdShop

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

RELOAD = {"unit": "shop.service", "action": "reload"}
WAIT_FOR_CHILDREN = """\
eldest() { read -r pid _ </proc/$MAINPID/task/$MAINPID/children; echo $pid; }
old=$(eldest)
kill -HUP $MAINPID
for _ in $(seq $1); do
    [ "$(eldest)" = "$old" ] || exit 0
    sleep 0.05
done
exit 1
"""
EXEC_RELOAD = "Type=notify\nExecReload=/bin/sh /run/wait-for-children {looks}"


@pytest.fixture
def shop(systemd_host: SystemdHost) -> Iterator[SystemdShop]:
    shop = SystemdShop(systemd_host)
    systemd_host.run("cat > /run/wait-for-children", stdin=WAIT_FOR_CHILDREN)
    yield shop
    shop.remove()


@pytest.fixture
def newer(newer_systemd_host: SystemdHost) -> Iterator[SystemdShop]:
    shop = SystemdShop(newer_systemd_host)
    yield shop
    shop.remove()


def test_a_reload_that_the_unit_itself_reports(newer: SystemdShop) -> None:
    """Type=notify-reload: nothing is lost, the new release answers, and it is the invocation of before."""
    newer.install("Type=notify-reload")
    before = newer.show("InvocationID", "MainPID")
    with Load(newer.address, PORT) as load, capacity(newer.parent) as counts:
        done = newer.deploy("2", systemd=RELOAD)
        load.until(lambda answer: answer.body == "2", "release 2")
    assert done.status == 0, done.tail
    assert any("shop.service is reloaded, and active (running)" in line for line in done.tail), done.tail
    assert (load.lost, min(counts)) == ([], CHILDREN)
    assert newer.show("InvocationID", "MainPID") == before


def test_a_release_that_does_not_load_leaves_the_old_one_serving(newer: SystemdShop) -> None:
    """Type=notify-reload: systemd waits in vain for the unit's word, and its time-out is the failure."""
    newer.install("Type=notify-reload")
    newer.write("Type=notify-reload\nTimeoutStartSec=1s")
    with Load(newer.address, PORT) as load, capacity(newer.parent) as counts:
        done = newer.deploy("broken", systemd=RELOAD)
    assert done.status == 1
    assert any("Reload failed for shop.service" in line for line in done.tail), done.tail
    assert (load.lost, load.bodies, min(counts)) == ([], ["1"], CHILDREN)
    assert newer.show("ActiveState", "ReloadResult") == {"ActiveState": "active", "ReloadResult": "timeout"}


def test_an_exec_reload_that_ends_when_the_reload_is_done(shop: SystemdShop) -> None:
    """Any systemd: its ExecReload= waits for the new children, and its exit status is believed."""
    shop.install(EXEC_RELOAD.format(looks=400))
    with Load(shop.address, PORT) as load, capacity(shop.parent) as counts:
        done = shop.deploy("2", systemd=RELOAD)
        load.until(lambda answer: answer.body == "2", "release 2")
        assert done.status == 0, done.tail
        shop.write(EXEC_RELOAD.format(looks=20))
        failed = shop.deploy("broken", systemd=RELOAD)
    assert failed.status == 1
    assert any("Reload failed for shop.service" in line for line in failed.tail), failed.tail
    assert (load.lost, load.bodies[-1], min(counts)) == ([], "2", CHILDREN)
    assert shop.show("ActiveState", "ReloadResult") == {"ActiveState": "active", "ReloadResult": "exit-code"}

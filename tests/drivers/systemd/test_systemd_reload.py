"""`restart: {systemd: {action: reload}}` with systemd 252, and with one that has Type=notify-reload."""

from __future__ import annotations

import os
import signal

import pytest

from rollout.agents.common.proc import children
from tests.support.capacity import capacity
from tests.support.load import Load
from tests.support.systemd_shop import CHILDREN, PORT, SystemdShop
from tests.support.until import wait

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
def waits(shop: SystemdShop) -> SystemdShop:
    """One whose ExecReload= can wait for its children."""
    shop.host.run("cat > /run/wait-for-children", stdin=WAIT_FOR_CHILDREN)
    return shop


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
    """Type=notify-reload: systemd waits in vain for the unit's word, and its time-out is the failure. The
    release before is on the disk again, for children that are started later."""
    newer.install("Type=notify-reload")
    assert newer.deploy("1", systemd=RELOAD).status == 0
    newer.write("Type=notify-reload\nTimeoutStartSec=1s")
    with Load(newer.address, PORT) as load, capacity(newer.parent) as counts:
        done = newer.deploy("broken", systemd=RELOAD)
    assert done.status == 1
    assert any("Reload failed for shop.service" in line for line in done.tail), done.tail
    assert any("release 1 is on the disk again" in line for line in done.tail), done.tail
    assert (load.lost, load.bodies, min(counts)) == ([], ["1"], CHILDREN)
    assert newer.show("ActiveState", "ReloadResult") == {"ActiveState": "active", "ReloadResult": "timeout"}
    old = children(newer.parent)
    for child in old:
        os.kill(child.pid, signal.SIGKILL)
    wait(lambda: len(set(children(newer.parent)) - set(old)) == CHILDREN, "children in their place")
    with Load(newer.address, PORT) as load:
        load.until(lambda answer: answer.body == "1", "release 1")


def test_an_exec_reload_that_ends_when_the_reload_is_done(waits: SystemdShop) -> None:
    """Any systemd: its ExecReload= waits for the new children, and its exit status is believed."""
    waits.install(EXEC_RELOAD.format(looks=400))
    with Load(waits.address, PORT) as load, capacity(waits.parent) as counts:
        done = waits.deploy("2", systemd=RELOAD)
        load.until(lambda answer: answer.body == "2", "release 2")
        assert done.status == 0, done.tail
        waits.write(EXEC_RELOAD.format(looks=20))
        failed = waits.deploy("broken", systemd=RELOAD)
    assert failed.status == 1
    assert any("Reload failed for shop.service" in line for line in failed.tail), failed.tail
    assert (load.lost, load.bodies[-1], min(counts)) == ([], "2", CHILDREN)
    assert waits.show("ActiveState", "ReloadResult") == {"ActiveState": "active", "ReloadResult": "exit-code"}

"""`restart: {systemd: shop.service}` while shop.socket holds the listening socket, with a real systemd."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.support.load import Load
from tests.support.systemd_shop import PORT, SystemdShop

pytest_plugins = ("tests.support.systemd_host",)

UNIT = "shop.service"
GOES_ON_TRYING = "Type=notify\nRestart=always\nRestartSec=500ms\n[Unit]\nStartLimitIntervalSec=0"
"""Settings with which systemd never gives up, so that it never closes the socket."""
GIVES_UP = "Type=notify\n[Unit]\nStartLimitIntervalSec=5min\nStartLimitBurst=3"
"""As it does by default, after five starts in ten seconds."""


def test_what_comes_during_the_restart_waits_and_is_answered(shop: SystemdShop) -> None:
    """The service is another invocation, and of all requests none was refused and none was lost."""
    shop.install("Type=notify", socket="Backlog=1024")
    before = shop.show("InvocationID")
    with Load(shop.address, PORT, timeout=60) as load:
        done = shop.deploy("2", systemd=UNIT)
        load.until(lambda answer: answer.body == "2", "release 2")
    assert done.status == 0, done.tail
    assert (load.lost, load.bodies) == ([], ["1", "2"])
    assert shop.show("InvocationID") != before


def test_a_broken_release_is_waited_out_until_the_old_one_is_back(shop: SystemdShop) -> None:
    """Nobody answers while it is broken, but the socket stays, and a rollback answers all who wait at it."""
    shop.install(GOES_ON_TRYING, socket="Backlog=1024")
    assert shop.deploy("2", systemd=UNIT).status == 0
    with Load(shop.address, PORT, timeout=60) as load:
        done = shop.deploy("broken", systemd=UNIT, strategy={"on_failure": "rollback"})
        load.until(lambda answer: answer.body == "2", "release 2")
    assert done.status == 1
    assert any("this release does not start" in line for line in done.tail), done.tail
    assert (load.lost, load.bodies) == ([], ["2"])
    assert shop.show("ActiveState", unit="shop.socket") == {"ActiveState": "active"}


def test_systemd_gives_up_and_closes_the_socket(shop: SystemdShop) -> None:
    """Whoever waits has it start a broken release again and again; at its limit all of them are reset."""
    shop.install(GIVES_UP, socket="Backlog=1024")
    shop.host.run("echo broken > /run/release; systemctl restart shop.service")
    with ExitStack() as stack:
        client = stack.enter_context(socket.create_connection((shop.address, PORT), timeout=60))
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    result = shop.show("ActiveState", "Result", unit="shop.socket")
    assert result == {"ActiveState": "failed", "Result": "service-start-limit-hit"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((shop.address, PORT), timeout=60)

"""A refork of a real uWSGI that a real systemd watches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from uwsgi_support import APPLICATION, PORT, REFORK

from rollout.inventory.restart import Uwsgi
from rollout.restart.uwsgi import plan_restart
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.systemd_unit import PIDFILE, UNIT, SystemdUnit, installed

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

LINES = (
    "[uwsgi]",
    "plugin = python3",
    "master = true",
    "workers = 2",
    "chdir = %d",
    "module = shop",
    "env = PYTHONDONTWRITEBYTECODE=1",
    *REFORK,
    f"pidfile = {PIDFILE}",
)
STARTS = "KillSignal=SIGINT\nExecStart=/usr/bin/uwsgi --ini /run/shop/shop.ini"


@pytest.fixture
def unit(systemd_host: SystemdHost) -> Iterator[SystemdUnit]:
    with installed(systemd_host) as unit:
        yield unit


def refork() -> str:
    line = plan_restart(Uwsgi(fifo="/run/shop/shop.fifo", mode="refork"), 40, str).command
    assert line is not None
    return line


def start(unit: SystemdUnit, settings: str, *lines: str) -> str:
    """Start it with these settings; returns its address."""
    address = own_address()
    unit.write("shop.ini", "\n".join((*LINES, f"http-socket = {address}:{PORT}", *lines, "")))
    unit.write("shop.py", APPLICATION.format(release="1", first=""))
    unit.start(f"{STARTS}\n{settings}")
    return address


def test_systemd_follows_a_new_master_by_its_pidfile(unit: SystemdUnit) -> None:
    """rollout writes it before the new master ends the old one: no request is lost, and the unit goes on."""
    address = start(unit, f"Type=forking\nPIDFile={PIDFILE}", "daemonize = /run/shop/log")
    old = unit.show("MainPID")
    with Load(address, PORT, rate=50) as load:
        unit.write("shop.py", APPLICATION.format(release="2", first=""))
        done = unit.run(refork())
        assert done.status == 0, done.tail
        load.until(lambda answer: answer.body.startswith("2 "), "release 2")
    assert load.lost == []
    assert unit.named == unit.show("MainPID") != old
    assert (unit.show("ActiveState"), unit.show("NRestarts")) == ("active", "0")


def test_a_refork_that_fails_leaves_the_pidfile_to_the_old_master(unit: SystemdUnit) -> None:
    """Else systemd would take the unit for ended when the old one ends some day."""
    start(unit, f"Type=forking\nPIDFile={PIDFILE}", "daemonize = /run/shop/log")
    old = unit.show("MainPID")
    raises = "import uwsgi\nif 'no-server' not in uwsgi.opt: raise RuntimeError('no database')"
    unit.write("shop.py", APPLICATION.format(release="2", first=raises))
    done = unit.run(refork())
    assert done.status != 0
    assert "keeps serving" in done.tail[-1]
    assert unit.named == unit.show("MainPID") == old


def test_a_unit_without_a_pidfile_is_not_reforked(unit: SystemdUnit) -> None:
    """systemd would end both masters: that is refused before anything is told to uWSGI."""
    start(unit, "Type=notify")
    old = unit.show("MainPID")
    done = unit.run(refork())
    assert done.status != 0
    assert "Type=notify, without PIDFile=" in done.tail[-1]
    assert f"use mode: chain, or restart.systemd, or set PIDFile={PIDFILE} in {UNIT}" in done.tail[-1]
    assert unit.show("MainPID") == old

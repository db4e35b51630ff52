"""What a real systemd does when the main process of a unit leaves its place to another; what is refused."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollout.domain import Completed
from rollout.inventory.restart import Gunicorn, Signal
from rollout.restart import gunicorn, signal
from rollout.restart.driver import RestartPlan
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.systemd_unit import PIDFILE, UNIT, SystemdUnit, installed
from tests.support.until import wait

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

PORT = 8000
WAITS = f"ExecStart=/bin/sh -c 'echo $$$$ > {PIDFILE}; exec sleep 600'"
LEAVES = f"ExecStart=/bin/sh -c 'sleep 600 & echo $! > {PIDFILE}'"
SHELL = f"ExecStart=/bin/sh -c 'sleep 600 & echo $! > {PIDFILE}; systemd-notify --ready; wait'"
GUNICORN = """
from rollout.app.gunicorn import post_worker_init
bind = "{address}:8000"
workers = 2
worker_tmp_dir = "/run/shop"
pidfile = "/run/shop/shop.pid"
chdir = "/run/shop"
errorlog = "/run/shop/log"
control_socket_disable = True
"""
APPLICATION = """
release = open("/run/shop/release", "rb").read()
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "1")])
    return [release]
"""


@pytest.fixture
def unit(systemd_host: SystemdHost) -> Iterator[SystemdUnit]:
    with installed(systemd_host) as unit:
        yield unit


def successor(number: str = "USR2") -> RestartPlan:
    settings = Signal.model_validate({"pidfile": PIDFILE, "signal": number, "proof": "new-pid"})
    return signal.plan_restart(settings, 20, str)


@pytest.mark.parametrize(
    "settings",
    ["Type=forking\nExecStart={start} --daemon", "ExecStart={start}", "Type=notify\nExecStart={start}"],
    ids=["forking", "simple", "notify"],
)
def test_systemd_follows_a_new_master_by_its_pidfile(unit: SystemdUnit, settings: str) -> None:
    """The unit goes on with the new master as its main process, and no request is lost."""
    address = own_address()
    unit.write("gunicorn.conf.py", GUNICORN.format(address=address))
    unit.write("shop.py", APPLICATION)
    unit.write("release", "1")
    begin = f"{Path(sys.executable).with_name('gunicorn')} -c /run/shop/gunicorn.conf.py shop"
    unit.start(f"{settings.format(start=begin)}\nPIDFile={PIDFILE}")
    wait(lambda: unit.host.run(f"pgrep -P {unit.named} | wc -l").tail == ("2",), "two workers")
    old = unit.show("MainPID")
    plan = gunicorn.plan_restart(Gunicorn(pidfile=PIDFILE, mode="upgrade"), 60, str)
    assert plan.command is not None
    with Load(address, PORT, rate=50) as load:
        unit.write("release", "2")
        done = unit.run(plan.command)
        assert done.status == 0, done.tail
        load.until(lambda answer: answer.body == "2", "release 2")
    assert load.lost == []
    assert unit.named == unit.show("MainPID") != old
    assert (unit.show("ActiveState"), unit.show("NRestarts")) == ("active", "0")


def looked_at(unit: SystemdUnit, settings: str, number: str = "USR2") -> Completed:
    """What comes of the look before a restart by that signal, while the unit runs with those settings."""
    unit.start(settings)
    precheck = successor(number).precheck
    assert precheck is not None
    return unit.run(precheck)


REFUSED = {
    "simple": (WAITS, "Type=simple, without PIDFile=, Restart=no"),
    "exec": (f"Type=exec\n{WAITS}", "Type=exec, without PIDFile="),
    "a shell that waits": (f"Type=notify\nNotifyAccess=all\n{SHELL}", "Type=notify, without PIDFile="),
    "always started": (f"Restart=always\n{WAITS}", "Restart=always"),
    "no PIDFile=": (f"Type=forking\n{LEAVES}", "Type=forking, without PIDFile="),
    "another PIDFile=": (f"PIDFile=/run/other.pid\n{WAITS}", "PIDFile=/run/other.pid"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_unit_that_would_not_follow(unit: SystemdUnit, what: str) -> None:
    """It is refused beforehand, with the setting that would have systemd follow."""
    settings, told = REFUSED[what]
    done = looked_at(unit, settings)
    assert done.status == 1
    assert told in done.tail[-1]
    assert f"use restart.systemd, or set PIDFile={PIDFILE} in {UNIT}" in done.tail[-1]


PASSES = {
    "a pidfile": (f"PIDFile={PIDFILE}\n{WAITS}", "USR2"),
    "all processes count": (f"ExitType=cgroup\n{WAITS}", "USR2"),
    "no main process": (f"Type=oneshot\nRemainAfterExit=yes\n{LEAVES}", "USR2"),
    "systemd starts it again": (f"Restart=always\n{WAITS}", "TERM"),
}


@pytest.mark.parametrize("what", PASSES)
def test_a_unit_that_goes_on(unit: SystemdUnit, what: str) -> None:
    """What systemd would not end, or start again after a signal that ends it, is not refused."""
    assert looked_at(unit, *PASSES[what]) == Completed(0, ())


def test_a_unit_that_systemd_starts_again(unit: SystemdUnit) -> None:
    """The new process is the one that systemd has started."""
    unit.start(f"Restart=always\nRestartSec=100ms\n{WAITS}")
    old = unit.show("MainPID")
    command = successor("TERM").command
    assert command is not None
    done = unit.run(command)
    assert done.status == 0, done.tail
    assert unit.named == unit.show("MainPID") != old


MANAGER = """\
Type=notify
User=www-data
Environment=XDG_RUNTIME_DIR=/run/user/33 HOME=/run/user/33
Delegate=yes
ExecStart=/lib/systemd/systemd --user
"""


@pytest.fixture
def user_unit(unit: SystemdUnit) -> Iterator[SystemdUnit]:
    """The same unit by the manager of a user. It is running."""
    folders = "/run/shop /run/user/33 /run/user/33/systemd /run/user/33/systemd/user"
    unit.host.run(f"install -d -o www-data {folders}")
    unit.host.add_unit("user@33.service", MANAGER)
    for line in (
        "systemctl start user@33.service",
        f"printf '[Service]\\n%s\\n' {shlex.quote(WAITS)} > /run/user/33/systemd/user/{UNIT}",
        f"setpriv --reuid=33 --clear-groups env XDG_RUNTIME_DIR=/run/user/33 systemctl --user start {UNIT}",
    ):
        done = unit.host.run(line)
        assert done.status == 0, done.tail
    wait(lambda: unit.host.run(f"cat {PIDFILE}").status == 0, "the pidfile")
    yield unit
    unit.host.run("systemctl stop user@33.service; rm -rf /etc/systemd/system/user@33.service /run/user/33")


@pytest.mark.parametrize("user", ["root", "www-data"])
def test_a_unit_of_a_user(user_unit: SystemdUnit, user: str) -> None:
    """Its own manager is asked, by root as well."""
    precheck = successor().precheck
    assert precheck is not None
    done = user_unit.host.run(f"export TMPDIR=/run/shop\n{precheck}", user=user)
    assert done.status == 1
    assert f"as the main process of {UNIT} (Type=simple, without PIDFile=" in done.tail[-1], done.tail

"""What a reload is refused for beforehand, and what does not pass for one, with a real systemd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from rollout.agents.common.talk import NotRunning
from rollout.domain import Completed
from rollout.inventory.restart import Systemd
from rollout.restart import systemd
from rollout.restart.driver import ProofResult, ProofStatus, RestartPlan

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

UNIT = "reloaded.service"
RUNS = "ExecStart=/bin/sleep infinity"
FAILS_ON_IT = "ExecStart=/bin/sleep infinity\nExecReload=/bin/sh -c 'kill -HUP $MAINPID; sleep 0.1'"


def reloading() -> RestartPlan:
    return systemd.plan_restart(Systemd(unit=UNIT, action="reload"), 20, str)


@pytest.fixture
def host(systemd_host: SystemdHost) -> Iterator[SystemdHost]:
    yield systemd_host
    remove(systemd_host)


@pytest.fixture
def newer(newer_systemd_host: SystemdHost) -> Iterator[SystemdHost]:
    yield newer_systemd_host
    remove(newer_systemd_host)


def remove(host: SystemdHost) -> None:
    host.run(f"systemctl stop {UNIT}; systemctl reset-failed; rm -f /etc/systemd/system/{UNIT}")


def start(host: SystemdHost, service: str) -> None:
    host.add_unit(UNIT, service)
    started = host.run(f"systemctl restart {UNIT}")
    assert started.status == 0, started.tail


def precheck(host: SystemdHost, user: str = "root") -> Completed:
    line = reloading().precheck
    assert line is not None
    return host.run(line, user=user)


def reload(host: SystemdHost, command: str | None = None) -> tuple[Completed, ProofResult]:
    """The driver's reload (or `command` in its place), looked at until the proof is final."""
    plan_restart = reloading()
    proof = plan_restart.proof
    assert proof is not None
    before = "\n".join(host.run(proof.observe).tail)
    done = host.run(command or plan_restart.command or "")
    deadline = time.monotonic() + 20
    while True:
        result = proof.compare(before, "\n".join(host.run(proof.observe).tail))
        if result.status is not ProofStatus.WAIT:
            return done, result
        assert time.monotonic() < deadline, result.detail


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (RUNS, "cannot be reloaded: it has neither ExecReload= nor Type=notify-reload"),
        (f"{RUNS}\nType=notify-reload", "which systemd has from 253 on (here runs 252)"),
        (f"{RUNS}\nExecReload=/bin/kill -HUP $MAINPID", "only sends a signal"),
        (
            f"{RUNS}\nExecReload=kill -HUP $MAINPID\nExecReload=/bin/kill -USR1 $MAINPID",
            "only sends a signal",
        ),
        (f"{RUNS}\nExecReload=-/bin/false", "its failure is ignored"),
    ],
)
def test_what_could_not_be_proved_is_refused(host: SystemdHost, service: str, reason: str) -> None:
    """A unit that cannot be reloaded, or whose reload ends before anything came of it."""
    start(host, service)
    refused = precheck(host)
    assert refused.status == 1
    assert refused.tail[-1].startswith(UNIT)
    assert reason in refused.tail[-1]


def test_a_systemd_that_is_too_old_is_named(host: SystemdHost) -> None:
    """One that does not know Type=notify-reload takes the unit for one that cannot be reloaded."""
    version = host.run("systemctl --version").tail[0].split()[1]
    if int(version) >= 253:
        pytest.skip("this systemd knows it")
    start(host, f"{RUNS}\nType=notify-reload")
    assert precheck(host).tail[-1].endswith(f"which systemd has from 253 on (here runs {version})")


def test_a_unit_that_does_not_run_is_refused(host: SystemdHost) -> None:
    """There is nothing that could load anew."""
    host.add_unit(UNIT, f"{RUNS}\nExecReload=/bin/true")
    refused = precheck(host)
    reason = f"{UNIT} is not active: only a running unit can be reloaded"
    assert refused == Completed(NotRunning.exit_status, (reason,))


def test_who_may_reload_is_told_beforehand(host: SystemdHost) -> None:
    """Root may, and a user whom sudo lets; nobody may not, and hears it from sudo."""
    start(host, f"{RUNS}\nExecReload=/bin/kill -HUP $MAINPID\nExecReload=/bin/true")
    assert precheck(host) == precheck(host, "www-data") == Completed(0, ())
    assert "password is required" in precheck(host, "nobody").tail[-1]


def test_a_unit_that_reports_its_reload_is_let_through(newer: SystemdHost) -> None:
    """Type=notify-reload needs no ExecReload=, and one that sends another signal does no harm."""
    says_ready = "ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'\nNotifyAccess=all"
    for more in ("", "ExecReload=/bin/kill -USR1 $MAINPID"):
        start(newer, f"Type=notify-reload\n{says_ready}\n{more}")
        assert precheck(newer) == Completed(0, ())


def test_a_reload_that_did_nothing_is_none(host: SystemdHost) -> None:
    """A command that ends well although nobody told systemd to reload does not pass."""
    start(host, f"{RUNS}\nExecReload=/bin/true")
    done, result = reload(host, command="true")
    assert done.status == 0
    assert result == ProofResult(
        ProofStatus.FAILED, f"{UNIT} was not reloaded: nothing has happened to it since"
    )


def test_a_reload_is_judged_by_what_systemd_shows(host: SystemdHost) -> None:
    """Even where nobody heard how the command ended."""
    start(host, f"{RUNS}\nExecReload=/bin/true")
    went = reload(host, command=f"systemctl reload --no-block {UNIT}")
    assert went == (
        Completed(0, ()),
        ProofResult(ProofStatus.DONE, f"{UNIT} is reloaded, and active (running)"),
    )
    start(host, f"{RUNS}\nExecReload=/bin/false")
    _, result = reload(host, command=f"systemctl reload --no-block {UNIT}")
    failed = f"the reload of {UNIT} failed (ReloadResult=exit-code): it keeps running as before"
    assert result == ProofResult(ProofStatus.FAILED, failed)


@pytest.mark.parametrize("then", ["", "Restart=always\nRestartSec=0", "Restart=always\nRestartSec=1min"])
def test_a_unit_that_ends_on_the_reload_has_not_reloaded(host: SystemdHost, then: str) -> None:
    """Whether systemd starts it again or not, those who were being served are lost."""
    start(host, f"{FAILS_ON_IT}\n{then}")
    _, result = reload(host)
    assert result.status is ProofStatus.FAILED
    assert result.detail.startswith(f"{UNIT} ended on the reload")

"""`restart: systemd` of several units, of units named after their node, and of a user's own, with a real
systemd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from rollout.agents.common.talk import NotRunning
from rollout.domain import Completed
from rollout.inventory.restart import Systemd
from rollout.restart import systemd
from tests.support.systemd_shop import SystemdShop
from tests.support.until import wait

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

ITEM = """\
ExecStart=/bin/sh -c 'read it </run/release; [ $$it != dies ] || { sleep 0.5; exec cat /no/table; }; sleep 9d'
ExecReload=/bin/sh -c 'read it </run/release; [ $$it != refused ]'
"""
UNITS = ("item@1.service", "item@2.service")
BOTH = "item@1.service item@2.service"
"""Both of these."""


@pytest.fixture
def items(systemd_host: SystemdHost) -> Iterator[SystemdHost]:
    """A host on which two units of a template run."""
    systemd_host.add_unit("item@.service", ITEM)
    started = systemd_host.run(f"echo 1 > /run/release; systemctl restart {BOTH}")
    assert started.status == 0, started.tail
    yield systemd_host
    systemd_host.run(f"systemctl stop {BOTH}; systemctl reset-failed; rm /etc/systemd/system/item@.service")


def invocations(host: SystemdHost) -> dict[str, str]:
    shown = {unit: host.run(f"systemctl show {unit} -p InvocationID --value").tail for unit in UNITS}
    return {unit: "".join(lines) for unit, lines in shown.items()}


def run(host: SystemdHost, settings: Systemd, *, release: str, user: str = "root") -> Completed:
    """The driver's own command, with that release on the disk."""
    host.run("cat > /run/release", stdin=release)
    return host.run(systemd.plan_restart(settings, 20, str).command or "", user=user)


def test_several_units_are_restarted_and_proved(items: SystemdHost, shop: SystemdShop) -> None:
    """Whatever their names are on each node."""
    before = invocations(items)
    done = shop.deploy("2", systemd="item@{node}.service item@2.service", nodes={"1": shop.node})
    assert done.status == 0, done.tail
    assert any("item@1.service is active (running), item@2.service is active" in line for line in done.tail)
    after = invocations(items)
    assert all(after[unit] not in ("", before[unit]) for unit in UNITS)


def test_the_first_unit_must_live_before_the_next_one_is_touched(items: SystemdHost) -> None:
    """One that does not run goes first: it costs nothing. Its last lines are told."""
    items.run(f"systemctl stop {UNITS[1]}")
    before = invocations(items)
    plan = systemd.plan_restart(BOTH, 20, str)
    failed = run(items, Systemd(unit=BOTH), release="dies")
    ended = "item@2.service ended soon after it had started; the units after it were not touched"
    assert (failed.status, failed.tail[-1]) == (1, ended)
    assert invocations(items)[UNITS[0]] == before[UNITS[0]]
    assert plan.proof is not None
    explained = items.run(plan.explain).tail
    assert "cat: /no/table: No such file or directory" in explained
    assert not any("item@1" in line for line in explained)


def test_a_reload_that_one_unit_refuses(items: SystemdHost) -> None:
    """What ran before runs on as it did, so the release before may be put back."""
    settings = Systemd(unit=BOTH, action="reload")
    proof = systemd.plan_restart(settings, 20, str).proof
    assert proof is not None
    before = "\n".join(items.run(proof.observe).tail)
    assert run(items, settings, release="refused").status == 1
    result = proof.compare(before, "\n".join(items.run(proof.observe).tail))
    assert "the reload of item@1.service failed" in result.detail
    assert "item@2.service was not reloaded" in result.detail
    assert result.kept


def test_what_cannot_be_reloaded_is_told_of_all_units(items: SystemdHost) -> None:
    """Where none of them runs they can be started; where one does, the release would not reach it."""
    precheck = systemd.plan_restart(Systemd(unit=BOTH, action="reload"), 20, str).precheck or ""
    assert items.run(precheck) == Completed(0, ())
    told = "is not active: only a running unit can be reloaded"
    items.run(f"systemctl stop {UNITS[1]}")
    assert items.run(precheck) == Completed(1, (f"{UNITS[1]} {told}",))
    items.run(f"systemctl stop {UNITS[0]}")
    assert items.run(precheck) == Completed(NotRunning.exit_status, (f"{BOTH} {told}",))


MANAGER = """\
Type=notify
User=www-data
Delegate=yes
Environment=XDG_RUNTIME_DIR=/run/user/33
ExecStartPre=+/bin/sh -c 'mkdir -p /run/user/33/systemd/user; chown -R www-data /run/user/33'
ExecStart=/lib/systemd/systemd --user
"""
"""As user@33.service, for a user who lingers."""


@pytest.fixture
def manager(systemd_host: SystemdHost) -> Iterator[SystemdHost]:
    """A host on which www-data has a service manager with a unit `own`."""
    systemd_host.add_unit("manager.service", MANAGER)
    systemd_host.run("echo 1 > /run/release")
    started = systemd_host.run("systemctl start manager.service")
    assert started.status == 0, started.tail
    unit = "cat > /run/user/33/systemd/user/own.service"
    assert systemd_host.run(unit, user="www-data", stdin=f"[Service]\n{ITEM}").status == 0
    yield systemd_host
    systemd_host.run("systemctl stop manager.service; rm -r /run/user /etc/systemd/system/manager.service")


def test_a_unit_of_the_user_who_logs_in(manager: SystemdHost) -> None:
    """No sudo and no session's variables are needed; who has no such manager is told what to do."""
    plan = systemd.plan_restart(Systemd(unit="own.service", user=True), 20, str)
    proof = plan.proof
    assert proof is not None
    assert manager.run(plan.precheck or "", user="www-data") == Completed(0, ())
    before = "\n".join(manager.run(proof.observe, user="www-data").tail)
    assert manager.run(plan.command or "", user="www-data").status == 0
    after = "\n".join(manager.run(proof.observe, user="www-data").tail)
    assert proof.compare(before, after).detail == "own.service is active (running)"
    refused = manager.run(plan.precheck or "", user="nobody")
    assert refused.status == 1
    assert refused.tail[-1].startswith("the service manager of nobody does not answer: ")
    assert refused.tail[-1].endswith("run `sudo loginctl enable-linger nobody` once")

    failed = run(manager, Systemd(unit="own.service", user=True), release="dies", user="www-data")
    assert failed.status == 0
    wait(
        lambda: (
            "ended soon"
            in proof.compare_life(after, "\n".join(manager.run(proof.observe, user="www-data").tail)).detail
        ),
        "its end",
    )

"""`restart: runit`, against a real runsvdir."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rollout.agents.common.talk import Failed, NotRunning, NotThere
from rollout.restart.runit import plan_restart
from tests.support.command import rollout, write_inventory
from tests.support.load import Load, cost_of_one_at_a_time
from tests.support.until import wait
from tests.support.users import NOBODY, SUDOER, need_root

if TYPE_CHECKING:
    from conftest import Runit

PORTS = {"shop-1": 8000, "shop-2": 8001, "shop-3": 8002}
STUBBORN = """sh -c 'trap "" TERM; while ! [ -e done ]; do sleep 0.05; done; rm done'"""
"""Ends at a word, not at TERM; the process that comes after it needs another word, and so it lives."""

Start = Callable[[], None]


def deploy(runit: Runit, release: str, services: str) -> subprocess.CompletedProcess[str]:
    """Put the release on disk, and restart."""
    sections = {
        "release": {"command": f'printf %s "$ROLLOUT_RELEASE" > {runit.folder}/release'},
        "restart": {"runit": services, "timeout": "60s"},
    }
    inventory = write_inventory(runit.folder / "shop.yml", sections)
    return rollout("deploy", "--release", release, inventory=inventory)


def agent(
    services: str = "shop", *, check: bool = False, timeout: float = 60, within: tuple[str, ...] = ()
) -> tuple[int, list[str]]:
    """The driver's own command or precheck: its exit status, and what it prints."""
    made = plan_restart(services, timeout, str)
    line = made.precheck if check else made.command
    assert line is not None
    done = subprocess.run([*within, "sh", "-c", line], capture_output=True, text=True, timeout=90)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_services_are_restarted_one_after_another(runit: Runit, start: Start) -> None:
    """Under load all of them get the new release, and never is more than one of them away."""
    for name, port in PORTS.items():
        runit.add_shop(name, port)
    start()
    before = runit.pids()
    with ExitStack() as stack:
        loads = [stack.enter_context(Load(runit.address, port, rate=50)) for port in PORTS.values()]
        done = deploy(runit, "1.5", " ".join(PORTS))
        for load in loads:
            load.until(lambda answer: answer.body == "1.5", "the new release")
    assert done.returncode == 0, done.stdout + done.stderr
    after = runit.pids()
    assert len(after) == 3
    assert not set(before.values()) & set(after.values())
    print(cost_of_one_at_a_time(loads, "1.4", "1.5"))  # noqa: T201


def test_a_broken_release_stops_at_the_first_service(runit: Runit, start: Start) -> None:
    """runit starts it again for ever, which is seen within seconds; the last lines of its log are shown, and
    the other service goes on."""
    runit.add_shop("shop-1", 8000)
    runit.add_shop("shop-2", 8001)
    start()
    before = runit.pids()
    with Load(runit.address, 8001, rate=50) as load:
        done = deploy(runit, "broken", "shop-1 shop-2")
    assert done.returncode == 1
    assert "BROKEN: shop-1 was restarted, but ends as soon as it has started; 1 of the other 1 run" in (
        done.stdout
    )
    assert "| no such table: orders" in done.stdout
    assert (load.bodies, load.lost) == (["1.4"], [])
    assert runit.pids()["shop-2"] == before["shop-2"]


def test_a_process_that_ends_after_a_moment_proves_nothing(runit: Runit, start: Start) -> None:
    """It runs whenever somebody looks, but it is never the same one for long."""
    runit.add("shop", "sh -c '[ -e second ] && exec sleep 1.2; touch second; exec sleep 600'")
    start()
    status, said = agent()
    assert (status, len(said)) == (1, 1), said
    assert said[0] == "BROKEN: shop was restarted, but ends as soon as it has started"


def test_what_is_down_goes_first_and_comes_up(runit: Runit, start: Start) -> None:
    """A service that somebody has stopped costs nothing: it is tried first, and runs afterwards."""
    runit.add("running", "sleep 600")
    runit.add("stopped", "sleep 600")
    start()
    runit.sv("-w", "10", "-v", "down", "stopped")
    before = runit.pids()
    assert set(before) == {"running"}
    status, said = agent("running stopped")
    after = runit.pids()
    assert status == 0, said
    assert said == [
        f"stopped runs as process {after['stopped']}",
        f"running runs as process {after['running']} in place of {before['running']}",
    ]


def test_its_own_script_must_find_it_available(runit: Runit, start: Start) -> None:
    """A service with a script `check` has come up when that succeeds, and not before."""
    runit.add("shop", "sleep 600")
    runit.check_with("shop", "[ -e available ]")
    (runit.folder / "available").touch()
    start()
    assert agent()[0] == 0
    (runit.folder / "available").unlink()
    status, said = agent(timeout=14)
    assert status == 1
    assert said[-1].endswith("or its script `check` does not find it available")


def test_a_process_that_does_not_stop_in_time(runit: Runit, start: Start) -> None:
    """It is told in time. runit starts the new one as soon as the old one ends."""
    runit.add("shop", STUBBORN)
    start()
    before = runit.pids()["shop"]
    status, said = agent(timeout=5)
    assert (status, said) == (
        1,
        [
            f"shop has not stopped in time: process {before} got TERM and still runs; "
            "runit starts the new one when it ends"
        ],
    )
    (runit.folder / "done").touch()
    wait(lambda: runit.pids().get("shop") not in (None, before), "the new process")


def test_what_is_down_by_design_is_refused_beforehand(runit: Runit, start: Start) -> None:
    """Nobody means it to run; once it was started by hand it is restarted like any other one."""
    runit.add("shop", "sleep 600")
    runit.add("spare", "sleep 600", by_design_down=True)
    start()
    before = runit.pids()
    for check in (True, False):
        status, said = agent("shop spare", check=check)
        assert (status, said) == (
            1,
            [
                "spare is down, and a file `down` in its folder keeps it down: start it "
                "once with `sv up spare`, or leave it out of `restart.runit`"
            ],
        )
    assert runit.pids() == before
    runit.sv("-v", "up", "spare")
    assert agent("spare")[0] == 0


@pytest.mark.parametrize(
    ("service", "reason", "words"),
    [
        ("other", NotThere, "runit has no service other: fail: other: unable to change to service directory"),
        ("unsupervised", NotRunning, "runit does not answer: "),
    ],
)
def test_what_runit_does_not_know_is_refused(
    runit: Runit, start: Start, service: str, reason: type[Failed], words: str
) -> None:
    """A name that it does not have, and a folder that no runsv supervises."""
    runit.add("shop", "sleep 600")
    start()
    if service == "unsupervised":
        service = f"{runit.folder}/{service}"
        (runit.folder / "unsupervised").mkdir()
    status, said = agent(service, check=True)
    assert status == reason.exit_status
    assert said[0].startswith(words)


def test_who_may_not_is_refused_beforehand_and_who_may_sudo_is_let(runit: Runit, start: Start) -> None:
    """Users who may neither use runit nor sudo are told so, and nothing is touched."""
    need_root()
    runit.add("shop", "sleep 600")
    start()
    for folder in (runit.services / "shop", runit.services):
        folder.chmod(0o755)
    for folder in (runit.folder, *runit.folder.parents):
        if folder.owner() == "root" and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    before = runit.pids()
    shop = f"{runit.services}/shop"  # sudo forgets SVDIR
    status, said = agent(shop, check=True, within=NOBODY)
    assert status == 1
    assert "unable to open supervise/ok: access denied" in said[-1]
    assert "sudo: a password is required" in said[-1]
    assert agent(shop, check=True, within=SUDOER) == (0, [])
    assert runit.pids() == before
    status, said = agent(shop, within=SUDOER)
    assert status == 0, said
    assert runit.pids()["shop"] != before["shop"]

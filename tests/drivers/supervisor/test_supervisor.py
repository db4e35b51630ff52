"""`restart: supervisor`, against a real supervisord."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rollout.agents.common.talk import NotRunning, NotThere
from rollout.inventory.restart import Supervisor as Settings
from rollout.restart.supervisor import plan_restart
from tests.support.command import rollout, write_inventory
from tests.support.load import Load, cost_of_one_at_a_time
from tests.support.until import wait
from tests.support.users import NOBODY, SUDOER, need_root

if TYPE_CHECKING:
    from conftest import Supervisor

PORTS = (8000, 8001, 8002)

Start = Callable[..., None]


def deploy(supervisor: Supervisor, release: str, program: str = "shop:*") -> subprocess.CompletedProcess[str]:
    """Put the release on disk, and restart."""
    sections = {
        "release": {"command": 'printf %s "$ROLLOUT_RELEASE" > release'},
        "restart": {"supervisor": program, "timeout": "60s"},
    }
    inventory = write_inventory(supervisor.folder / "shop.yml", sections)
    return rollout("deploy", "--release", release, inventory=inventory)


def agent(
    program: Settings | str = "shop:*",
    *,
    check: bool = False,
    timeout: float = 60,
    within: tuple[str, ...] = (),
) -> tuple[int, list[str]]:
    """The driver's own command or precheck: its exit status, and what it prints."""
    made = plan_restart(program, timeout, str)
    line = made.precheck if check else made.command
    assert line is not None
    done = subprocess.run([*within, "sh", "-c", line], capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_group_is_restarted_process_by_process(supervisor: Supervisor, start: Start) -> None:
    """Under load all of them get the new release, and never is more than one of them away."""
    start(supervisor.shop(3, startsecs=1), run=3)
    before = supervisor.pids()
    with ExitStack() as stack:
        loads = [stack.enter_context(Load(supervisor.address, port, rate=50)) for port in PORTS]
        done = deploy(supervisor, "1.5")
        for load in loads:
            load.until(lambda answer: answer.body == "1.5", "the new release")
    assert done.returncode == 0, done.stdout + done.stderr
    after = supervisor.pids()
    assert len(after) == 3
    assert not set(before.values()) & set(after.values())
    print(cost_of_one_at_a_time(loads, "1.4", "1.5"))  # noqa: T201


def test_a_broken_release_stops_at_the_first_process(supervisor: Supervisor, start: Start) -> None:
    """The other one is not touched and serves on; what the broken one printed is told."""
    start(supervisor.shop(2, startsecs=1), run=2)
    before = supervisor.pids()
    with Load(supervisor.address, PORTS[1], rate=50) as load:
        done = deploy(supervisor, "broken")
    assert done.returncode == 1
    # On a busy machine it lives long enough to be RUNNING, and supervisor starts it again when it ends.
    assert re.search("BROKEN: shop:shop_0 was restarted and (is [A-Z]+|has ended since)", done.stdout)
    assert "; 1 of the other 1 of shop:* run" in done.stdout
    assert "| no such table: orders" in done.stdout
    assert (load.bodies, load.lost) == (["1.4"], [])
    assert supervisor.pids() == {"shop:shop_1": before["shop:shop_1"]}


def test_a_release_that_dies_after_two_seconds_is_rolled_back(supervisor: Supervisor, start: Start) -> None:
    """It costs one process, which the rollback starts again; the other one serves on all the time."""
    start(supervisor.shop(2, startsecs=1), run=2)
    assert deploy(supervisor, "1.4").returncode == 0
    before = supervisor.pids()
    with Load(supervisor.address, PORTS[1], rate=50) as load:
        done = deploy(supervisor, "dies")
        assert done.returncode == 1
        assert "BROKEN: shop:shop_0 was restarted and " in done.stdout
        assert supervisor.pids()["shop:shop_1"] == before["shop:shop_1"]
    assert (load.bodies, load.lost) == (["1.4"], [])
    back = rollout("rollback", inventory=supervisor.folder / "shop.yml")
    assert back.returncode == 0, back.stdout + back.stderr
    with Load(supervisor.address, PORTS[0]) as load:
        load.until(lambda answer: answer.body == "1.4", "the old release")


def test_what_is_not_running_goes_first_and_what_ends_later_is_seen(
    supervisor: Supervisor, start: Start
) -> None:
    """It costs nothing to try it first; in the end all must run, so one that came up and ended is broken."""
    frail = "while ! [ -e later ]; do sleep 0.05; done; echo bad; exit 1"
    sound = "[ ! -e started ] || touch later; touch started; exec sleep 60"
    start(
        f"[program:frail]\ncommand=sh -c '{frail}'\nstartsecs=0\nautorestart=false\n",
        f"[program:sound]\ncommand=sh -c '{sound}'\n",
        "[program:stopped]\ncommand=sleep 60\nstartsecs=0\nautostart=false\n",
        "[group:shop]\nprograms=frail,sound,stopped\n",
        run=2,
    )
    status, said = agent()
    assert status == 1, said
    assert said[0].startswith("shop:stopped runs as process ")
    assert said[-2] == "bad"
    assert said[-1].startswith("BROKEN: shop:frail was restarted and is EXITED")
    assert said[-1].endswith("; 2 of the other 2 of shop:* run")


def test_a_process_that_does_not_stop_in_time(supervisor: Supervisor, start: Start) -> None:
    """It is told in time, and what was begun is finished by supervisor: the process runs again."""
    slow = "trap 'while ! [ -e done ]; do sleep 0.05; done; exit' TERM; while :; do sleep 0.05; done"
    start(f'[program:shop]\ncommand=sh -c "{slow}"\nstopwaitsecs=60\nstartsecs=0\n', run=1)
    before = supervisor.pids()
    status, said = agent("shop", timeout=5)
    assert (status, said) == (1, ["`supervisorctl restart shop` did not end in time, and is still running"])
    (supervisor.folder / "done").touch()
    wait(lambda: supervisor.pids().get("shop") not in (None, before["shop"]), "the new process")


def test_a_supervisor_that_lies_elsewhere(supervisor: Supervisor, start: Start) -> None:
    """Its control and its configuration are named. Several programs may be, and each is restarted once."""
    start(supervisor.shop(2), "[program:mail]\ncommand=sleep 60\nstartsecs=0\n", run=3, name="elsewhere.conf")
    control = supervisor.folder / "control"
    control.symlink_to("/usr/bin/supervisorctl")
    before = supervisor.pids("-c", "elsewhere.conf")
    here = Settings(
        program="mail shop:* shop:shop_0",
        supervisorctl=str(control),
        configuration=str(supervisor.folder / "elsewhere.conf"),
    )
    status, said = agent(here)
    assert status == 0, said
    assert [line.split()[0] for line in said] == ["mail", "shop:shop_0", "shop:shop_1"]
    after = supervisor.pids("-c", "elsewhere.conf")
    assert all(after[name] != pid for name, pid in before.items())


def test_where_a_supervisor_is_not_is_told(supervisor: Supervisor) -> None:
    """A configuration that a release may bring, and a program that is elsewhere."""
    silent = "supervisor does not answer: "
    missing = Settings(program="shop", configuration="/no/such.conf")
    absent = f"{silent}Error: could not find config file /no/such.conf"
    assert agent(missing, check=True) == (NotThere.exit_status, [absent])
    elsewhere = Settings(program="shop", supervisorctl="/no/supervisorctl")
    hint = "(if it lies elsewhere, set `supervisorctl` and `configuration` under restart.supervisor)"
    not_found = f"{silent}/no/supervisorctl: not found on this machine {hint}"
    assert agent(elsewhere, check=True) == (1, [not_found])


def test_who_may_not_is_refused_beforehand_and_who_may_sudo_is_let(
    supervisor: Supervisor, start: Start
) -> None:
    """Unknown programs, users who may neither use supervisor nor sudo, and a supervisor that is not there."""
    need_root()
    start(supervisor.shop(2), run=2)
    before = supervisor.pids()
    for unknown in ("shop", "shops:*"):
        status, said = agent(unknown, check=True)
        assert (status, len(said)) == (NotThere.exit_status, 1)
        assert said[0].startswith(f"supervisor has no {unknown}: ")
    status, said = agent(check=True, within=NOBODY)
    assert status == 1
    assert "sudo: a password is required" in said[-1]
    socket = supervisor.folder / "socket"
    socket.rename(supervisor.folder / "elsewhere")
    absent = f"supervisor does not answer: unix://{socket} no such file"
    assert agent(check=True) == (NotRunning.exit_status, [absent])
    (supervisor.folder / "elsewhere").rename(socket)
    assert agent(check=True) == (0, [])
    assert supervisor.pids() == before

    assert agent("shop:shop_0", check=True, within=SUDOER) == (0, [])
    assert supervisor.pids() == before
    status, said = agent("shop:shop_0", within=SUDOER)
    assert status == 0, said
    assert supervisor.pids()["shop:shop_0"] != before["shop:shop_0"]

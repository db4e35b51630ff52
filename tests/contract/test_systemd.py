"""The systemd driver against a real systemd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from rollout.agents.common.talk import NotThere
from rollout.domain import Completed
from rollout.restart import systemd
from rollout.restart.driver import ProofResult, ProofStatus

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)

RUNS = "ExecStart=/bin/sleep infinity"


@dataclass(frozen=True)
class Restart:
    """How a restart went: its command, all judgements until one was final, and the explanation."""

    command: Completed
    results: tuple[ProofResult, ...]
    explanation: tuple[str, ...]

    @property
    def status(self) -> ProofStatus:
        return self.results[-1].status

    @property
    def detail(self) -> str:
        return self.results[-1].detail


def restart(
    host: SystemdHost, unit: str, *, user: str = "root", command: str | None = None, meanwhile: str = "true"
) -> Restart:
    """Carry out the driver's restart (or `command` in its place) and look until the proof is final.

    `meanwhile` is run whenever the proof says that it waits.
    """
    plan = systemd.plan_restart(unit, 20, str)
    proof = plan.proof
    assert proof is not None

    def seen() -> str:
        return "\n".join(host.run(proof.observe, user=user).tail)

    before = seen()
    done = host.run(plan.command if command is None else command, user=user)
    results = [proof.compare(before, seen())]
    deadline = time.monotonic() + plan.timeout
    while results[-1].status is ProofStatus.WAIT:
        assert time.monotonic() < deadline, results[-1].detail
        assert host.run(meanwhile).status == 0
        results.append(proof.compare(before, seen()))
    return Restart(done, tuple(results), host.run(plan.explain, user=user).tail)


@pytest.fixture
def started(systemd_host: SystemdHost) -> Iterator[str]:
    """A unit that runs as it should; stopped afterwards."""
    systemd_host.add_unit("shop.service", RUNS)
    assert systemd_host.run("systemctl restart shop.service").status == 0
    yield "shop.service"
    systemd_host.run("systemctl stop shop.service")


def invocation(host: SystemdHost, unit: str) -> tuple[str, ...]:
    return host.run(f"systemctl show {unit} -p InvocationID --value").tail


def test_a_restart_is_done_under_a_new_invocation(systemd_host: SystemdHost, started: str) -> None:
    """After a real restart the unit is active with another InvocationID, and that is the proof."""
    before = invocation(systemd_host, started)
    went = restart(systemd_host, started)
    assert (went.command.status, went.status) == (0, ProofStatus.DONE)
    assert went.detail == "shop.service is active (running)"
    assert invocation(systemd_host, started) != before


def test_an_ordinary_user_restarts_with_sudo(systemd_host: SystemdHost, started: str) -> None:
    """Who may `sudo -n` restarts the unit, proves it and reads its log without being root."""
    systemd_host.add_unit("shop.service", "ExecStart=/bin/sh -c 'echo shop is open; exec sleep infinity'")
    went = restart(systemd_host, started, user="www-data")
    assert (went.command.status, went.status) == (0, ProofStatus.DONE)
    assert "shop is open" in went.explanation


def test_an_ordinary_user_without_sudo_is_told(systemd_host: SystemdHost, started: str) -> None:
    """Where sudo would ask for a password nothing waits: sudo says so, and the proof says not done."""
    went = restart(systemd_host, started, user="nobody")
    assert went.command == Completed(1, ("sudo: a password is required",))
    assert (went.status, went.detail) == (
        ProofStatus.FAILED,
        "shop.service was not restarted: it is still the same invocation",
    )


def test_a_restart_that_did_nothing_is_not_done(systemd_host: SystemdHost, started: str) -> None:
    """A command that ends well and leaves the old process running does not pass for a restart."""
    went = restart(systemd_host, started, command="true")
    assert (went.command.status, went.status) == (0, ProofStatus.FAILED)


def test_the_first_start_of_a_unit_is_a_restart(systemd_host: SystemdHost) -> None:
    """A unit that never ran has no invocation before, and has one after."""
    systemd_host.add_unit("first.service", RUNS)
    went = restart(systemd_host, "first.service")
    assert went.status is ProofStatus.DONE
    systemd_host.run("systemctl stop first.service")


def test_a_unit_that_fails_to_start_shows_its_log(systemd_host: SystemdHost) -> None:
    """A failed start is told with systemd's reason, and the explanation ends with the unit's own words."""
    systemd_host.add_unit("broken.service", "Type=notify\nExecStart=/bin/sh -c 'echo no such table; exit 3'")
    went = restart(systemd_host, "broken.service")
    assert went.command.status == 1
    assert (went.status, went.detail) == (ProofStatus.FAILED, "broken.service failed (Result=exit-code)")
    assert "no such table" in went.explanation
    assert any("status=3" in line for line in went.explanation)


def test_a_program_that_is_not_there_fails(systemd_host: SystemdHost) -> None:
    """An ExecStart that cannot be run is a failed restart although `systemctl restart` itself ends well."""
    systemd_host.add_unit("absent.service", "ExecStart=/nonexistent/shop")
    went = restart(systemd_host, "absent.service")
    assert (went.status, went.detail) == (ProofStatus.FAILED, "absent.service failed (Result=exit-code)")


def test_a_unit_that_dies_later_does_not_live(systemd_host: SystemdHost) -> None:
    """Its restart was proved, since it was active; its end is told, although systemd starts it again."""
    dies = "/bin/sh -c 'while ! [ -e /run/die ]; do sleep 0.02; done; exit 1'"
    systemd_host.add_unit("dying.service", f"ExecStart={dies}\nRestart=always\nRestartSec=1min")
    assert restart(systemd_host, "dying.service").status is ProofStatus.DONE
    proof = systemd.plan_restart("dying.service", 20, str).proof
    assert proof is not None
    proved = "\n".join(systemd_host.run(proof.observe).tail)
    systemd_host.run("touch /run/die; while systemctl is-active -q dying.service; do sleep 0.02; done")
    now = proof.compare_life(proved, "\n".join(systemd_host.run(proof.observe).tail))
    systemd_host.run("systemctl stop dying.service; rm /run/die")
    assert now.status is ProofStatus.FAILED
    assert now.detail.startswith("dying.service ended soon after it had started (Result=exit-code)")


def test_a_slow_start_is_waited_for(systemd_host: SystemdHost) -> None:
    """While a unit has not said that it is ready the proof waits; once it has, the restart is done."""
    wait = "while ! [ -e /run/open ]; do sleep 0.05; done; systemd-notify --ready; exec sleep infinity"
    systemd_host.add_unit("slow.service", f"Type=notify\nNotifyAccess=all\nExecStart=/bin/sh -c '{wait}'")
    no_block = "systemctl restart --no-block slow.service"
    went = restart(systemd_host, "slow.service", command=no_block, meanwhile="touch /run/open")
    assert went.results[0] == ProofResult(ProofStatus.WAIT, "slow.service is activating (start)")
    assert (went.status, went.detail) == (ProofStatus.DONE, "slow.service is active (running)")
    systemd_host.run("systemctl stop slow.service")


def test_a_unit_that_is_slow_to_stop_is_waited_for(systemd_host: SystemdHost) -> None:
    """While the old process finishes its work the proof waits; its bad end is no failed restart."""
    wait = "while ! [ -e /run/finished ]; do sleep 0.05; done; exit 1"
    work = f"trap '{wait}' TERM; systemd-notify --ready; while :; do sleep 0.05; done"
    systemd_host.add_unit("busy.service", f'Type=notify\nNotifyAccess=all\nExecStart=/bin/sh -c "{work}"')
    systemd_host.run("systemctl restart busy.service")
    no_block = "systemctl restart --no-block busy.service"
    went = restart(systemd_host, "busy.service", command=no_block, meanwhile="touch /run/finished")
    assert went.results[0].status is ProofStatus.WAIT
    assert went.status is ProofStatus.DONE
    systemd_host.run("systemctl stop busy.service")


def test_an_unknown_unit_fails(systemd_host: SystemdHost) -> None:
    """A unit that systemd does not know is named."""
    went = restart(systemd_host, "nobody-home.service")
    assert went.command.status == 5
    assert (went.status, went.detail) == (ProofStatus.FAILED, "nobody-home.service: there is no such unit")


def test_a_masked_unit_fails(systemd_host: SystemdHost) -> None:
    """A masked unit cannot be restarted, and that is said."""
    systemd_host.run("systemctl mask hidden.service")
    went = restart(systemd_host, "hidden.service")
    assert (went.status, went.detail) == (ProofStatus.FAILED, "hidden.service: the unit is masked")


@pytest.mark.parametrize("pause", ["10ms", "1min"])
def test_a_crash_loop_fails(systemd_host: SystemdHost, pause: str) -> None:
    """A unit that systemd starts again and again is never taken for restarted, whatever it does just now."""
    crash = "Type=notify\nNotifyAccess=all\nExecStart=/bin/sh -c 'systemd-notify --ready; sleep 0.1; exit 1'"
    unit = f"crash-{pause}.service"
    systemd_host.add_unit(unit, f"{crash}\nRestart=always\nRestartSec={pause}")
    until_it_ended = f"while systemctl is-active --quiet {unit}; do :; done"
    went = restart(systemd_host, unit, command=f"systemctl restart {unit}; {until_it_ended}")
    systemd_host.run(f"systemctl stop {unit}")
    assert went.status is ProofStatus.FAILED
    told = ("ended as soon as it had started", "keeps restarting", "failed (Result=exit-code)")
    assert any(words in went.detail for words in told), went.detail


def test_a_crash_loop_ends_with_a_release_that_runs(systemd_host: SystemdHost) -> None:
    """Restarts that systemd made before do not count against a unit that now runs."""
    systemd_host.add_unit("mended.service", "ExecStart=/bin/false\nRestart=always\nRestartSec=1s")
    looping = '[ "$(systemctl show mended.service -p NRestarts --value)" = 1 ]'
    systemd_host.run(f"systemctl restart mended.service; while ! {looping}; do :; done")
    systemd_host.add_unit("mended.service", f"{RUNS}\nRestart=always")
    went = restart(systemd_host, "mended.service")
    systemd_host.run("systemctl stop mended.service")
    assert went.status is ProofStatus.DONE, went.detail


def test_an_outdated_unit_file_is_mentioned(systemd_host: SystemdHost, started: str) -> None:
    """A unit file that changed without `daemon-reload` was not used: the restart is done, and says so."""
    later = "touch -d '1 minute' /etc/systemd/system/shop.service && echo >> /etc/systemd/system/shop.service"
    assert systemd_host.run(later).status == 0
    went = restart(systemd_host, started)
    assert went.status is ProofStatus.DONE
    assert went.detail.endswith("from an outdated unit file: systemctl daemon-reload was not run")


def test_a_host_without_systemd_is_told(systemd_host: SystemdHost) -> None:
    """What a shell says where there is no systemctl is recognized."""
    proof = systemd.plan_restart("shop.service", 1, str).proof
    assert proof is not None
    said = "\n".join(systemd_host.run(f"PATH=/nonexistent; {proof.observe}").tail)
    assert proof.compare(said, said) == ProofResult(
        ProofStatus.FAILED, "systemctl: not found: this host has no systemd"
    )


def precheck(host: SystemdHost, unit: str, user: str) -> Completed:
    line = systemd.plan_restart(unit, 20, str).precheck
    assert line is not None
    return host.run(line, user=user)


@pytest.mark.parametrize("user", ["root", "www-data"])
def test_who_may_restart_the_unit_is_told_so_beforehand(
    systemd_host: SystemdHost, started: str, user: str
) -> None:
    """Root may, and so may a user whom sudo lets; nothing is restarted by asking."""
    before = systemd_host.run(f"systemctl show {started} -p InvocationID")

    assert precheck(systemd_host, started, user).status == 0
    assert systemd_host.run(f"systemctl show {started} -p InvocationID") == before


def test_who_may_not_restart_the_unit_is_told_so_beforehand(systemd_host: SystemdHost, started: str) -> None:
    """Sudo's own words are the reason, before a node has been drained."""
    refused = precheck(systemd_host, started, "nobody")

    assert refused.status != 0
    assert "password is required" in refused.tail[-1]


def test_a_unit_that_is_not_there_is_told_beforehand(systemd_host: SystemdHost) -> None:
    """By its name."""
    refused = precheck(systemd_host, "no-such.service", "root")

    assert refused == Completed(NotThere.exit_status, ("there is no usable unit no-such.service",))

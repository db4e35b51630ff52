"""What goes on of a restart when its command is gone: in systemd itself, and under sudo."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from rollout.adapters.shell import WRAPPER, script
from rollout.domain import Note
from rollout.remote import notes
from rollout.restart import systemd
from tests.support.until import wait

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

pytest_plugins = ("tests.support.systemd_host",)


def under_way(host: SystemdHost, unit: str) -> str:
    job = systemd.plan_restart(unit, 20, str).job
    assert job is not None
    return job.under_way("\n".join(host.run(job.observe).tail))


def test_a_job_goes_on_without_its_command(systemd_host: SystemdHost) -> None:
    """What systemd still does is seen when systemctl is gone, until it is done."""
    systemd_host.add_unit("slow.service", "ExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 1")
    assert systemd_host.run("systemctl start slow.service").status == 0
    assert under_way(systemd_host, "slow.service") == ""
    systemd_host.run("systemctl restart --no-block slow.service")
    assert under_way(systemd_host, "slow.service") == (
        "slow.service is deactivating (stop), and systemd is still working on it"
    )
    wait(lambda: under_way(systemd_host, "slow.service") == "", "the job to be done", within=20)
    systemd_host.run("systemctl kill -s KILL slow.service")


def test_a_crash_loop_is_no_job(systemd_host: SystemdHost) -> None:
    """A unit that systemd starts again and again is not waited for: that never ends."""
    systemd_host.add_unit("crash.service", "ExecStart=/bin/false\nRestart=always\nRestartSec=60")
    systemd_host.run("systemctl start crash.service")
    shown = "systemctl show crash.service -p SubState --value"
    wait(lambda: systemd_host.run(shown).tail == ("auto-restart",), "the crash")
    assert under_way(systemd_host, "crash.service") == ""
    systemd_host.run("systemctl stop crash.service; systemctl reset-failed")


@pytest.mark.parametrize("line", ["sudo -n sleep 2", "sudo -n sleep 2 & sleep 0.5; kill -KILL $$"])
def test_a_command_under_sudo_is_found_by_who_sent_it(systemd_host: SystemdHost, line: str) -> None:
    """Its processes are root's, and their environment is hidden: those of the command's own shell count."""
    assert systemd_host.run("install -d -o www-data /run/www").status == 0
    note = Note("shop/web1", "", "alice on laptop", "restart", "17")
    sent = script(notes.kept(line, note, 600), {}).decode()
    asked = script(notes.LOOK, notes.environment("shop/web1", "", "bob on desk", forgets=True)).decode()
    shell = shlex.quote(WRAPPER)
    both = f"""export XDG_STATE_HOME=/run/www
    setsid sh -c {shell} <<'SENT' >/dev/null 2>&1 &
{sent}
SENT
    while ! pgrep -x sudo >/dev/null; do :; done
    sh -c {shell} <<'ASKED'
{asked}
ASKED
    wait"""
    done = systemd_host.run(both, user="www-data")
    (orphan,) = notes.orphans(done.tail)
    assert "sudo" in {process.split()[1] for process in orphan.group}

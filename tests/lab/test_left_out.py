"""A node that was left out, and an HAProxy that forgets it, as a user of the command line meets them."""

from __future__ import annotations

import os
import signal

from lab_support import StartLab, statuses
from test_deploy import BEHIND_TWO, change_inventory, deploy_under_traffic, rollout, status
from test_disturbed import pids

from rollout.lab.lab import Lab
from tests.support.until import wait


def reload(lab: Lab) -> None:
    """As `systemctl reload haproxy`, on the first load balancer: its new process knows of nothing."""
    balancer = lab.load_balancers[0]
    master, *_ = pids(str(balancer.folder / "haproxy.cfg"))
    os.kill(master, signal.SIGUSR2)
    wait(lambda: statuses(balancer)["shop/web1"].startswith("UP"), "web1 to be forgotten", within=20)


def test_what_was_left_out_takes_traffic_after_a_reload(start_lab: StartLab) -> None:
    """The end says what would undo it, `status` names the contradiction before all else, and what it says to
    run ends it."""
    lab = start_lab(**BEHIND_TWO)
    change_inventory(lab, "restart:\n  command: sh ", "restart:\n  command: true sh ")
    change_inventory(lab, "timeout: 30s", "timeout: 1s")
    code, output, _ = deploy_under_traffic(lab, "--release", "2")
    assert code == 1, output
    assert "left out: it takes no traffic now" in output
    assert "a reload or restart of HAProxy on lb1 lb2 puts it back into rotation" in output
    assert status(lab)["contradictions"] == []

    reload(lab)

    first, *_ = rollout(lab, "status").stdout.splitlines()
    assert first.startswith("web1 was left out by deployment 1, but takes traffic: ")
    (found,) = status(lab)["contradictions"]
    assert (found["node"], found["left_out_by"]) == ("web1", 1)
    kept = rollout(lab, "drain", "web1", "--keep")
    assert kept.returncode == 1
    assert "a reload or restart of HAProxy on lb1, lb2 puts it back" in kept.stdout
    assert status(lab)["contradictions"] == []
    assert statuses(lab.load_balancers[0])["shop/web1"] == "MAINT"

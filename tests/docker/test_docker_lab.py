"""The lab in containers, as a newcomer uses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docker_lab import INVENTORY, Lab
from users import Users

from tests.support.until import wait

pytestmark = pytest.mark.timeout(1200)  # the first may have to wait for images


def told(lab: Lab) -> str:
    """What the lab's own traffic said last."""
    return (lab.docker("logs", "--tail", "1", lab.container("traffic")).splitlines() or [""])[-1]


def lost(line: str) -> int:
    return sum(map(int, re.findall(r"LOST: [^·]* (\d+)", line)))


def test_a_release_is_rolled_over_six_nodes(lab: Lab, users: Users) -> None:
    """Behind HAProxy 2.6 and 3.0, over a jump host, gunicorn and uWSGI alike, nothing is lost."""
    wait(lambda: "release" in told(lab), "the lab's traffic")
    before = lost(told(lab))
    done = lab.rollout("deploy", "--release", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    wait(lambda: "release 2 " in told(lab), "traffic that the new release answers")
    assert lost(told(lab)) == before
    assert lab.nodes() == {f"web{number}": ("ready", "2") for number in range(1, 7)}
    assert users.lost == []
    assert {"2.6", "3.0"} <= {lab.on(name, "haproxy -v").split()[2][:3] for name in ("lb1", "lb2")}


def test_a_release_that_does_not_start_stops_at_the_canary(lab: Lab, users: Users) -> None:
    """One node is left out with what its unit printed, the others serve, and a rollback puts it right."""
    before = lab.nodes()["web1"][1]
    done = lab.rollout("deploy", "--release", "broken-1")
    assert done.returncode == 1
    assert "release broken-1 does not start" in done.stdout + done.stderr
    assert [name for name, (state, _) in lab.nodes().items() if state != "ready"] == ["web1"]
    back = lab.rollout("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert lab.nodes()["web1"] == ("ready", before)
    assert users.lost == []


def test_a_socket_of_the_operator_level_is_refused(lab: Lab, tmp_path: Path) -> None:
    """It may look but not drain: nothing is touched, and the message names the level."""
    text = INVENTORY.read_text()
    inventory = tmp_path / "operator.yml"
    inventory.write_text(text.replace("admin.sock", "operator.sock"))
    done = lab.rollout("deploy", "--release", "9", inventory=inventory)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "its runtime socket has level operator, and only admin may drain" in done.stderr

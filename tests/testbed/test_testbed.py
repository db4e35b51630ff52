"""The testbed, as a newcomer uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed import INVENTORY, Testbed
from users import Users

from tests.support.until import wait

pytestmark = pytest.mark.timeout(300, func_only=True)  # the first may have to wait for images


def test_a_release_is_rolled_over_six_nodes(testbed: Testbed, users: Users) -> None:
    """Behind HAProxy 2.6 and 3.0, over a jump host, gunicorn and uWSGI alike, nothing is lost."""
    traffic = testbed.container("traffic")

    def lines() -> list[str]:
        return testbed.docker("logs", traffic).splitlines()

    testbed.docker("restart", "--time", "0", traffic)  # else it counts what was lost before
    done = testbed.rollout("deploy", "--release", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    ended = len(lines())
    assert testbed.nodes() == {f"web{number}": ("ready", "2") for number in range(1, 7)}
    assert {"2.6", "3.0"} <= {testbed.on(name, "haproxy -v").split()[2][:3] for name in ("lb1", "lb2")}
    wait(lambda: len(lines()) >= ended + 2, "the testbed's traffic to tell all that became of its requests")
    assert "release 2 " in lines()[-1]
    assert "release 2 " in lines()[-1]
    assert "LOST" not in lines()[-1]
    assert users.turned == users.lost == []


def test_a_socket_of_the_operator_level_is_refused(testbed: Testbed, tmp_path: Path) -> None:
    """It may look but not drain: nothing is touched, and the message names the level."""
    text = INVENTORY.read_text()
    inventory = tmp_path / "operator.yml"
    inventory.write_text(text.replace("admin.sock", "operator.sock"))
    done = testbed.rollout("deploy", "--release", "9", inventory=inventory)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the runtime socket has level operator, but draining needs level admin" in done.stderr

"""What breaks in mid-deploy, and what it must end in: written down here before it was tried.

Whatever happens, users who may turn to the other load balancer lose nothing, `status` tells the truth
afterwards, and `resume` or `restore` puts it right.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from testbed import FRONTENDS, HELD, Testbed
from users import Users

from tests.support.until import wait

pytestmark = pytest.mark.timeout(300, func_only=True)  # the first may have to wait for images

Begun = list[subprocess.Popen[str]]
NODES = "web2,web3"
_release = itertools.count(10)


class Deploying:
    """A deployment of a new release to two nodes, one at a time, on its way."""

    def __init__(self, testbed: Testbed, begun: Begun, limit: str = NODES) -> None:
        self.testbed = testbed
        self.release = str(next(_release))
        self.events: list[dict[str, Any]] = []
        self.process = testbed.begin("--release", self.release, "--limit", limit)
        begun.append(self.process)

    def until(self, true: Callable[[dict[str, Any]], bool], what: str) -> None:
        """Read its events up to one of which that is true."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if true(self.events[-1]):
                return
        raise AssertionError(f"it ended before {what}: {self.events[-3:]} {self.process.communicate()[1]}")

    def until_in(self, step: str) -> None:
        """Until the node that is held is in that step."""
        seen = "step_started" if step == "verify" else "command_sent"
        self.until(lambda e: (e["event"], e.get("step"), e.get("node")) == (seen, step, HELD), step)

    def end(self, timeout: float = 150) -> int:
        """Its exit code."""
        out, self.error = self.process.communicate(timeout=timeout)
        self.events += [json.loads(line) for line in out.splitlines()]
        return self.process.returncode

    def failed(self) -> dict[str, bool]:
        """Whether each failed node was left out."""
        return {e["node"]: e["left_out"] for e in self.events if e["event"] == "node_failed"}


@contextmanager
def held(testbed: Testbed, begun: Begun, step: str) -> Iterator[Deploying]:
    """A deployment that stays in that step of its first node until the block ends."""
    with testbed.held(step):
        deploying = Deploying(testbed, begun)
        deploying.until_in(step)
        yield deploying


def left_out_alone(deploying: Deploying) -> None:
    """It fails, the node that is held is left out, and the other one was not begun."""
    assert deploying.end() == 1, deploying.error
    assert deploying.failed() == {HELD: True}
    assert {e["node"] for e in deploying.events if e["event"] == "step_started"} == {HELD}


def put_right(testbed: Testbed, verb: str) -> dict[str, tuple[str, str | None]]:
    """All nodes are in rotation after it: they are returned, as `Testbed.nodes` does."""
    done = testbed.rollout(verb)
    assert done.returncode == 0, done.stdout + done.stderr
    nodes = testbed.nodes()
    assert {state for state, _ in nodes.values()} == {"ready"}
    return nodes


def resumed(testbed: Testbed, deploying: Deploying) -> None:
    """Both of its nodes run the release, and take traffic, after `resume`."""
    nodes = put_right(testbed, "resume")
    assert {nodes[name][1] for name in NODES.split(",")} == {deploying.release}


def released(testbed: Testbed, release: str) -> None:
    """Both nodes run it, and take traffic."""
    nodes = testbed.nodes()
    assert {nodes[name] for name in NODES.split(",")} == {("ready", release)}


@contextmanager
def an_hour_ahead(testbed: Testbed, name: str, unit: str) -> Iterator[None]:
    """The clock of whoever logs in there, and of that unit."""
    library = testbed.on(name, "dpkg --listfiles libfaketime | grep '/libfaketime[.]so[.]1$'").strip()
    faked = f"LD_PRELOAD={library} FAKETIME=+1h"
    # gunicorn goes by the times of its workers' files, which are right, and would end the workers.
    unjudged = "'GUNICORN_CMD_ARGS=--timeout 0'"
    restart = f"systemctl restart {unit}"
    try:
        testbed.on(name, f"printf '%s\\n' {faked} >/etc/environment")
        testbed.on(name, f"systemctl set-environment {faked} {unjudged} && {restart}")
        assert int(testbed.on(name, "su deploy -c 'date +%s'")) > time.time() + 3000
        testbed.on(name, f"grep -q {library} /proc/$(systemctl show --property MainPID --value {unit})/maps")
        yield
    finally:
        testbed.on(name, "echo >/etc/environment")
        testbed.on(name, f"systemctl unset-environment LD_PRELOAD FAKETIME GUNICORN_CMD_ARGS && {restart}")


@contextmanager
def slowed(testbed: Testbed, name: str) -> Iterator[None]:
    """The load balancer's socket answers after five seconds, and has done so when the block ends."""
    try:
        testbed.on(
            name,
            "cd /run/haproxy && mv admin.sock slow.sock && >answered"
            " && setsid socat -t 30 UNIX-LISTEN:admin.sock,fork,unlink-close=0,mode=660,group=haproxy"
            " SYSTEM:'sleep 5; echo yes >>answered; exec socat -t 30 - UNIX-CONNECT\\:slow.sock'"
            " >/dev/null 2>&1 &",
        )
        sockets = {"admin.sock", "slow.sock"}
        wait(lambda: sockets <= set(testbed.on(name, "ls /run/haproxy").split()), "the slow socket")
        yield
        assert "yes" in testbed.on(name, "cat /run/haproxy/answered")
    finally:
        testbed.on(name, "cd /run/haproxy && pkill -x socat; mv slow.sock admin.sock")


def test_a_load_balancer_stops_for_a_while(testbed: Testbed, users: Users, begun: Begun) -> None:
    """Stopped while a node is down: no further node starts, and once it is back `resume` ends it."""
    with held(testbed, begun, "restart") as deploying:
        testbed.docker("stop", "--time", "1", testbed.container("lb2"))
    try:
        left_out_alone(deploying)
    finally:
        testbed.docker("start", testbed.container("lb2"))
    wait(lambda: "unknown" not in {state for state, _ in testbed.nodes().values()}, "the load balancer")
    assert "left out: web2" in testbed.rollout("status").stdout
    resumed(testbed, deploying)
    assert users.lost == []


def test_a_node_loses_its_network(testbed: Testbed, users: Users, begun: Begun) -> None:
    """During its restart: it is left out, the next one is not begun, `resume` ends it."""
    with held(testbed, begun, "restart") as deploying, testbed.cut_off("web2"):
        left_out_alone(deploying)
    resumed(testbed, deploying)
    assert users.turned == users.lost == []


def test_a_node_has_no_space_left(testbed: Testbed, users: Users, begun: Begun) -> None:
    """The release fails there with the system's words, and once there is space `resume` ends it."""
    testbed.on(
        "web2",
        "cd /srv/shop && cp -a releases /tmp/releases && mount -t tmpfs -o size=64k none releases"
        " && cp -a /tmp/releases/. releases/ && ! dd if=/dev/zero of=releases/full bs=1k 2>/dev/null",
    )
    try:
        deploying = Deploying(testbed, begun)
        left_out_alone(deploying)
        assert "No space left on device" in json.dumps(deploying.events)
    finally:
        testbed.on("web2", "umount /srv/shop/releases; rm -rf /tmp/releases")
    resumed(testbed, deploying)
    assert users.turned == users.lost == []


def test_clocks_are_an_hour_off(testbed: Testbed, begun: Begun) -> None:
    """On a node and on the load balancer that keeps the lock: nothing is judged by them, so all goes well."""
    with an_hour_ahead(testbed, "web2", "shop"), an_hour_ahead(testbed, "lb1", "haproxy"):
        wait(testbed.serves, "all nodes to be up")
        with Users(FRONTENDS) as users:
            deploying = Deploying(testbed, begun)
            assert deploying.end() == 0, deploying.error
            released(testbed, deploying.release)
    wait(testbed.serves, "all nodes to be up")
    assert users.turned == users.lost == []


def test_a_node_whose_sshd_hangs(testbed: Testbed, users: Users, begun: Begun) -> None:
    """Stopped in mid-restart: what became of the command is not guessed; once it answers `resume` ends it."""
    with held(testbed, begun, "restart") as deploying:
        testbed.on("web2", "pkill -STOP sshd")
        try:
            left_out_alone(deploying)
        finally:
            testbed.on("web2", "pkill -CONT sshd")
    resumed(testbed, deploying)
    assert users.turned == users.lost == []


def test_a_node_reboots(testbed: Testbed, users: Users, begun: Begun) -> None:
    """In mid-restart: it is left out until it is proven to be back, by `resume`."""
    with held(testbed, begun, "restart") as deploying:
        testbed.docker("restart", "--time", "20", testbed.container("web2"))
        left_out_alone(deploying)
    wait(lambda: testbed.nodes()["web2"][1] is not None, "the node to be back")
    resumed(testbed, deploying)
    assert users.turned == users.lost == []


def test_a_load_balancer_that_answers_after_five_seconds(
    testbed: Testbed, users: Users, begun: Begun
) -> None:
    """Slow is not gone: the deployment takes its time, and ends well."""
    with ExitStack() as slow:
        with testbed.held("restart"):
            deploying = Deploying(testbed, begun, limit=HELD)
            deploying.until_in("restart")
            slow.enter_context(slowed(testbed, "lb2"))
        assert deploying.end() == 0, deploying.error
    assert testbed.nodes()[HELD] == ("ready", deploying.release)
    assert users.turned == users.lost == []

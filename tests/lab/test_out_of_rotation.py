"""What somebody else took out of rotation, as a user of the command line meets it."""

from __future__ import annotations

import socket

from lab_support import StartLab, statuses
from test_deploy import BEHIND_TWO, HARSH, deploy_under_traffic, rollout, states, status
from test_recovery import halted

from rollout.lab.lab import Lab


def tell(lab: Lab, load_balancer: int, command: str) -> None:
    """As an operator does at the runtime socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(lab.load_balancers[load_balancer].socket("admin")))
        connection.sendall(f"{command}\n".encode())
        assert connection.recv(100).strip() == b""


def test_a_node_that_is_out_is_skipped_and_included_on_request(start_lab: StartLab) -> None:
    """In maintenance on one of two load balancers: skipped and said to be; asked for, deployed and left."""
    lab = start_lab(**BEHIND_TWO)
    tell(lab, 1, "set server shop/web2 state maint")
    as_set = statuses(lab.load_balancers[1])["shop/web2"]

    code, output, result = deploy_under_traffic(lab, "--release", "2")
    assert (code, result.losses) == (0, {}), output
    assert "skipped: shop/web2 on lb2 is in maintenance" in output
    assert "done on 2 of 3 nodes" in output
    assert rollout(lab, "deploy", "--release", "2", "--fail-on-skipped").returncode == 1
    assert {name: release for name, (_, release) in states(lab).items()} == {
        "web1": "2",
        "web2": "1",
        "web3": "2",
    }
    assert "nothing to resume" in rollout(lab, "resume").stdout
    included = rollout(lab, "plan", "--include-out-of-rotation").stdout
    assert "skipped" not in included
    assert "lb2> set server api/web2 state drain" in included
    assert "shop/web2 state ready" not in "".join(x for x in included.splitlines() if "lb2>" in x)

    code, output, result = deploy_under_traffic(lab, "--release", "3", "--include-out-of-rotation")
    assert (code, result.losses) == (0, {}), output
    assert {release for _, release in states(lab).values()} == {"3"}
    assert "shop/web2 on lb2 stays out, as before: MAINT" in output
    shown = statuses(lab.load_balancers[1])
    assert shown["shop/web2"] == as_set
    assert shown["api/web2"] == "UP"


async def test_when_all_that_is_left_is_skipped_it_is_done(start_lab: StartLab) -> None:
    """A halted deployment whose other nodes somebody takes out: `resume` says so and exits 0."""
    lab = start_lab(**{**HARSH, "start": 5.0})
    assert (await halted(lab))[0] == 130
    for name in ("web2", "web3"):
        tell(lab, 0, f"set server shop/{name} state drain")

    resumed = rollout(lab, "resume")

    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "web2  warning  skipped: shop/web2 on lb1 is drained" in resumed.stdout
    assert "skipped: web2 web3" in resumed.stdout
    assert status(lab)["deployment"]["state"] == "done"
    assert {name: release for name, (_, release) in states(lab).items()} == {
        "web1": "2",
        "web2": "1",
        "web3": "1",
    }
    refused = rollout(lab, "deploy", "--limit", "web2")
    assert refused.returncode == 3
    assert "there is no node to deploy: shop/web2 on lb1 is drained" in refused.stderr
    assert "--include-out-of-rotation" in refused.stderr

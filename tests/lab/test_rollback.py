"""A release that turns out broken is taken back: `on_failure: rollback` and `rollout rollback`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lab_support import StartLab
from test_deploy import HARSH, change_inventory, deploy_under_traffic, rollout, states, under_traffic

from rollout.lab.lab import Lab

OLD = ("ready", "1")


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    """Three nodes, on the second of which release 2 does not start."""
    lab = start_lab(**HARSH)
    change_inventory(lab, "timeout: 30s", "timeout: 2s")
    breaks(lab, "2 web2")
    return lab


def breaks(lab: Lab, what: str) -> None:
    """Have the application end instead of starting where release and node are `what`."""
    line = f"sh {lab.home}/nodes/$ROLLOUT_NODE/restart"
    killed = f"kill -9 $(cat {lab.home}/nodes/$ROLLOUT_NODE/app.pid)"
    change_inventory(
        lab,
        f"restart:\n  command: {line}",
        f"""restart:
  command: if [ "$ROLLOUT_RELEASE $ROLLOUT_NODE" = "{what}" ]; then {killed}; else {line}; fi""",
    )


def mended(lab: Lab, what: str) -> None:
    change_inventory(lab, f'= "{what}"', '= "nothing"')


def history(lab: Lab) -> list[dict[str, Any]]:
    deployments: list[dict[str, Any]] = json.loads(rollout(lab, "history", "--output", "json").stdout)
    return deployments


def test_a_failed_deployment_is_rolled_back(lab: Lab) -> None:
    """The node that failed and the one before it get their old release again; the third is not touched."""
    change_inventory(lab, "strategy:\n", "strategy:\n  on_failure: rollback\n")

    code, output, result = deploy_under_traffic(lab, "--release", "2")

    assert code == 1, output
    assert result.losses == {}, output
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), OLD)
    assert "rolled back now: web2 web1" in output
    assert "rollback of deployment" in output
    assert "web3  drain" not in output
    failed, back = history(lab)
    assert (failed["outcome"], back["outcome"], back["rollback_of"]) == (
        "failed",
        "done",
        failed["deployment"],
    )


async def test_rollback_by_hand(lab: Lab) -> None:
    """It puts back what each node had before, once; what is done is said where it is asked for again."""
    failed = rollout(lab, "deploy", "--release", "2")
    assert failed.returncode == 1
    assert f"rollout rollback -i {lab.inventory}" in failed.stdout
    assert f"rollout rollback -i {lab.inventory}" in rollout(lab, "status").stdout

    code, output, result = await under_traffic(lab, "rollback")

    assert code == 0, output
    assert result.losses == {}, output
    assert states(lab) == dict.fromkeys(("web1", "web2", "web3"), OLD)
    again = rollout(lab, "rollback")
    assert again.returncode == 3
    assert "was itself the rollback" in again.stderr


def test_rollback_to_a_release_that_is_named(lab: Lab) -> None:
    """`--to` says which release the touched nodes get, whatever they had."""
    assert rollout(lab, "deploy", "--release", "2", "--limit", "web1").returncode == 0

    assert rollout(lab, "rollback", "--to", "0.9").returncode == 0

    assert states(lab) == {"web1": ("ready", "0.9"), "web2": OLD, "web3": OLD}


def test_each_node_gets_the_release_that_it_had(lab: Lab) -> None:
    """Nodes that ran different releases go back to different ones, also when that is interrupted."""
    assert rollout(lab, "deploy", "--release", "1.1", "--limit", "web1").returncode == 0
    mended(lab, "2 web2")
    assert rollout(lab, "deploy", "--release", "2").returncode == 0
    breaks_on_the_way_back = '= "1 web3"'
    change_inventory(lab, '= "nothing"', breaks_on_the_way_back)

    stopped = rollout(lab, "rollback")
    assert stopped.returncode == 1
    assert len(history(lab)) == 3, "a rollback that fails is not rolled back"
    assert states(lab)["web3"] == ("maint", None)

    change_inventory(lab, breaks_on_the_way_back, '= "nothing"')
    assert rollout(lab, "resume").returncode == 0
    assert states(lab) == {"web1": ("ready", "1.1"), "web2": OLD, "web3": OLD}


def test_what_was_not_known_is_not_guessed(lab: Lab) -> None:
    """Where neither the health page nor the journal tells the old release, the rollback asks for it."""
    change_inventory(lab, "  release: {json: release}\n", "")
    assert rollout(lab, "deploy", "--release", "2", "--limit", "web1").returncode == 0

    refused = rollout(lab, "rollback")

    assert refused.returncode == 3
    assert "rollout does not know which release web1 ran before deployment 1" in refused.stderr
    assert "--to RELEASE" in refused.stderr
    assert rollout(lab, "deploy", "--release", "3", "--limit", "web1").returncode == 0
    assert rollout(lab, "rollback").returncode == 0, "by now the journal tells"
    assert (lab.nodes[0].folder / "current" / "VERSION").read_text() == "2\n"


def test_a_release_that_is_a_secret_is_not_gone_back_to(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands masked in the journal is asked for, by `rollback` and by `resume`."""
    change_inventory(lab, "service: shop\n", "service: shop\nprepare:\n  command: echo ${VERSION}\n")
    monkeypatch.setenv("VERSION", "secret-1")
    assert rollout(lab, "deploy", "--release", "secret-1", "--limit", "web1").returncode == 0
    assert rollout(lab, "deploy", "--release", "2", "--limit", "web1").returncode == 0
    change_inventory(lab, '= "2 web2"', '= "secret-1 web1"')

    refused = rollout(lab, "rollback")
    failed = rollout(lab, "deploy", "--release", "secret-1", "--limit", "web1")
    stuck = rollout(lab, "resume")

    assert (refused.returncode, failed.returncode, stuck.returncode) == (3, 1, 3)
    assert "rollout does not know which release" in refused.stderr
    assert "also the value of a variable" in stuck.stderr


def test_nothing_to_roll_back(lab: Lab) -> None:
    """A deployment that was refused, or touched nothing, needs no way back."""
    change_inventory(lab, "\nrelease:\n", "\nprepare:\n  command: exit 1\nrelease:\n")
    change_inventory(lab, "strategy:\n", "strategy:\n  on_failure: rollback\n")
    assert rollout(lab, "deploy", "--release", "2").returncode == 1
    assert len(history(lab)) == 1

    done = rollout(lab, "rollback")

    assert done.returncode == 0
    assert "touched no node" in done.stdout

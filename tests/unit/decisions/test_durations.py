"""How long nodes took, and the order that follows from it."""

from __future__ import annotations

from rollout.decisions.durations import Durations
from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.domain import Step

TOOK = {Step.PREPARE: 90.0, Step.DRAIN: 1.0, Step.RESTART: 2.0, Step.READY: 0.5, Step.BAKE: 60.0}


def progress(*nodes: NodeProgress) -> Progress:
    return Progress(deployment=17, nodes={node.name: node for node in nodes})


def test_what_a_node_took_is_what_was_done_on_it() -> None:
    """The steps of its turn count, not the preparation and the bake; a node that failed says nothing."""
    done = NodeProgress("web1", phase=Phase.DONE, step_seconds=TOOK)
    failed = NodeProgress("web2", phase=Phase.FAILED, step_seconds=TOOK)
    assert Durations.of(progress(done, failed)) == Durations(17, {"web1": 3.5})
    assert Durations.of(None).seconds == {}


def test_those_that_took_longest_come_first() -> None:
    """A node of which nothing is known counts as one in the middle; equal ones keep their order."""
    by = Durations(17, {"web1": 1.0, "web2": 9.0, "web3": 4.0, "web4": 9.0})
    assert by.longest_first(["web1", "web2", "new", "web4"]) == ["web2", "web4", "new", "web1"]
    assert Durations().longest_first(["web2", "web1"]) == ["web2", "web1"]


def test_the_reason_says_what_is_known() -> None:
    """It names the deployment, the first nodes and the last, and how many are unknown."""
    by = Durations(17, {"web1": 41.0, "web2": 9.02, "web3": 4.0, "web4": 1.0})
    assert by.reason(["web1", "web2"]) == (
        "those that took longest in deployment 17 come first: web1 41.0 s, web2 9.0 s"
    )
    assert by.reason(["web1", "web2", "new", "web3", "web4"]) == (
        "those that took longest in deployment 17 come first: web1 41.0 s, web2 9.0 s, web3 4.0 s … web4 "
        "1.0 s; 1 of which nothing is known count as one in the middle"
    )
    assert Durations().reason(["web1"]).startswith("in the inventory's order: no earlier deployment")

"""What past deployments decide for the next one."""

from __future__ import annotations

import dataclasses

import pytest

from rollout.decisions.fold import fold
from rollout.decisions.history import (
    nodes_to_resume,
    nodes_to_roll_back,
    require_deployed,
    rollback_releases,
    to_forget,
)
from rollout.decisions.memory import remember
from rollout.decisions.progress import Progress
from rollout.domain import Outcome, Step
from rollout.errors import Refused
from rollout.events import (
    DeploymentFinished,
    DeploymentStarted,
    Event,
    NodeFailed,
    NodeFinished,
    Record,
    ReleaseNoted,
    StepFailed,
    StepStarted,
)
from rollout.masks import MASK
from tests.support.states import inventory

STARTED = DeploymentStarted(
    service="shop",
    release="2",
    nodes=("web1", "web2"),
    skipped=(),
    load_balancers=("lb1",),
    window=1,
    canary=0,
    inventory="prod.yml",
    user="anna",
    host="laptop",
    pid=42,
)
GOOD = (StepStarted("web1", Step.RESTART), NodeFinished("web1", 5.0))
BAD = (
    StepStarted("web1", Step.RESTART),
    StepFailed("web1", Step.RESTART, 3.0, "exit status 1"),
    NodeFailed("web1", left_out=True),
)
FAILED = DeploymentFinished(Outcome.FAILED, 9.0)


def deployment(*events: Event, number: int = 1, **changes: object) -> Progress:
    """A deployment of web1 and web2 with these events; `changes` are those to its first one."""
    started = dataclasses.replace(STARTED, **changes)  # type: ignore[arg-type]
    events = (started, *events)
    return fold(Record(number, at, 100.0 + at, event) for at, event in enumerate(events, 1))


def test_old_deployments_are_forgotten() -> None:
    """But not one that left a node out which is still out."""
    out = remember({}, deployment(*BAD, number=3), ["web1"])
    assert to_forget(range(1, 11), out) == [1, 2, *range(4, 11)]
    assert to_forget(range(1, 11), {}) == [*range(1, 11)]


def test_what_was_never_deployed_is_refused() -> None:
    """There is nothing to resume and nothing to roll back; `deploy` is the command to run."""
    with pytest.raises(Refused, match="shop has not been deployed yet") as raised:
        require_deployed(None, "shop")
    assert raised.value.hint == "rollout deploy --release RELEASE"


def test_what_is_resumed_and_rolled_back() -> None:
    """The nodes that are not done; those that may not run what they ran."""
    half = deployment(*GOOD, FAILED)
    assert nodes_to_resume(half, inventory()) == ("web2",)
    assert nodes_to_roll_back(half, inventory()) == ("web1",)


def test_a_node_that_the_inventory_no_longer_has() -> None:
    """It is named, whether it is to be resumed or rolled back."""
    given = inventory(nodes={"web3": {"host": "10.0.0.13"}})
    half = deployment(*GOOD, FAILED)
    with pytest.raises(Refused, match=r"deployment 1 did not finish web2, but .* no longer has that node"):
        nodes_to_resume(half, given)
    with pytest.raises(Refused, match=r"deployment 1 touched web1, but .* no longer has that node"):
        nodes_to_roll_back(half, given)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rollback_of": 7}, "deployment 1 was itself the rollback of deployment 7"),
        ({"release": None}, "deployment 1 was a rolling restart: it changed no release"),
    ],
)
def test_what_cannot_be_rolled_back(changes: dict[str, object], reason: str) -> None:
    """A rollback, and a restart."""
    with pytest.raises(Refused, match=reason):
        nodes_to_roll_back(deployment(*GOOD, FAILED, **changes), inventory())


def test_a_masked_release_cannot_be_deployed_again() -> None:
    """The journal keeps no value of a variable: such a release must be given anew."""
    with pytest.raises(Refused, match="its release is also the value of a variable"):
        nodes_to_resume(deployment(release=MASK), inventory())


def test_the_releases_of_a_rollback() -> None:
    """Each node's own; where one is not known, or masked, it is named."""
    noted = (ReleaseNoted("web1", "1"), ReleaseNoted("web2", MASK))
    half = deployment(*noted, *GOOD, FAILED)
    assert rollback_releases(half, ["web1"]) == {"web1": "1"}
    with pytest.raises(Refused, match="does not know which release web2 ran before deployment 1") as raised:
        rollback_releases(half, ["web1", "web2"])
    assert raised.value.hint == "rollout rollback --to RELEASE"


def test_a_rollback_to_a_release_that_is_given() -> None:
    """It is for all nodes, whatever they ran. One that was copied from masked output is refused."""
    half = deployment(ReleaseNoted("web1", "1"), *GOOD, FAILED)
    assert rollback_releases(half, ["web1", "web2"], "0.9") == {"web1": "0.9", "web2": "0.9"}
    with pytest.raises(Refused, match="does not know which release web1, web2 ran"):
        rollback_releases(half, ["web1", "web2"], f"1.{MASK}")

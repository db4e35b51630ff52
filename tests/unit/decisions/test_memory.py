"""What is remembered of each node, and what comes back from the journal."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence

from rollout.decisions.fold import fold
from rollout.decisions.memory import (
    NodeMemory,
    known_releases,
    memory_document,
    nodes_out,
    read_memory,
    remember,
)
from rollout.decisions.progress import Progress
from rollout.decisions.summary import read_summary, summary_document, summary_of
from rollout.domain import Outcome, Server, Standing, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    Record,
    ReleaseNoted,
    ServerNoted,
    StepFailed,
    StepStarted,
)

STARTED = DeploymentStarted("shop", "2", ("web1", "web2"), (), ("lb1",), 1, 0, "prod.yml", "ann", "there", 42)
GOOD = (StepStarted("web1", Step.DRAIN), NodeFinished("web1", 5.0))
BAD = (
    ServerNoted("web1", "lb1", "shop", "w1", 0, 70, "UP", (7, 35), Standing.ALONE, agent=True),
    ReleaseNoted("web1", "1"),
    StepStarted("web1", Step.DRAIN),
    StepStarted("web1", Step.RESTART),
    StepFailed("web1", Step.RESTART, 3.0, "exit status 1"),
    NodeFailed("web1", left_out=True),
)
KILLED = (StepStarted("web2", Step.PREPARE), StepStarted("web2", Step.DRAIN))


def deployment(number: int, *events: Event, release: str | None = "2") -> Progress:
    """A deployment of web1 and web2 with these events."""
    all_events = (dataclasses.replace(STARTED, release=release), *events)
    return fold(Record(number, at, 1000.0 * number + at, event) for at, event in enumerate(all_events, 1))


def remembered(*deployments: Progress) -> dict[str, NodeMemory]:
    """What is remembered after these deployments, as it comes back from the journal after each."""
    memories: dict[str, NodeMemory] = {}
    for progress in deployments:
        changed = remember(memories, progress, progress.nodes)
        stored = {name: json.dumps(memory_document(memory)) for name, memory in changed.items()}
        memories |= {name: read_memory(json.loads(text)) for name, text in stored.items()}
    return memories


def out(deployments: Iterable[Progress]) -> set[str]:
    return set(nodes_out(remembered(*deployments)))


def test_a_node_is_out_until_a_later_deployment_brings_it_back() -> None:
    """Left out, or in its turn when the deployment was killed; one that was done since is back."""
    bad, killed = deployment(1, *BAD), deployment(2, *KILLED)
    assert out([bad]) == {"web1"}
    assert out([bad, killed]) == {"web1", "web2"}
    assert out([bad, killed, deployment(3, *GOOD)]) == {"web2"}
    assert out([bad, deployment(1, *BAD, NodeReturned("web1"))]) == set()


def test_a_node_stays_out_whatever_else_is_deployed() -> None:
    """A hundred deployments of other nodes later it is known by whom, at which step, why, and how it was."""
    others = [
        deployment(number, StepStarted("web2", Step.DRAIN), NodeFinished("web2", 1.0))
        for number in range(2, 102)
    ]
    left = nodes_out(remembered(deployment(1, *BAD), *others))["web1"]
    assert (left.deployment, left.release, left.step, left.reason) == (1, "2", Step.RESTART, "exit status 1")
    assert (left.previous_release, left.since, left.certain) == ("1", 1004.0, True)
    before = left.as_progress("web1").server_before(Server("lb1", "shop", "w1"))
    assert before is not None
    assert (before.weight, before.warmup, before.standing, before.agent) == (
        70,
        (7, 35),
        Standing.ALONE,
        True,
    )


def test_a_node_is_known_as_the_first_deployment_found_it() -> None:
    """A second one that fails as well found it out already."""
    second = deployment(2, *BAD, ReleaseNoted("web1", "2"))
    left = nodes_out(remembered(deployment(1, *BAD), second))["web1"]
    assert (left.deployment, left.previous_release) == (1, "1")


def test_a_node_in_doubt_is_certainly_out_once_its_deployment_is_resumed() -> None:
    """Until then nobody knows; the resumed deployment can bring it back."""
    resumed = DeploymentResumed(("web1", "web2"), (), "ann", "there", 43)
    assert not nodes_out(remembered(deployment(1, *KILLED)))["web2"].certain
    assert nodes_out(remembered(deployment(1, *KILLED, resumed)))["web2"].certain
    back = (StepStarted("web2", Step.DRAIN), NodeFinished("web2", 1.0))
    assert out([deployment(1, *KILLED), deployment(1, *KILLED, resumed, *back)]) == set()


def test_the_release_of_a_node_is_what_it_finished_with_last() -> None:
    """A restart says nothing of it, one that failed leaves it open, and an older deployment to which
    something is added changes nothing."""
    first = deployment(1, *GOOD)
    past = [first, deployment(2, *GOOD, release=None), deployment(3, *BAD, release="3")]
    assert known_releases(remembered(*past)) == {"web1": "2"}
    newer = deployment(4, *GOOD, release="4")
    assert known_releases(remembered(*past, newer, first)) == {"web1": "4"}


def test_a_summary_comes_back_from_the_journal() -> None:
    """With everything that `history` shows, for a deployment that ended and for one that did not."""
    ends: Sequence[Sequence[Event]] = ((), (DeploymentFinished(Outcome.FAILED, 9.0, "web1 failed"),))
    for end in ends:
        progress = deployment(7, *BAD, *KILLED, *end)
        document = json.loads(json.dumps(summary_document(progress)))
        assert read_summary(7, document) == summary_of(progress)
    assert (summary_of(progress).left_out, summary_of(progress).in_doubt) == (("web1",), ("web2",))

"""What happened to each node, derived from events."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rollout.decisions.fold import advance, fold
from rollout.decisions.progress import Phase, Progress
from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    Halted,
    HookPrinted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OutputSeen,
    Progressed,
    Record,
    ReleaseNoted,
    ServerNoted,
    StepFailed,
    StepFinished,
    StepStarted,
    Warned,
)

STARTED = DeploymentStarted(
    service="shop",
    release="1.4.2",
    nodes=("web1", "web2", "web3"),
    skipped=("web4",),
    load_balancers=("lb1",),
    window=2,
    canary=1,
    inventory="prod.yml",
    user="anna",
    host="laptop",
    pid=42,
)
FAILURE = StepFailed("web1", Step.RESTART, 3.0, "exit status 1", "look there", ("boom",))


def after(*events: Event) -> Progress:
    """The progress after `events`, the first at 100 and then one each second."""
    records = [Record(17, number, 99.0 + number, event) for number, event in enumerate(events, 1)]
    return fold(records)


def test_a_deployment_that_has_begun() -> None:
    """The plan of the deployment is known from its first event, and every node waits."""
    progress = after(STARTED)
    assert (progress.deployment, progress.started, progress.running) == (17, 100.0, True)
    assert (progress.service, progress.release, progress.window, progress.canary) == ("shop", "1.4.2", 2, 1)
    assert (progress.user, progress.host, progress.pid) == ("anna", "laptop", 42)
    assert (progress.inventory, progress.load_balancers) == ("prod.yml", ("lb1",))
    assert progress.names(Phase.WAITING) == ("web1", "web2", "web3")
    assert progress.names(Phase.SKIPPED) == ("web4",)
    assert (progress.done, progress.failed, progress.total) == (0, 0, 3)


def test_nothing_known_is_not_running() -> None:
    """A deployment without events has not begun."""
    assert not fold([]).running


def test_a_fold_can_be_continued() -> None:
    """A fold is the same as taking the records in one by one, and leaves what it started from as it was."""
    before = after(STARTED)
    later = advance(before, Record(17, 2, 101.0, StepStarted("web1", Step.DRAIN)))
    assert later == after(STARTED, StepStarted("web1", Step.DRAIN))
    assert before == after(STARTED)


def test_what_a_node_was_before() -> None:
    """What was noted of a node before it was touched is kept, also when it is noted before the start."""
    servers = (
        ServerNoted("web1", "lb1", "shop", "s1", 0, 1, "UP"),
        ServerNoted("web1", "lb2", "shop", "s1", 0, 1, "UP"),
    )
    node = after(servers[0], STARTED, servers[1], ReleaseNoted("web1", "1.4.1")).nodes["web1"]
    assert node.servers == servers
    assert node.previous_release == "1.4.1"


def test_a_running_step() -> None:
    """A step in progress says since when it runs and what it waits for."""
    drain = after(STARTED, StepStarted("web1", Step.DRAIN), Progressed("web1", Step.DRAIN, "lb1 drains", 3))
    node = drain.nodes["web1"]
    assert (node.phase, node.step, node.step_started) == (Phase.RUNNING, Step.DRAIN, 101.0)
    assert (node.detail, node.sessions) == ("lb1 drains", 3)


def test_the_next_step_forgets_what_the_last_one_waited_for() -> None:
    """Detail and sessions belong to one step, the start of the node's turn to all of them."""
    node = after(
        STARTED,
        StepStarted("web1", Step.DRAIN),
        Progressed("web1", Step.DRAIN, "lb1 drains", 3),
        StepFinished("web1", Step.DRAIN, 2.0),
        StepStarted("web1", Step.RESTART),
    ).nodes["web1"]
    assert (node.step, node.step_started, node.started) == (Step.RESTART, 104.0, 101.0)
    assert (node.detail, node.sessions) == ("", None)
    assert node.step_seconds == {Step.DRAIN: 2.0}


def test_the_last_line_of_output_is_the_detail() -> None:
    """While a command runs, its newest line tells how far it is."""
    progress = after(
        STARTED, StepStarted("web1", Step.RELEASE), OutputSeen("web1", Step.RELEASE, "unpacking")
    )
    assert progress.nodes["web1"].detail == "unpacking"


def test_a_hook_is_no_step() -> None:
    """While one runs before a node's drain, that is seen, and the node cannot be out of rotation yet."""
    hooked = after(STARTED, HookStarted("before_node", "web1", "node", "./x"))
    node = hooked.nodes["web1"]
    assert (node.phase, node.step, node.detail) == (Phase.RUNNING, None, "before_node")
    assert hooked.in_doubt == ()
    assert "web1" in hooked.unfinished
    printed = after(
        STARTED,
        HookStarted("before_node", "web1", "node", "./x"),
        HookPrinted("before_node", "web1", "asking"),
    )
    assert printed.nodes["web1"].detail == "asking"
    whole = after(STARTED, HookStarted("before_deploy", None, "here", "./x"))
    assert whole.nodes == after(STARTED).nodes


def test_a_prepared_node_waits_for_its_turn() -> None:
    """Preparing does not begin a node's turn."""
    node = after(STARTED, StepStarted("web1", Step.PREPARE), StepFinished("web1", Step.PREPARE, 1.0)).nodes[
        "web1"
    ]
    assert (node.phase, node.started) == (Phase.WAITING, None)


def test_a_node_that_is_done() -> None:
    """A finished node counts, with its time."""
    progress = after(STARTED, StepStarted("web1", Step.DRAIN), NodeFinished("web1", 4.5))
    assert progress.nodes["web1"].phase is Phase.DONE
    assert progress.nodes["web1"].seconds == 4.5
    assert (progress.done, progress.failed, progress.total) == (1, 0, 3)


def test_a_failure_keeps_why() -> None:
    """The reason, the hint and the last lines of a failed step stay with its node."""
    progress = after(STARTED, StepStarted("web1", Step.RESTART), FAILURE, NodeFailed("web1", left_out=True))
    node = progress.nodes["web1"]
    assert (node.phase, node.step, node.failure) == (Phase.FAILED, Step.RESTART, FAILURE)
    assert (progress.failed, progress.left_out, progress.in_doubt) == (1, ("web1",), ())


@pytest.mark.parametrize("mending", [NodeReturned("web1"), NodeFinished("web1", 1.0)])
def test_a_node_that_came_back_is_not_left_out(mending: Event) -> None:
    """Put back by hand or rolled after all, a node is no longer left out."""
    assert after(STARTED, FAILURE, NodeFailed("web1", left_out=True), mending).left_out == ()


def test_a_node_that_was_put_back_is_not_left_out() -> None:
    """A node that failed before its application was touched takes traffic."""
    progress = after(STARTED, StepStarted("web1", Step.DRAIN), FAILURE, NodeFailed("web1", left_out=False))
    assert (progress.left_out, progress.in_doubt, progress.failed) == ((), (), 1)


def test_nodes_whose_end_was_not_told_are_in_doubt() -> None:
    """After a kill, a node in the middle of its turn may take no traffic; one that was prepared does."""
    progress = after(
        STARTED,
        StepStarted("web1", Step.RESTART),
        FAILURE,
        StepStarted("web2", Step.DRAIN),
        StepStarted("web3", Step.PREPARE),
    )
    assert progress.in_doubt == ("web1", "web2")
    assert progress.running


def test_the_end() -> None:
    """Warnings, the halt and the outcome are kept, and an ended deployment does not run."""
    warning = Warned("no redispatch")
    progress = after(STARTED, warning, Halted("web1 failed"), DeploymentFinished(Outcome.FAILED, 9.0, "why"))
    assert (progress.warnings, progress.halted) == ((warning,), "web1 failed")
    assert (progress.outcome, progress.seconds, progress.reason) == (Outcome.FAILED, 9.0, "why")
    assert not progress.running


def test_time_left_is_judged_by_the_nodes_that_are_done() -> None:
    """Two nodes of 10 s are left, one of them since 4 s, and two may be out at once."""
    nothing_done = after(STARTED, StepStarted("web1", Step.DRAIN))
    assert nothing_done.seconds_left(now=104.0) is None
    one_done = after(STARTED, NodeFinished("web1", 10.0), StepStarted("web2", Step.DRAIN))
    assert one_done.seconds_left(now=106.0) == pytest.approx((6 + 10) / 2)


def test_a_halted_deployment_only_ends_what_it_began() -> None:
    """After a halt, nodes that wait take no more time."""
    halted = after(
        STARTED, NodeFinished("web1", 10.0), StepStarted("web2", Step.DRAIN), Halted("web9 failed")
    )
    assert halted.seconds_left(now=106.0) == pytest.approx(6)
    assert after(STARTED, NodeFinished("web1", 10.0), Halted("x")).seconds_left(now=106.0) == 0.0


def told(*events: Event) -> Progress:
    return fold(Record(17, number, 1000.0 + number, event) for number, event in enumerate(events, 1))


BEGUN = DeploymentStarted("shop", "2", ("web1", "web2"), (), ("lb1",), 1, 0, "prod.yml", "ann", "laptop", 17)


def test_what_finished_before_an_interruption_is_settled() -> None:
    """A release that was put on the node stays there; a drain has to be proven again."""
    done = (Step.PREPARE, Step.DRAIN, Step.RELEASE)
    steps = [event for step in done for event in (StepStarted("web1", step), StepFinished("web1", step, 1.0))]

    interrupted = told(BEGUN, *steps, StepStarted("web1", Step.RESTART))

    assert interrupted.nodes["web1"].settled == {Step.PREPARE, Step.RELEASE}
    assert interrupted.unfinished == ("web1", "web2")


def test_nothing_is_settled_on_a_node_that_failed() -> None:
    """What made it fail may lie in any step, so all are done again."""
    steps = (StepStarted("web1", Step.RELEASE), StepFinished("web1", Step.RELEASE, 1.0))
    failed = told(BEGUN, *steps, StepStarted("web1", Step.VERIFY), StepFailed("web1", Step.VERIFY, 1.0, "no"))

    assert failed.nodes["web1"].settled == frozenset()


def test_a_step_that_begins_again_unsettles_what_came_after_it() -> None:
    """A restart of an earlier try says nothing about a release that was put there since."""
    first = [
        event
        for step in (Step.RELEASE, Step.RESTART)
        for event in (StepStarted("web1", step), StepFinished("web1", step, 1.0))
    ]

    again = told(BEGUN, *first, StepStarted("web1", Step.RELEASE), StepFinished("web1", Step.RELEASE, 1.0))

    assert again.nodes["web1"].settled == {Step.RELEASE}


def test_a_deployment_that_goes_on_forgets_no_node_that_is_out() -> None:
    """Until a node is told to be back it counts as left out, even if the second try is killed at once."""
    before = (BEGUN, StepStarted("web1", Step.DRAIN), NodeFailed("web1", left_out=True))
    resumed = DeploymentResumed(("web1", "web2"), (), "bob", "desk", 18)

    goes_on = told(*before, resumed)
    back = told(*before, resumed, StepStarted("web1", Step.DRAIN), NodeFinished("web1", 2.0))

    assert (goes_on.left_out, goes_on.running, goes_on.user) == (("web1",), True, "bob")
    assert goes_on.names(Phase.WAITING) == ("web1", "web2")
    assert (back.left_out, back.unfinished) == ((), ("web2",))


GIVEN_UP = (Halted("web1 failed", gave_up=True), DeploymentFinished(Outcome.FAILED, 5.0))


def test_touched_nodes_are_those_whose_release_began() -> None:
    """One that failed in its drain runs what it ran; of the others, those that take no traffic come first."""
    progress = told(
        BEGUN,
        StepStarted("web1", Step.RELEASE),
        NodeFinished("web1", 1.0),
        StepStarted("web2", Step.RESTART),
        NodeFailed("web2", left_out=True),
        StepStarted("web3", Step.DRAIN),
        NodeFailed("web3", left_out=False),
    )
    assert progress.touched == ("web2", "web1")


@pytest.mark.parametrize(
    ("changes", "end", "wanted"),
    [
        ({}, GIVEN_UP, True),
        ({"on_failure": "halt"}, GIVEN_UP, False),
        ({"release": None}, GIVEN_UP, False),
        ({}, (Halted("SIGINT"), GIVEN_UP[1]), False),
        ({}, (GIVEN_UP[0],), False),
    ],
)
def test_when_a_rollback_is_wanted(changes: dict[str, Any], end: tuple[Event, ...], wanted: bool) -> None:
    """Where the inventory asks for it and a release failed on its own, not where a person stopped it."""
    begun = dataclasses.replace(BEGUN, **{"on_failure": "rollback", **changes})
    touched = StepStarted("web1", Step.RESTART), NodeFailed("web1", left_out=True)
    assert told(begun, *touched, *end).to_be_rolled_back is wanted
    assert not told(begun, *end).to_be_rolled_back

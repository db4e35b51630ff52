"""The story of a deployment: nothing that the journal knows is lost in it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rollout.decisions.story import Story
from rollout.decisions.telling import tell
from rollout.decisions.waits import Wait
from rollout.domain import Outcome, Step
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Event,
    HookEnded,
    HookPrinted,
    HookStarted,
    NodeFailed,
    NodeFinished,
    NodeReturned,
    OutputSeen,
    Progressed,
    Record,
    StepFailed,
    StepFinished,
    StepStarted,
    UsersSaw,
    Waited,
    Warned,
)

PLAN = DeploymentStarted("shop", "2", ("web1", "web2"), (), ("lb1",), 1, 0, "prod.yml", "anna", "laptop", 42)


def told(*timeline: tuple[float, Event]) -> Story:
    """The story of a deployment that begins at 100 with `PLAN`."""
    records = [Record(7, 1, 100.0, PLAN)]
    records += [Record(7, number, 100.0 + at, event) for number, (at, event) in enumerate(timeline, 2)]
    facts, printed = _apart(records)
    return tell(facts, printed)


def _apart(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The facts, and what the journal keeps apart from them."""
    kinds = (OutputSeen, HookPrinted, Progressed)
    facts = [record for record in records if not isinstance(record.event, kinds)]
    return facts, [record for record in records if isinstance(record.event, kinds)]


def test_each_command_has_what_it_printed() -> None:
    """Also where another node prints at the same time, and where the command came from a load balancer."""
    story = told(
        (1.0, StepStarted("web1", Step.RESTART)),
        (1.0, StepStarted("web2", Step.RESTART)),
        (1.1, CommandSent("web1", Step.RESTART, "web1", "one")),
        (1.1, CommandSent("web2", Step.RESTART, "web2", "other")),
        (1.2, OutputSeen("web1", Step.RESTART, "1a")),
        (1.3, OutputSeen("web2", Step.RESTART, "2a")),
        (1.4, OutputSeen("web1", Step.RESTART, "1b")),
        (1.5, CommandSent("web1", Step.RESTART, "web1", "two")),
        (1.6, OutputSeen("web1", Step.RESTART, "1c")),
        (2.0, StepFinished("web1", Step.RESTART, 1.0)),
    )
    (step,) = story.nodes["web1"].tries[0].steps
    assert [(command.line, command.printed) for command in step.commands] == [
        ("one", ("1a", "1b")),
        ("two", ("1c",)),
    ]
    assert (step.began, step.seconds) == (101.0, 1.0)
    (other,) = story.nodes["web2"].tries[0].steps
    assert other.seconds is None
    assert other.commands[0].printed == ("2a",)


def test_a_second_try_overwrites_nothing() -> None:
    """Neither the first failure nor its duration, nor what users saw of it, nor who it was."""
    failure = StepFailed("web2", Step.RESTART, 3.0, "exit status 1", tail=("no module",))
    story = told(
        (1.0, StepStarted("web2", Step.RESTART)),
        (4.0, failure),
        (4.0, NodeFailed("web2", left_out=True)),
        (5.0, UsersSaw(100, 2, 2)),
        (5.0, DeploymentFinished(Outcome.FAILED, 5.0, "web2 failed")),
        (600.0, DeploymentResumed(("web2",), (), "bob", "desk", 43)),
        (601.0, StepStarted("web2", Step.RESTART)),
        (602.0, StepFinished("web2", Step.RESTART, 1.0)),
        (602.0, NodeFinished("web2", 1.0)),
        (603.0, UsersSaw(50, 0, 0)),
        (603.0, DeploymentFinished(Outcome.DONE, 3.0)),
    )
    first, second = story.tries
    assert (first.user, first.seconds, first.reason) == ("anna", 5.0, "web2 failed")
    assert (second.user, second.seconds, second.outcome) == ("bob", 3.0, Outcome.DONE)
    assert first.users_saw == UsersSaw(100, 2, 2)
    assert second.users_saw == UsersSaw(50, 0, 0)
    assert story.seconds == 8.0
    assert [one.number for one in story.nodes["web2"].tries] == [1, 2]
    assert [one.failure for one in story.nodes["web2"].tries] == [failure, None]
    assert story.progress.first_failure == "web2 at restart: exit status 1"
    assert story.nodes["web1"].tries == ()


def test_waits_that_were_recorded_count() -> None:
    """And not the news of them, which only the deploying machine has."""
    story = told(
        (1.0, StepStarted("web1", Step.DRAIN)),
        (1.0, Progressed("web1", Step.DRAIN, "lb1 2 left", 2)),
        (4.0, Waited("web1", Step.DRAIN, "lb1 2 left (10.0.0.7:5501)", 3.0)),
        (4.0, StepFinished("web1", Step.DRAIN, 3.0)),
    )
    assert story.nodes["web1"].tries[0].steps[0].waits == (Wait("lb1 2 left (10.0.0.7:5501)", 3.0),)


def test_a_step_that_was_killed_tells_what_it_waited_for() -> None:
    """By the last news of it: nobody recorded its waits."""
    story = told(
        (1.0, StepStarted("web1", Step.DRAIN)),
        (1.0, Progressed("web1", Step.DRAIN, "lb1 2 left", 2)),
        (9.0, Progressed("web1", Step.DRAIN, "lb1 1 left", 1)),
    )
    (step,) = story.nodes["web1"].tries[0].steps
    assert step.waits == (Wait("lb1 1 left", 8.0),)
    assert story.tries[0].outcome is None
    assert story.seconds == 9.0


def test_a_guard_sends_commands_for_a_step_that_never_began() -> None:
    """They are told as that step's, without an end."""
    story = told((5.0, CommandSent("web1", Step.READY, "lb1", "set server shop/web1 state drain")))
    (step,) = story.nodes["web1"].tries[0].steps
    assert (step.step, step.began, step.seconds) == (Step.READY, 105.0, None)


def test_hooks_of_a_node_and_of_the_deployment() -> None:
    """With what they printed; one that was killed has no end."""
    story = told(
        (0.5, HookStarted("before_deploy", None, "here", "./may-we")),
        (0.6, HookPrinted("before_deploy", None, "yes")),
        (0.7, HookEnded("before_deploy", None, 0.2)),
        (1.0, HookStarted("before_node", "web1", "node", "./warm")),
    )
    (whole,) = story.hooks
    assert (whole.hook, whole.command.printed, whole.seconds) == ("before_deploy", ("yes",), 0.2)
    (own,) = story.nodes["web1"].tries[0].hooks
    assert (own.hook, own.seconds) == ("before_node", None)


def test_a_node_that_somebody_brought_back() -> None:
    """That is told, and does not make the deployment longer."""
    story = told(
        (1.0, DeploymentFinished(Outcome.FAILED, 1.0, "web1 failed")),
        (5_000.0, NodeReturned("web1")),
    )
    assert story.nodes["web1"].returned == 5_100.0
    assert story.tries[0].last == 101.0


def test_warnings_of_all_nodes_and_of_the_deployment() -> None:
    """In one place."""
    story = told((1.0, Warned("slow")), (2.0, Warned("hot", node="web1")))
    assert [warned.event.message for warned in story.warnings] == ["slow", "hot"]


def test_facts_without_a_plan_are_no_story() -> None:
    """The journal is damaged then."""
    for records in ([], [Record(7, 1, 100.0, Warned("hot"))]):
        with pytest.raises(ValueError, match="begin with its plan"):
            tell(records)

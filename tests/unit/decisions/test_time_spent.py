"""Where the time of a deployment went: all of it, once."""

from __future__ import annotations

import pytest

from rollout.decisions.time_spent import BETWEEN, HOOKS, PAUSED, spent
from rollout.domain import Outcome, Step
from rollout.events import (
    DeploymentFinished,
    DeploymentResumed,
    Event,
    HookEnded,
    HookStarted,
    Paused,
    StepFinished,
    StepStarted,
    WentOn,
)
from tests.support.stories import records, rolled, told


def seconds(*timeline: tuple[float, Event]) -> dict[str, float]:
    """The seconds of each thing, of a deployment whose plan is that of an invented one."""
    plan = rolled(2)[0].event
    return {each.what: each.seconds for each in spent(told(records([(0.0, plan), *timeline])))}


def test_moments_in_which_several_nodes_are_in_flight_are_shared() -> None:
    """In equal parts, and what is no step counts too."""
    assert seconds(
        (1.0, StepStarted("web1", Step.RESTART)),
        (3.0, StepStarted("web2", Step.DRAIN)),
        (5.0, StepFinished("web1", Step.RESTART, 4.0)),
        (9.0, StepFinished("web2", Step.DRAIN, 6.0)),
        (10.0, DeploymentFinished(Outcome.DONE, 10.0)),
    ) == {Step.RESTART: 3.0, Step.DRAIN: 5.0, BETWEEN: 2.0}


def test_a_pause_counts_only_while_nothing_runs() -> None:
    """A node that bakes through a pause costs nobody anything more."""
    assert seconds(
        (0.0, Paused("the canary is done")),
        (0.0, StepStarted("web1", Step.BAKE)),
        (4.0, StepFinished("web1", Step.BAKE, 4.0)),
        (10.0, WentOn("bob asked")),
        (10.0, HookStarted("after_deploy", None, "here", "./tell")),
        (12.0, HookEnded("after_deploy", None, 2.0)),
        (12.0, DeploymentFinished(Outcome.DONE, 12.0)),
    ) == {Step.BAKE: 4.0, HOOKS: 2.0, PAUSED: 6.0}


def test_the_time_between_two_tries_is_nobodys() -> None:
    """And a step that was killed lasted until the last event of its try."""
    assert seconds(
        (0.0, StepStarted("web1", Step.RESTART)),
        (5.0, StepStarted("web2", Step.RESTART)),
        (900.0, DeploymentResumed(("web1", "web2"), (), "bob", "desk", 43)),
        (902.0, DeploymentFinished(Outcome.INTERRUPTED, 2.0)),
    ) == {Step.RESTART: 5.0, BETWEEN: 2.0}


@pytest.mark.parametrize("window", [1, 3])
def test_the_sums_are_the_whole_time(window: int) -> None:
    """Nothing is counted twice, and nothing is lost."""
    story = told(rolled(7, window=window, fails="web5"))
    assert sum(each.seconds for each in spent(story)) == pytest.approx(story.seconds)

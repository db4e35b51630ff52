"""The deadlines of agents."""

from __future__ import annotations

import pytest

from rollout.agents.common import deadline
from rollout.agents.common.deadline import Deadline


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of agents, which only pauses move on."""
    clock = [100.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    return clock


@pytest.mark.parametrize(
    ("timeout", "reserve", "at"), [(60, 2, 158), (60, 10, 150), (3, 2, 101.5), (12, 10, 106)]
)
def test_an_agent_gives_up_before_nobody_waits_for_it(
    now: list[float], timeout: float, reserve: float, at: float
) -> None:
    """It keeps some seconds to say why, but never more than half of the time."""
    assert deadline.before(timeout, reserve) == Deadline(at)


def test_the_sooner_of_two_deadlines_counts(now: list[float]) -> None:
    """A step with a limit of its own ends by that limit, but never after the whole."""
    end = deadline.after(10)
    assert end.or_after(3) == Deadline(103)
    assert end.or_after(30) == end
    assert (end.left, end.passed) == (10, False)
    now[0] = 111.0
    assert (end.left, end.passed) == (-1, True)


def test_waiting_ends_when_it_is_true_or_late(now: list[float]) -> None:
    """A condition is looked at once even if it is late; what is called between two looks may end the wait."""
    pauses: list[float] = []
    assert deadline.after(10).wait_for(lambda: now[0] >= 104, every=1, between=lambda: pauses.append(now[0]))
    assert pauses == [100, 101, 102, 103]
    assert not deadline.after(2).wait_for(lambda: False, every=1)
    assert deadline.after(-1).wait_for(lambda: True)

    def nobody_listens() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        deadline.after(10).wait_for(lambda: False, between=nobody_listens)

"""The log of a step: what it waited for is a fact once it ends, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rollout.domain import Step
from rollout.engine.log import step
from rollout.errors import StepFailure
from rollout.events import Event, StepFailed, StepFinished, Waited

Clock = Callable[[float], None]


@pytest.fixture
async def advance(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Advances the clock of the loop by so many seconds."""
    loop = asyncio.get_running_loop()
    now = [loop.time()]
    monkeypatch.setattr(loop, "time", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


async def test_a_step_that_ends_tells_what_it_waited_for(advance: Clock) -> None:
    """And for whom, before its end; short waits are not told."""
    events: list[Event] = []
    async with step(events.append, "web1", Step.DRAIN) as log:
        log.sessions("lb1", 2)
        advance(2.0)
        log.sessions("lb1", 2, " (10.0.0.7:5501 for 3 s; 26 s left)")
        advance(1.5)
        log.sessions("lb1", 0)
        advance(0.2)
    *_, first, second, end = events
    assert isinstance(first, Waited)
    assert (first.detail, first.seconds) == ("lb1 2 left", 2.0)
    assert isinstance(second, Waited)
    assert (second.detail, second.seconds) == ("lb1 2 left (10.0.0.7:5501 for 3 s; 26 s left)", 1.5)
    assert isinstance(end, StepFinished)


@pytest.mark.parametrize("error", [StepFailure("not drained"), asyncio.CancelledError()])
async def test_a_step_that_fails_or_is_interrupted_tells_it_too(advance: Clock, error: BaseException) -> None:
    """That may be why."""
    events: list[Event] = []

    async def drain() -> None:
        async with step(events.append, "web1", Step.DRAIN) as log:
            log.progress("lb1 2 left", 2)
            advance(30.0)
            raise error

    with pytest.raises(type(error)):
        await drain()
    *_, waited, end = events
    assert waited == Waited("web1", Step.DRAIN, "lb1 2 left", 30.0)
    assert isinstance(end, StepFailed)

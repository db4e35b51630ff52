"""Deadlines of a process that slept: none passes meanwhile, and whoever gives up looks once more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rollout.cli import event_loop
from rollout.deadline import Deadline, look, sleeps, slept
from rollout.errors import RolloutError

Sleep = Callable[[float], None]


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    """Makes the machine's clock go on by so many seconds, in which the process does nothing."""
    ahead = 0.0

    def sleep(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    monkeypatch.setattr("rollout.cli.event_loop._now", lambda: time.monotonic() + ahead)
    return sleep


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    event_loop.run(main())


def test_the_clock_leaves_out_a_sleep(sleep: Sleep) -> None:
    """Whether it comes while the loop waits, or in the middle of its work; the clock never goes back."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        sleep(60)
        assert 0 <= loop.time() - begun < 1
        loop.call_later(0.01, sleep, 30)
        await asyncio.sleep(0.05)
        assert 0 <= loop.time() - begun < 1
        assert 89 < slept() < 91
        assert sleeps() == 2

    run(main)


def test_the_loop_notices_a_sleep_while_it_has_nothing_to_do(sleep: Sleep) -> None:
    """It turns again and again, however late its next timer is due."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        waiting = asyncio.create_task(asyncio.sleep(0.6))
        await asyncio.to_thread(lambda: (time.sleep(0.1), sleep(60)))
        await waiting
        assert loop.time() - begun < 2
        assert sleeps() == 1

    run(main)


def test_a_time_out_does_not_pass_in_a_sleep(sleep: Sleep) -> None:
    """What ends after the sleep is in time."""

    async def main() -> None:
        async with asyncio.timeout(1):
            sleep(60)
            await asyncio.sleep(0.1)

    run(main)


def test_after_a_sleep_there_is_time_for_another_look(sleep: Sleep) -> None:
    """A deadline that was about to pass is five seconds away, but not for ever."""

    async def main() -> None:
        deadline = Deadline(0.0)
        assert deadline.passed
        for _ in range(3):
            sleep(60)
            asyncio.get_running_loop().time()
            assert not deadline.passed
            assert 4 < deadline.left <= 5
        sleep(60)
        asyncio.get_running_loop().time()
        assert deadline.left <= 5
        long = Deadline(100.0)
        sleep(60)
        assert 99 < long.left <= 100

    run(main)


def test_a_deadline_is_postponed_from_its_beginning() -> None:
    """And never to an earlier moment."""

    async def main() -> None:
        deadline = Deadline(10.0)
        deadline.postpone(20.0)
        assert 19 < deadline.left <= 20
        deadline.postpone(5.0)
        assert 19 < deadline.left <= 20

    run(main)


@pytest.mark.parametrize(("sleeps_in_between", "asked"), [(True, 2), (False, 1)])
def test_a_question_that_failed_in_a_sleep_is_asked_again(
    sleep: Sleep, *, sleeps_in_between: bool, asked: int
) -> None:
    """Its failure says nothing; any other failure counts."""
    questions: list[str] = []

    async def ask() -> str:
        questions.append("?")
        if len(questions) == 1:
            if sleeps_in_between:
                sleep(60)
            await asyncio.sleep(0.01)
            raise RolloutError("no answer")
        return "yes"

    async def main() -> None:
        if sleeps_in_between:
            assert await look(ask) == "yes"
        else:
            with pytest.raises(RolloutError):
                await look(ask)

    run(main)
    assert len(questions) == asked

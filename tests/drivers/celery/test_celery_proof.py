"""What proves that a worker is back, asked of real ones."""

from __future__ import annotations

import os
import signal

import pytest
from celery_shop import CONSUMED, CeleryShop

from rollout.agents.celery.app import broker_of
from rollout.agents.celery.restart import require_execution, require_queues
from rollout.agents.celery.worker import Worker
from rollout.agents.common import deadline, proc
from rollout.agents.common.talk import Failed


def prove(shop: CeleryShop, seconds: float) -> None:
    require_execution(shop.app, Worker(shop.app, "celery@web1"), deadline.after(seconds), seconds)


def test_a_task_of_ours_is_executed(shop: CeleryShop, capfd: pytest.CaptureFixture[str]) -> None:
    """By that worker alone, without a result backend, and nothing is left of it."""
    prove(shop, 30)
    assert capfd.readouterr().out == "celery@web1 has executed rollout's test task\n"
    assert shop.nothing_of_ours()
    assert Worker(shop.app, "celery@web1").ask("stats")["total"]["celery.accumulate"] == 1
    assert "celery.accumulate" not in Worker(shop.app, "celery@web2").ask("stats")["total"]


def test_an_error_of_the_code_is_none_of_the_broker(shop: CeleryShop) -> None:
    """Although kombu takes a KeyError for a lost connection to Redis."""
    with pytest.raises(KeyError), broker_of(shop.app):
        raise KeyError("shop.work")


def test_a_worker_that_has_its_hands_full(shop: CeleryShop, capfd: pytest.CaptureFixture[str]) -> None:
    """Where all its processes run the queue's own tasks, those prove it, since ours waits behind them."""
    shop.occupy(20)
    prove(shop, 1)
    assert "celery@web1 is as busy as it can be" in capfd.readouterr().out
    shop.release_all(20)
    assert shop.nothing_of_ours()


def test_a_worker_that_answers_and_executes_nothing(shop: CeleryShop) -> None:
    """One whose processes hang is not taken for one that works, whatever it answers."""
    main = proc.find(int(shop.pids()["web1"]))
    assert main is not None
    hung = proc.children(main)
    try:
        for child in hung:
            os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(Failed, match="celery@web1 did not execute rollout's test task within 1 s"):
            prove(shop, 1)
    finally:
        for child in hung:
            os.kill(child.pid, signal.SIGCONT)
    assert shop.nothing_of_ours()


def test_a_queue_that_is_not_consumed_again(shop: CeleryShop) -> None:
    """Tasks in it could be left for ever, so it is told, with what to do where that is meant."""
    worker = Worker(shop.app, "celery@web1")
    require_queues(worker, [*CONSUMED], deadline.after(30))
    with pytest.raises(Failed, match="celery@web1 no longer consumes reports: if that is intended, run"):
        require_queues(worker, [*CONSUMED, "reports"], deadline.after(30))

"""An invented deployment: web1 is rolled, web2 fails with output, web3 is never reached, web4 is skipped."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from rollout.domain import Outcome, Step
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentStarted,
    Halted,
    NodeFailed,
    NodeFinished,
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

NOON = 1_700_049_600.0
"""12:00:00 UTC."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def gone() -> Iterator[TextIO]:
    """A stream whose reader has gone away."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    yield stream
    with suppress(BrokenPipeError):
        stream.close()


@pytest.fixture
def records() -> list[Record]:
    """The deployment, from its first event to its last."""
    failure = StepFailed(
        "web2",
        Step.RESTART,
        1.2,
        "exit status 1",
        hint="ssh web2 journalctl -u shop",
        tail=("starting shop", "ImportError: no module named shop"),
    )
    timeline = [
        (
            0.0,
            DeploymentStarted(
                service="shop",
                release="1.4.2",
                nodes=("web1", "web2", "web3"),
                skipped=("web4",),
                load_balancers=("lb1", "lb2"),
                window=1,
                canary=1,
                inventory="my prod.yml",
                user="anna",
                host="laptop",
                pid=42,
            ),
        ),
        (0.0, ServerNoted("web1", "lb1", "shop", "web1", 0, 100, "UP")),
        (0.0, ReleaseNoted("web1", "1.4.1")),
        (0.0, Warned("backend shop has no option redispatch")),
        (1.0, StepStarted("web1", Step.DRAIN)),
        (1.0, CommandSent("web1", Step.DRAIN, "lb1", "set server shop/web1 state drain")),
        (1.1, Progressed("web1", Step.DRAIN, "lb1 drains", sessions=3)),
        (1.2, Progressed("web1", Step.DRAIN, "lb1 drains", sessions=2)),
        (7.0, Progressed("web1", Step.DRAIN, "lb1 drains", sessions=1)),
        (7.5, StepFinished("web1", Step.DRAIN, 6.5, "no session left")),
        (7.5, StepStarted("web1", Step.RESTART)),
        (7.5, CommandSent("web1", Step.RESTART, "web1", "sudo systemctl restart shop\nsleep 1\n")),
        (9.0, StepFinished("web1", Step.RESTART, 1.5)),
        (9.0, NodeFinished("web1", 8.0)),
        (9.0, StepStarted("web2", Step.RESTART)),
        (9.5, OutputSeen("web2", Step.RESTART, "starting shop")),
        (10.2, failure),
        (10.2, NodeFailed("web2", left_out=True)),
        (10.2, Warned("it is warm", node="web2")),
        (10.2, Halted("web2 failed")),
        (75.0, DeploymentFinished(Outcome.FAILED, 75.0, "web2 failed")),
    ]
    return [Record(17, number, NOON + at, event) for number, (at, event) in enumerate(timeline, 1)]

"""How many workers a gunicorn has, while some of them are being replaced."""

from __future__ import annotations

import pytest

from rollout.agents.common import deadline
from rollout.agents.common.proc import Process
from rollout.agents.gunicorn import under_way
from rollout.agents.gunicorn.under_way import settled

MASTER = Process(1, 1)
ALL = [Process(2, 2), Process(3, 3), Process(4, 4)]


@pytest.mark.parametrize(
    ("seen", "wanted", "found"),
    [
        ([[], ALL[:1], ALL[:2], ALL], 3, ALL),  # all had been killed
        ([ALL], 3, ALL),
        ([ALL[:2]], 3, ALL[:2]),  # somebody has lowered the number by TTOU
        ([ALL], 2, ALL),  # or raised it by TTIN
    ],
)
def test_workers_are_counted_once_none_is_being_replaced(
    monkeypatch: pytest.MonkeyPatch, seen: list[list[Process]], wanted: int, found: list[Process]
) -> None:
    """The number of one moment does not count, unless it is the one that the configuration asks for."""
    monkeypatch.setattr(under_way, "_STILL", 0.1)
    monkeypatch.setattr(under_way, "_LOOK_AGAIN", 0.001)
    looks = iter(seen)
    monkeypatch.setattr(under_way, "workers", lambda master: next(looks, seen[-1]))
    assert settled(MASTER, wanted, deadline.after(10)) == found

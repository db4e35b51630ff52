"""When the node's own connections are looked at, since no load balancer shows old sessions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from rollout.domain import Reading
from rollout.engine.claim import Claim
from rollout.engine.context import NodeContext
from rollout.engine.rotation.old_processes import OldProcesses
from rollout.ports import Host, HttpClient
from tests.support.states import inventory, reading, state

YOUNG = replace(reading(state(port=8000), state("api/web1", port=8001), state(port=0)), uptime=3)


def old_processes() -> OldProcesses:
    """Those of a node whose drain takes 30 s, behind load balancers on machines that cannot be asked."""
    context = NodeContext(
        "web1",
        inventory(),
        None,
        cast(Host, None),
        cast(HttpClient, None),
        {},
        cast(Host, None),
        cast(HttpClient, None),
        cast(Claim, None),
    )
    return OldProcesses(context, {})


def ports(old: OldProcesses, *seen: Reading) -> set[int]:
    return set(asyncio.run(old.ports(seen)))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (YOUNG, {8000, 8001}),
        (replace(YOUNG, uptime=30), {8000, 8001}),
        (replace(YOUNG, uptime=31), set()),
        (replace(YOUNG, old_processes_shown=True), set()),
    ],
)
def test_only_a_young_process_hides_another(seen: Reading, expected: set[int]) -> None:
    """Its predecessor is given the time of a drain; where a master tells, nothing is hidden."""
    assert ports(old_processes(), seen) == expected


def test_a_young_process_that_grows_old_in_the_wait() -> None:
    """A wait that was begun goes on until the node says that it is over."""
    old = old_processes()
    assert ports(old, YOUNG) == ports(old, replace(YOUNG, uptime=31)) == {8000, 8001}
    old.clear([YOUNG])
    assert ports(old, YOUNG) == set()


def test_another_process_must_be_cleared_anew() -> None:
    """After one more reload, the process that was cleared is itself one that may hide something."""
    old = old_processes()
    old.clear([YOUNG])
    assert ports(old, replace(YOUNG, started=9)) == ports(old, replace(YOUNG, pid=9)) == {8000, 8001}

"""The table of `status --watch`, as a terminal shows it."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from rollout.decisions.fold import fold
from rollout.decisions.node_state import HealthSeen, NodeStatus, SiteStatus
from rollout.decisions.progress import Progress
from rollout.domain import NodeState, Step
from rollout.events import DeploymentStarted, NodeFinished, Paused, Record, Sampled, StepStarted
from rollout.views.seen import Seen
from rollout.views.watch import WatchView
from tests.support.states import state as server_state


def node(
    name: str, state: NodeState = NodeState.READY, release: str = "1.4.1", status: str = "UP"
) -> NodeStatus:
    servers = (
        server_state(f"shop/{name}", status=status, sessions=4),
        server_state(f"shop/{name}", on="lb2", status=status, sessions=3),
    )
    return NodeStatus(name, "10.0.0.1", state, HealthSeen(True, 200, release, ""), servers)


def lines(seen: Seen, now: float, *, width: int = 110, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    view = WatchView(console, clock=lambda: now)
    view.show(seen)
    rows = console.render_lines(view.render(), pad=False)
    shown = ["".join(part.text for part in row if not part.control).rstrip() for row in rows]
    assert len(shown) <= height
    assert max(map(cell_len, shown)) <= width
    return shown


def running(records: list[Record], nodes: int) -> Progress:
    """A deployment of so many nodes: web1 is done, web2 restarts."""
    start = records[0].event
    assert isinstance(start, DeploymentStarted)
    names = tuple(f"web{number}" for number in range(1, nodes + 1))
    events = [
        dataclasses.replace(start, nodes=names, skipped=()),
        StepStarted("web1", Step.DRAIN),
        NodeFinished("web1", 8.0),
        StepStarted("web2", Step.RESTART),
        Sampled(("1.4.2",), (1204,), (0,), 0, {}, {}, 0, 0, 0),
    ]
    return fold([Record(17, at, records[0].time, event) for at, event in enumerate(events, 1)])


def test_a_deployment_that_runs_somewhere(records: list[Record]) -> None:
    """Each node as its load balancers show it, its step and its time, what comes next, and how far it is."""
    nodes = (node("web1", release="1.4.2"), node("web2", NodeState.DRAINED, status="DRAIN"), node("web3"))
    seen = Seen("shop · deployment 17", SiteStatus(nodes, (), {}), running(records, 3), [])
    shown = [re.sub(" {3,}", "   ", line) for line in lines(seen, records[0].time + 2.1)]
    assert shown == [
        "shop · deployment 17",
        "  node  state   release  sessions  servers   time",
        "✓ web1  ready   1.4.2   7  lb1 UP · lb2 UP   1.4.2   8.0 s",
        "● web2  drained  1.4.1   7  lb1 DRAIN · lb2 DRAIN  restart   2.1 s",
        "· web3  ready   1.4.1   7  lb1 UP · lb2 UP",
        "· next: web3 once web2 is done (1 waiting)",
        "━━━━━━━━━━━━━━━╸   1 of 3 · about 15 s left",
        "12:00:02 · 2.1 s so far · 0 of 1,204 failed on 1.4.2",
    ]


@pytest.mark.parametrize(("width", "height"), [(200, 50), (110, 24), (80, 24), (60, 14), (40, 10)])
def test_it_fits_the_window(records: list[Record], width: int, height: int) -> None:
    """Of many nodes, those that are rolled or not ready stay in sight, and the others are counted."""
    nodes = [node(f"web{number}") for number in range(1, 101)]
    nodes[1] = node("web2", NodeState.DRAINED)
    nodes[89] = node("web90", NodeState.DOWN)
    progress = running(records, 100)
    notes = [f"web{number} was left out by deployment 16" for number in range(20)]
    seen = Seen("shop · deployment 17 " * 10, SiteStatus(tuple(nodes), (), {}), progress, notes)
    shown = lines(seen, records[0].time + 2.1, width=width, height=height)
    assert any("web2 " in line for line in shown)
    assert any("web90" in line for line in shown)
    assert any("more: " in line for line in shown)


def test_a_pause_and_a_quiet_service(records: list[Record]) -> None:
    """Why it waits and what continues it; without a deployment, the clock alone."""
    seen = Seen("shop", SiteStatus((node("web1"),), (), {}), None, ["lb2: no answer"])
    assert lines(seen, records[0].time)[-2:] == ["lb2: no answer", "12:00:00"]
    progress = fold([records[0], Record(17, 2, records[0].time, Paused("why"))])
    paused = lines(dataclasses.replace(seen, running=progress), records[0].time + 3)
    assert "paused for 3.0 s: why; continue with: rollout promote -i 'my prod.yml'" in paused


def test_what_a_node_prints_is_not_obeyed(records: list[Record]) -> None:
    """A release or a fault with control characters is written out."""
    hostile = NodeStatus("web1", "10.0.0.1", NodeState.DOWN, HealthSeen(False, 500, "\x1b[2J", "\x07bad"), ())
    shown = "\n".join(lines(Seen("shop", SiteStatus((hostile,), (), {}), None, []), records[0].time))
    assert r"\x1b[2J" in shown
    assert r"\x07bad" in shown

"""What it costs that a service has very many nodes: six times as many make six times the work."""

from __future__ import annotations

from collections import Counter

import pytest

from rollout.decisions.preview import node_lines
from rollout.domain import Server
from rollout.engine.checks.check import check
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.checks.status import site_status
from rollout.inventory import Inventory
from rollout.views import status
from rollout.views.check import text
from rollout.views.plan import PlanView
from tests.simulation.loop import run
from tests.support.in_memory import site_in_memory
from tests.support.lines_run import lines_run
from tests.support.states import inventory

FEW, MANY = 20, 120
"""Nodes."""
_MOST = 2.0
"""The growth that is allowed, in growths of the number of nodes."""
_SMALL = 2000
"""Lines of a function that are no matter, however they grew."""


def fleet(nodes: int, spread: str | None) -> Inventory:
    return inventory(
        nodes={
            f"web{n}": {"host": f"10.0.{n // 200}.{n % 200 + 1}", "zone": f"z{n % 3}"} for n in range(nodes)
        },
        strategy={"window": 4, "bake": "0", "spread": spread},
        health={"http": "http://{host}/_status", "interval": "100ms"},
        restart={"command": "restart"},
    )


async def _look(site_of: Inventory) -> None:
    """What `check`, `plan` and `status` do, with all that they show."""
    site, names = site_in_memory(site_of, 1), list(site_of.nodes)
    for _ in text(await check(site, names)):
        pass
    plan, seen = await make_plan(site, names, None, ours={})
    plan = await require_safe(site, plan, seen, allow_outage=False)
    checked = seen.checked()
    shown = {
        name: node_lines(site_of, None, name, plan.placement[name], checked, plan.before)
        for name in plan.nodes
    }
    for _ in PlanView(site_of, plan, shown, []).text():
        pass
    for _ in status.table("shop", await site_status(site, names), "", None):
        pass


def grown(few: Counter[str], many: Counter[str]) -> dict[str, float]:
    """The functions whose work grew faster than the number of nodes, and how much."""
    times = {name: lines / few[name] for name, lines in many.items() if lines > _SMALL and few[name]}
    return {name: factor for name, factor in times.items() if factor > _MOST * MANY / FEW}


def cost_of_looks(nodes: int, spread: str | None) -> Counter[str]:
    fleet_of_nodes = fleet(nodes, spread)
    with lines_run(compared=Server) as cost:
        run(_look(fleet_of_nodes))
    return cost


@pytest.mark.parametrize("spread", [None, "zones", "within"])
def test_the_work_of_looks_grows_with_the_nodes(spread: str | None) -> None:
    """With six times as many nodes, no function of `rollout` runs much more than six times as many lines in a
    check, a plan, a preflight and a status."""
    assert grown(cost_of_looks(FEW, spread), cost_of_looks(MANY, spread)) == {}

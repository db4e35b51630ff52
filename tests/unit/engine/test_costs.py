"""What it costs that a node is in very many backends: ten times as many make ten times the work."""

from __future__ import annotations

import io
from collections import Counter

from rollout.cli.first_events import deployment_started
from rollout.cli.redaction import Redaction
from rollout.decisions.fold import fold
from rollout.decisions.preview import node_lines
from rollout.domain import Outcome, Server
from rollout.engine.checks.check import check
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.checks.status import site_status
from rollout.engine.deployment import Deployment
from rollout.events import Event, Record, from_fields, to_fields
from rollout.views import status
from rollout.views.check import text
from rollout.views.plain import PlainView
from rollout.views.plan import PlanView
from tests.simulation.loop import run
from tests.support.in_memory import site_in_memory
from tests.support.lines_run import lines_run
from tests.support.states import inventory

FEW, MANY = 8, 48
"""Backends."""
_MOST = 2.0
"""The growth that is allowed, in growths of the number of backends: sorting needs a little more than one."""
_SMALL = 2000
"""Lines of a function that are no matter, however they grew."""

SITE = inventory(
    strategy={"window": 1, "bake": "1s"},
    warmup={"over": "1s"},
    health={"http": "http://{host}/_status", "interval": "100ms"},
    restart={"command": "restart"},
)


def grown(few: Counter[str], many: Counter[str]) -> dict[str, float]:
    """The functions whose work grew faster than the number of backends, and how much."""
    times = {name: count / few[name] for name, count in many.items() if count > _SMALL and few[name]}
    return {name: factor for name, factor in times.items() if factor > _MOST * MANY / FEW}


def cost_of_verbs(backends: int) -> Counter[str]:
    with lines_run(compared=Server) as cost:
        run(_verbs(backends))
    return cost


async def _verbs(backends: int) -> None:
    """What `check`, `plan`, `deploy` and `status` do, with all that they show."""
    site, names, events = site_in_memory(SITE, backends), list(SITE.nodes), list[Event]()
    for _ in text(await check(site, names)):
        pass
    plan, seen = await make_plan(site, names, None, ours={})
    await require_safe(site, plan, seen, allow_outage=True)
    shown = {
        name: node_lines(SITE, None, name, plan.placement[name], seen.checked(), plan.before)
        for name in plan.nodes
    }
    for _ in PlanView(SITE, plan, shown, []).text():
        pass
    events += map(Redaction().event, deployment_started(SITE, plan, seen, {}))
    assert await Deployment(site, plan, 1, {}, events.append, allow_outage=True).run() is Outcome.DONE
    kept = [from_fields(type(event).__name__, to_fields(event)) for event in events]
    records = [Record(1, number, 0.0, event) for number, event in enumerate(kept, 1) if event]
    progress, plain = fold(records), PlainView(io.StringIO())
    for record in records:
        plain.show(record)
    await make_plan(site, names, None, ours=dict(progress.nodes))
    for _ in status.table("shop", await site_status(site, names), "", progress):
        pass


def test_the_work_of_all_verbs_grows_with_the_servers() -> None:
    """With six times as many backends, no function of `rollout` runs much more than six times as many lines
    in a check, a plan, a whole deployment and a status, and no more servers are compared."""
    faster = grown(cost_of_verbs(FEW), cost_of_verbs(MANY))
    assert faster == {}

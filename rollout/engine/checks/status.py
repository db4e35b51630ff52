"""The status of a site now: every node as its health page and all load balancers show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.deadline import look
from rollout.decisions.health import DRAINING, fault, reported_release
from rollout.decisions.node_state import HealthSeen, NodeStatus, SiteStatus, node_state
from rollout.decisions.placement import place
from rollout.domain import NodeState, Reading, ServerState
from rollout.engine.health_page import ask
from rollout.engine.site import Site, Survey, addresses
from rollout.engine.waiting import run_all, run_both, run_many
from rollout.errors import LoadBalancerError, RequestFailed


async def site_status(site: Site, nodes: Sequence[str]) -> SiteStatus:
    """Read every load balancer and request every health page once, all at the same time.

    A load balancer that does not answer is in the status, with the reason. Raises Refused.
    """
    answers, pages = await run_both(
        run_all(_read(site, name) for name in site.load_balancers),
        run_many(_page(site, name) for name in nodes),
    )
    readings = [reading for reading in answers if isinstance(reading, Reading)]
    unreachable = {
        error.load_balancer: str(error) for error in answers if isinstance(error, LoadBalancerError)
    }
    seen = Survey(tuple(readings), place(site.inventory, readings, await addresses(site.inventory)))
    statuses = []
    for name, page in zip(nodes, pages, strict=True):
        states = tuple(seen.states(name))
        statuses.append(
            NodeStatus(
                name=name,
                host=site.inventory.nodes[name].host,
                state=_state(site, states, page, unreachable),
                health=page,
                servers=states,
            )
        )
    return SiteStatus(tuple(statuses), seen.readings, unreachable)


def _state(
    site: Site, states: Sequence[ServerState], page: HealthSeen | None, unreachable: Mapping[str, str]
) -> NodeState:
    """The state of a node: unknown if a load balancer was not read; by the page alone if none is listed."""
    if unreachable:
        return NodeState.UNKNOWN
    if site.load_balancers or page is None:
        return node_state(states)
    if page.healthy:
        return NodeState.READY
    return NodeState.DRAINED if page.status == DRAINING else NodeState.DOWN


async def _read(site: Site, name: str) -> Reading | LoadBalancerError:
    try:
        return await look(site.load_balancers[name].read)
    except LoadBalancerError as error:
        return error


async def _page(site: Site, name: str) -> HealthSeen | None:
    health = site.inventory.health
    if health is None:
        return None
    try:
        answer = await ask(site.context(name, None), health)
    except RequestFailed as error:
        return HealthSeen(healthy=False, status=None, release=None, detail=str(error))
    wrong = fault(answer, health, None)
    return HealthSeen(not wrong, answer.status, reported_release(answer, health), wrong)
